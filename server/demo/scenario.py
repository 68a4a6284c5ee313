"""The data of the demo: tools, releases, users' machines, commands, and failures.

A table of `Weighted` is drawn from in proportion; its weights have no fixed sum. Times are shares of the month: 0 is its beginning, 1 is
now.
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar

T = TypeVar("T")
Weighted = tuple[tuple[T, float], ...]


# --- families -----------------------------------------------------------------------------------------------------------------------------


class Family(NamedTuple):
    """One kind of client. `share` of all events; `fewest` installs even in a small demo.

    `kinds` is the mix of install kinds, in twentieths; `stay` scales how many installs return.
    """

    name: str
    share: float
    events_an_install: float
    fewest: int
    kinds: tuple[tuple[str, int], ...]
    stay: float


_EVERYBODY = (("person", 10), ("ci", 4), ("container", 2), ("development", 1), ("test", 1), ("unknown", 2))
_PEOPLE = (("unknown", 20),)  # these clients do not report the kind

FAMILIES = (
    Family("native", 0.44, 9, 60, _EVERYBODY, 1.0),
    Family("sonicjs", 0.14, 5, 20, _PEOPLE, 0.5),
    Family("downloads", 0.13, 3, 20, _PEOPLE, 0.4),
    Family("flakedrop", 0.11, 14, 12, _PEOPLE, 1.1),
    Family("engagement", 0.11, 5, 15, _PEOPLE, 0.3),
    Family("trackskills", 0.07, 35, 6, _PEOPLE, 1.4),
)
ALREADY_THERE = 0.3  # of all installs, at the beginning of the month

# How many more installs return on a system: kelp's file watcher is slow on Windows.
STAY_BY_OS = {"darwin": 1.25, "linux": 1.0, "win32": 0.5}

# How many installs return, and in how many days most of the others have left: (loyalty, days).
LOYALTIES: Weighted[tuple[float, float]] = (((0.16, 2.0), 50), ((0.45, 9.0), 33), ((0.88, 60.0), 17))

# The activity of each kind relative to a person, on a weekday and at the weekend.
WEEKDAY = {"person": 1.0, "ci": 2.2, "container": 0.8, "development": 1.6, "test": 1.2, "unknown": 1.0}
WEEKEND = {"person": 0.5, "ci": 0.5, "container": 0.7, "development": 0.25, "test": 0.15, "unknown": 0.7}

ZONES: Weighted[int] = ((-8, 15), (-5, 19), (-3, 4), (0, 10), (1, 22), (2, 7), (5, 9), (8, 8), (9, 4), (10, 2))
# The relative activity in each hour of the local day.
PEOPLES_DAY = (2, 1, 1, 1, 1, 1, 2, 5, 11, 17, 20, 19, 15, 17, 20, 20, 18, 14, 10, 9, 10, 9, 6, 4)
MACHINES_DAY = (6, 5, 14, 6, 4, 4, 5, 7, 10, 13, 14, 13, 11, 13, 14, 14, 12, 9, 7, 6, 6, 6, 6, 6)

# --- machines -----------------------------------------------------------------------------------------------------------------------------

DESKTOPS: Weighted[tuple[str, str]] = (
    (("darwin", "arm64"), 44),
    (("darwin", "x64"), 7),
    (("linux", "x64"), 26),
    (("linux", "arm64"), 4),
    (("win32", "x64"), 18),
    (("win32", "arm64"), 6),
)
RUNNERS: Weighted[tuple[str, str]] = ((("linux", "x64"), 82), (("linux", "arm64"), 10), (("darwin", "arm64"), 5), (("win32", "x64"), 3))
RUNTIMES: Weighted[str] = (("22.20", 41), ("20.19", 22), ("24.11", 19), ("18.20", 8), ("23.11", 4))
# Windows on ARM is common on older company laptops.
OLD_RUNTIMES: Weighted[str] = (("18.20", 48), ("20.19", 30), ("22.20", 22))
PACKAGE_MANAGERS: Weighted[str] = (("npm", 48), ("pnpm", 27), ("yarn", 14), ("bun", 11))
MACHINES_SOURCES: Weighted[str] = (("npm", 86), ("curl", 14))
SOURCES: dict[str, Weighted[str]] = {
    "darwin": (("brew", 46), ("npm", 43), ("curl", 11)),
    "linux": (("npm", 55), ("curl", 28), ("brew", 9), ("nix", 8)),
    "win32": (("npm", 71), ("scoop", 18), ("winget", 11)),
}
SHELLS: dict[str, Weighted[str]] = {
    "darwin": (("zsh", 84), ("fish", 9), ("bash", 7)),
    "linux": (("bash", 66), ("zsh", 26), ("fish", 8)),
    "win32": (("pwsh", 62), ("cmd", 24), ("bash", 14)),
}

# --- versions -----------------------------------------------------------------------------------------------------------------------------


class Release(NamedTuple):
    """A version, its release time, and the speed of its adoption (1 is usual, smaller is faster)."""

    version: str
    at: float
    haste: float = 1.0


RELEASES = {
    "native": (
        Release("2.6.4", -1), Release("2.7.0", 0.18), Release("2.8.0", 0.55, 0.3), Release("2.8.1", 0.6, 0.25), Release("2.9.0", 0.87),
    ),
    "sonicjs": (Release("2.3.8", -1), Release("2.4.0", 0.35), Release("2.4.1", 0.8)),
    "flakedrop": (Release("1.0.0", -2), Release("1.1.0", -1), Release("1.2.0", 0.3), Release("1.2.1", 0.74)),
}  # fmt: skip
USUAL_LAG = 0.08  # of the month, until half of the upgrading installs have upgraded
NEVER_UPGRADE = {"person": 0.15, "ci": 0.4, "container": 0.6, "development": 0.0, "test": 0.1, "unknown": 0.2}
LAUNCH = 0.87  # a popular release: twice as many new installs for a few days
NIGHTLY = "3.0.0-nightly.4"  # run by the tool's developers; its events are sometimes invalid

# The bad release, the error of its builds, and how many of them fail.
BAD_VERSION = "2.8.0"
BAD_ERROR = ("ConfigError", "workspaces.packages must be an array (in ~/projects/shop/kelp.config.ts)", "config")
BAD_SHARE = 0.7

# What other releases change: builds of 2.9.0 are faster, and no longer compile a native module on Windows on ARM, where no binary of it
# exists; but its deployments require a new login.
FAST_VERSION = ("2.9.0", 0.55)  # the version, and the factor on the duration of its builds
LOGIN_VERSION = ("2.9.0", 0.2)  # the version, and the failure rate of its deployments
NATIVE_ERROR = ("NativeModuleError", "No binary of sharp for win32-arm64 and Node.js 18.20; node-gyp rebuild failed", "dependencies")
NATIVE_FAILS = {"18.20": 0.6}  # share of failing builds there by version of Node.js
NATIVE_FAILS_ELSE = 0.08

# --- kelp: the tool that sends Footfall's own format --------------------------------------------------------------------------------------


class Command(NamedTuple):
    """A command: median duration in milliseconds, its spread (the sigma of a log-normal distribution), and its failure rate."""

    name: str
    median: float
    spread: float
    failing: float


COMMANDS: Weighted[Command] = (
    (Command("build", 4_200, 0.85, 0.035), 36),
    (Command("lint", 780, 0.6, 0.02), 21),
    (Command("dev", 61_000, 1.3, 0.01), 15),
    (Command("deploy", 17_500, 0.7, 0.06), 11),
    (Command("plugin_add", 2_900, 0.75, 0.045), 6),
    (Command("upgrade", 8_800, 0.6, 0.03), 5),
    (Command("doctor", 420, 0.4, 0.0), 4),
    (Command("login", 1_300, 0.9, 0.05), 2),
)
INIT = Command("init", 2_600, 0.5, 0.03)
# The first visit: shares of installs that build after `init` (before the starter of 2.7 and since), and that deploy after their first build.
FIRST_BUILDS = (0.35, 0.72)
FIRST_DEPLOYS = 0.34
LOST_LOYALTY = 0.2  # the factor on the loyalty of those that do not build
MACHINES_RUN: Weighted[str] = (("build", 52), ("lint", 30), ("deploy", 18))
TRIGGERS: dict[str, Weighted[str]] = {
    "ci": (("pipeline", 92), ("schedule", 8)),
    "container": (("script", 70), ("schedule", 30)),
    "test": (("script", 1),),
}
# Runs by AI coding agents: their share of people's runs at the beginning of the month and now, and how much more often these fail.
AGENTS: Weighted[str] = (("claude-code", 46), ("cursor", 24), ("codex", 14), ("copilot", 9), ("gemini-cli", 7))
AGENTS_SHARE = (0.1, 0.32)
AGENTS_FAIL = 1.7
BY_HAND: Weighted[str] = (("manual", 71), ("watch", 18), ("hook", 11))
PLUGINS: Weighted[str] = (
    ("image-optimizer", 24), ("sitemap", 19), ("mdx", 17), ("tailwind", 15), ("i18n", 9), ("rss", 8), ("sentry", 5), ("partytown", 3),
)  # fmt: skip

# Properties of a site: its theme and plugins stay the same, the cache of its builds does not.
THEMES: Weighted[str] = (("aurora", 44), ("paper", 31), ("slate", 17), ("custom", 8))
SITE_PLUGINS: Weighted[tuple[str, ...]] = (
    ((), 30), (("mdx",), 22), (("mdx", "sitemap"), 18), (("image-optimizer", "sitemap"), 14), (("tailwind",), 9), (("i18n", "mdx", "rss"), 7),
)  # fmt: skip
CACHES: Weighted[str] = (("warm", 58), ("cold", 29), ("off", 13))
REGIONS: Weighted[str] = (("eu", 45), ("us", 40), ("asia", 15))
# The last stage of a build or a deployment that succeeded: a build without changes ends early. One that fails ends at the stage of its error.
LAST_STAGES: dict[str, Weighted[str]] = {
    "build": (("output", 72), ("dependencies", 15), ("config", 13)),
    "deploy": (("activate", 1),),
}

# Error types with messages as the tool writes them, and the stage of a build at which they end it. Footfall scrubs their paths and hosts.
ERRORS: Weighted[tuple[str, str, str]] = (
    (("ModuleNotFoundError", "Cannot find module '@kelp/plugin-mdx' imported from /home/ana/site/kelp.config.ts", "dependencies"), 26),
    (("SyntaxError", "Unexpected token '<' in src/pages/index.tsx (12:4)", "compile"), 21),
    (("NetworkError", "request to https://registry.example.com/kelp failed, reason: connect ETIMEDOUT", "dependencies"), 16),
    (("OutOfMemoryError", "Reached heap limit: allocation failed while bundling 1843 modules", "bundle"), 10),
    (("PermissionError", "EACCES: permission denied, open 'dist/index.html'", "output"), 9),
    (("TypeError", "Cannot read properties of undefined (reading 'frontmatter')", "compile"), 8),
)
DEPLOY_ERRORS: Weighted[tuple[str, str, str]] = (
    (("NetworkError", "request to https://deploy.example.com/upload failed, reason: socket hang up", "upload"), 45),
    (("AuthError", "The deploy token has expired; run `kelp login`", "authorize"), 30),
    (("QuotaError", "The site has more than 20,000 files", "upload"), 25),
)
LOGIN_ERROR = DEPLOY_ERRORS[1][0]

# --- SonicJS ------------------------------------------------------------------------------------------------------------------------------

TEMPLATES: Weighted[str] = (("starter", 68), ("blog", 21), ("minimal", 11))
SETUP_FAILURES: Weighted[tuple[str, str]] = (
    (("npm install exited with code 1", "dependencies"), 46),
    (("Failed to create D1 database: wrangler is not logged in", "database"), 31),
    (("ENOTEMPTY: directory not empty, mkdir ~/my-sonicjs-app", "setup"), 14),
    (("Template download timed out", "download"), 9),
)
ROUTES: Weighted[str] = (
    ("/admin", 24), ("/admin/content", 30), ("/admin/content/:id/edit", 21), ("/admin/media", 12), ("/admin/settings", 7),
    ("/admin/users", 6),
)  # fmt: skip

# --- downloads: peon-ping's packs, most popular first, distributed by Zipf's law ----------------------------------------------------------

PACKS = (
    "peon", "glados", "sc_kerrigan", "peasant", "murloc", "ocarina_of_time", "hal9000", "sc_battlecruiser", "ra2_eva", "tf2_engineer",
    "duke_nukem", "portal_turret", "aoe2", "zelda_navi", "mario", "sonic", "metal_gear", "halo_announcer", "quake3_announcer", "unreal",
    "diablo_deckard", "lotr_gandalf", "star_trek_computer", "r2d2", "c3po", "minecraft_villager", "windows_xp", "mac_startup", "dota2_axe",
    "heroes3", "worms", "lemmings", "half_life_scientist", "bioshock_splicer", "mass_effect_edi", "witcher_geralt", "skyrim_guard",
    "stardew", "undertale", "doom_guy",
)  # fmt: skip
RISING_PACK = ("hal9000", 0.8, 9.0)  # the pack, since when, and the factor on its usual share by now
BAD_PACKS = ("Peon%20Ping", "..%2Fregistry", "PEON")  # from a fork of the client that does not escape names

# --- engagement ---------------------------------------------------------------------------------------------------------------------------

TARGETS = (
    ("snippet", "git-commit-message"), ("template", "agents-md-starter"), ("snippet", "code-review-checklist"),
    ("document", "claude-md-guide"),
    ("snippet", "explain-this-regex"), ("template", "rfc"), ("snippet", "sql-to-plain-english"), ("template", "incident-report"),
    ("document", "prompting-patterns"), ("snippet", "conventional-changelog"), ("template", "readme-minimal"), ("snippet", "test-names"),
    ("document", "mcp-from-scratch"), ("template", "adr"), ("snippet", "bash-strict-mode"), ("document", "writing-for-agents"),
)  # fmt: skip
RISING_TARGET = (("document", "mcp-from-scratch"), 0.78, 14.0)
# After a view, in this share of sessions, by target type.
ACTIONS: dict[str, tuple[tuple[str, float], ...]] = {
    "snippet": (("copy", 0.42), ("vote_up", 0.06), ("vote_down", 0.01), ("favorite", 0.05), ("comment", 0.02)),
    "template": (("template_use", 0.27), ("download", 0.16), ("favorite", 0.06), ("vote_up", 0.05), ("builder_export", 0.07)),
    "document": (("copy", 0.11), ("download", 0.08), ("vote_up", 0.09), ("favorite", 0.08), ("comment", 0.03)),
}
REFERRERS: Weighted[str] = (
    ("", 40), ("https://www.google.com/", 31), ("https://news.ycombinator.com/item?id=42", 11), ("https://github.com/", 12),
    ("https://lobste.rs/", 6),
)  # fmt: skip
BROWSERS: Weighted[str] = (
    ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36", 48),
    ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0", 22),
    ("Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0", 14),
    ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/604.1", 16),
)

# --- FlakeDrop ----------------------------------------------------------------------------------------------------------------------------

CONFIG_TYPES: Weighted[str] = (("default", 61), ("interactive", 27), ("ci", 12))
DEPLOYMENTS_FAIL = 0.07

# --- Track-Skills -------------------------------------------------------------------------------------------------------------------------

# Tool, median duration in milliseconds, spread, and failure rate.
TOOLS: Weighted[tuple[str, float, float, float]] = (
    (("search_pages", 240, 0.6, 0.01), 34),
    (("extract_entities", 1_900, 0.7, 0.03), 22),
    (("suggest_links", 860, 0.5, 0.02), 18),
    (("find_content_gaps", 3_400, 0.8, 0.05), 12),
    (("audit_schema", 1_200, 0.6, 0.04), 9),
    (("rewrite_title", 5_200, 0.9, 0.02), 5),
)
TOOL_ERRORS: Weighted[tuple[str, str]] = (
    (("RateLimitError", "429 from the model provider, retry after 20 s"), 44),
    (("ValidationError", "params.url is not an absolute URL"), 34),
    (("TypeError", "Cannot read properties of null (reading 'pages')"), 22),
)
TIMEOUTS = 0.004
