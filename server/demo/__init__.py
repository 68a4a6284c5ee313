"""A month of realistic telemetry, to explore Footfall before real clients send events.

Five tools and one site have users who arrive, stay or leave, upgrade or not, and are less active at night and at weekends:

kelp          a fictional site builder with Footfall's own format: people, CI, containers, developers, tests; two in five events
SonicJS       installations with `npx create-sonicjs`, and running sites
peon-ping     downloads and previews of sound packs, most of them of a few popular packs
markdowntown  views, copies, downloads and votes on snippets, templates and documents
FlakeDrop     heartbeats, configurations, deployments
Track-Skills  an agent's tool calls, with durations and errors

kelp 2.8.0 is a bad release: two builds in three fail until 2.8.1 is out. 2.9.0 builds faster and fixes builds on Windows on ARM with an old
Node.js, but its deployments fail more often. Agents run more and more commands. Fewer installs stay on Windows than on macOS, and many are
lost between `init`, `build` and `deploy`. One pack and one document are trending. Some responses are lost and their events are sent twice,
some clients are broken, some opt out of tracking: the ledger counts all of them.

Every event goes through ingest: it is a request to the server as the real client sends it, at a time of the simulated month. All counts,
rollups and hashes are therefore the server's own. Installation ids are random, and addresses are from networks reserved for tests. The
same seed produces the same data relative to the end of the month; weekends shift with the calendar.
"""

from server.demo.filling import Summary, fill, held

__all__ = ["Summary", "fill", "held"]
