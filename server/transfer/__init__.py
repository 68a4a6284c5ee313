"""Data that goes out and comes in: exports, imports, and what is held of one install.

columns    what an export says of each thing, and how the store's numbers become words
formats    CSV, JSON lines and Parquet: rows to bytes, a chunk at a time
export     the two together
sources    files to rows, of which some may be bad, in flat memory
footfall   rows of a previous export to events and installs
posthog    PostHog's export to events
wire       events as clients send them, from any other collector
downloads  the key-value dump of the downloads seed to counts
importing  the loop: read, convert, commit
http       the routes
commands   the commands
"""
