"""A month of believable telemetry, for looking at Footfall before any client of one's own sends to it.

Five tools and one site have users who come, stay or leave, upgrade or do not, sleep, and have weekends:

kelp        a made-up site builder that sends Footfall's own format: people, CI, containers, its developers, its tests; two in five events
SonicJS     installations with `npx create-sonicjs`, and sites at work
peon-ping   downloads and previews of sound packs, a few of them most of all
markdowntown  views, copies, downloads and votes on snippets, templates and documents
FlakeDrop   heartbeats, configurations, deployments
Track-Skills  calls of an agent's tools, with durations and errors

kelp 2.8.0 is a bad release: two builds in three fail until 2.8.1 is out. One pack and one document are on their way up. Some answers get
lost and their events are sent twice, some clients are broken, some want no tracking: the ledger has all of that.

Nothing is written past the way in: each event is a request to the server, as the real client makes it, at a time of the simulated month.
So all counts, rollups and hashes are the server's own. The installs' ids are random, their addresses are of the networks kept for
tests. The same seed tells the same story, told from a different present: weekends fall elsewhere, and so does the rest.
"""

from server.demo.filling import Summary, fill, held

__all__ = ["Summary", "fill", "held"]
