"""The table of patterns in text: a name, a regular expression, a replacement and hints.

A hint is a cheap regular expression for lower-case text, plain or as JSON. If a row's pattern matches, one of its hints must match, even in
JSON, where a line end is a backslash and an n. All hints together are one expression, and most events need no further search. A hint begins
with literal characters, so that `union` can search for the rarest of them, and has `|` only in parentheses.

The patterns read hostile text on the event loop, so each one is linear: runs are possessive (`++`) and begin at a boundary, so that a run is
read once; everything else is bounded. `tests/scrubbing/test_linear.py` checks this.

The order matters: credentials before addresses (`https://me:pw@10.0.0.1`), addresses before e-mail (`me@10.0.0.1`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from server.scrubbing.hints import union
from server.scrubbing.tokens import LINE, TOKENS_BY_PREFIX

SECRET = "[secret]"  # noqa: S105 - a marker
REMOVED = "[removed]"
ID = "[id]"

Replacement = str | Callable[[re.Match[str]], str]


class Pattern(NamedTuple):
    """One row of the table. `hint` is compiled from the row's hints."""

    name: str
    regex: re.Pattern[str]
    replacement: Replacement
    hints: tuple[str, ...]
    hint: re.Pattern[str]


# --- expressions that several rows share ---

_QUOTE = r"""\\{0,8}["'`]"""  # in text, or escaped several times, as in JSON within JSON
# Signs of a random value, which no English word has: a digit, an equals sign, a capital within lower case.
_RANDOM = r"(?=[\w.~+/=-]*?(?-i:[0-9=]|[a-z][A-Z]))"
_NOTHING = r"(?!(?:null|none|nil|undefined|true|false)(?![\w-]))"
_PASSWORDS = r"pass(?:wor[dt]|wd|phrase|code)|(?<![a-z])pwd"
_TOKENS = (
    r"token|secret|credential|(?<![a-z])_auth"
    r"|(?:api|access|secret|private|signing|encryption|license|master|account|deploy|write)[-_. ]?key(?:[-_. ]?id)?"
)
# What precedes the value itself: an option (`PASSWORD= --token …`) or another key (`PASSWORD= (password: …`). It is replaced, too.
_INTRODUCTION = rf"[(\[{{]{{0,2}}(?:--?[a-z][\w-]*+|\w{{0,40}}?(?:{_PASSWORDS}|{_TOKENS})[:=])[ \t]{{1,4}}"
# A value after a separator: quoted up to its own closing quote, or a run.
_VALUE = (
    rf"(?:(?P<open>{_QUOTE})(?:(?!(?P=open))(?:\\.|[^\\\r\n]))++"
    rf"|{_NOTHING}(?:{_INTRODUCTION})?+(?:[^\s\"'`&;,<>\\]|,(?!\s)|\\++(?![\"'nrt]))++)"
)
# A key and a separator. `=` may precede any value. A colon is more common in prose: after a colon and a space, a password is any word, but a
# token must look random ("unexpected token: end of file"). Commands such as secret:set and token:create stay.
_EQUALS = rf"(?:{_QUOTE})?\s{{0,4}}(?:=(?!=)>?\s{{0,4}}|:=?\s{{0,4}}(?:"
_THEN_ANY = rf"{_EQUALS}(?<=\s)|(?=[\"'`\\])|{_RANDOM}))"
_THEN_RANDOM = rf"{_EQUALS}(?=[\"'`\\])|{_RANDOM}))"

_SELF = ("user", "username", "logname", "sudo_user")  # environment variables
_NAMED = ("user", "host", "computer", "machine", "device")
_PROSE = r"(?!(?:is|was|or|and|flag|option|must|cannot|not|to|in|argument|required|needs|with|for|if|has|from)\b)"

_USER = r"(?:[^\s/\\\"'`<>|:;,()\[\]{}*?]|'(?=\w))++"  # one word of a user name in a path, including o'brien
_WORD = rf"(?:(?<!\w)|{LINE})"
_PATH = rf"(?:(?<![\w.~-])|{LINE})"  # the beginning of an absolute path, which src/home/index.ts does not have
_FLAG = r"(?<=[\s\"'=,(]-[A-Za-z])"  # ... or directly after a compiler flag: -I/home/me/include
# Path prefixes of a home folder. Others do not match: /docs/home/start is a page.
_MOUNTS = (
    r"(?:/(?:var|usr|export|private|host\w*|rootfs|System|Volumes|mnt|media|cygdrive|net|nfs\w*|nas|afs|gpfs|lustre|cluster|scratch|srv|storage"
    r"|shared|vol\w*|data\w*|[a-z])(?:/[\w.-]++(?: [\w.-]++)?+){0,4}?)?"
)
_DRIVE = r"(?:[a-z]:|/(?:(?:mnt|cygdrive)/)?[a-z](?=/))[\\/]{1,4}"
_SHARE = r"\\{2,8}[\w.$?-]{1,64}(?:\\{1,4}[\w.$: -]{1,64}+)?\\{1,4}"

# Words that follow the name of a system instead of a host name: "Linux kernel 6.1.0", "linux x64 20.1.0".
_NO_HOSTS = (
    "kernel|version|release|build|gnu|musl|glibc|node|x64|x86|x86_64|amd64|arm|arm64|aarch64|i[36]86|mint|lite|ubuntu|debian|fedora|alpine|arch|centos"
    "|rhel|redhat|suse|opensuse|gentoo|manjaro|kali|rocky|alma|oracle|amazon|none|null|unknown|lts|python|deno|bun|go|rust|ruby|php|java"
)
_EXTENSIONS = (
    "exe|dll|sys|txt|log|jsonc?|[cm]?[jt]sx?|c|h|cc|cpp|hpp|cs|py|rs|go|java|kt|md|xml|ya?ml|toml|ini|cfg|conf|bat|cmd|ps1|sh|zip|gz|tar|tmp|lock|css"
    "|html?|png|jpe?g|gif|svg|ico|sln|csproj|map|pdb|lib|obj|o|a|so|csv|sql|db|vue|svelte|wasm|lnk|msi|bak|old|dat|bin"
)

_OCTET = r"(?:25[0-5]|2[0-4][0-9]|[01]?[0-9]?[0-9])"
_IPV4 = rf"(?:{_OCTET}\.){{3}}{_OCTET}"
_HEXES = r"[0-9A-Fa-f]{0,4}"
_PAIR = r"[0-9A-Fa-f]{2}"

# pkg@1.2.3, pkg@v2.0.0-rc.1 and pkg@1.x are versions; icon@2x.png is an image.
_VERSION = r"v?[0-9]++(?:\.(?:[0-9]++|[x*]))*+(?:[-+][\w.+-]*+)?(?!\w|\.\w)"
_SPRITE = r"[0-9.]{1,4}x\.(?:png|jpe?g|webp|gif|svg|ico)"
_LABELS = r"\w[\w-]*+(?:\.[\w-]++)++"


# --- addresses: checks beyond regular expressions ---


def _ipv4(match: re.Match[str]) -> str:
    """Replace an IPv4 address, except loopback, `0.0.0.0` and versions."""
    text = match[0]
    harmless = match["version"] is not None or text.startswith("127.") or text == "0.0.0.0"  # noqa: S104 - compared, not bound
    return text if harmless else "[ip]"


def _ipv6(match: re.Match[str]) -> str:
    """Replace an IPv6 address (RFC 4291, 2.2: eight groups, or fewer with one `::`), except loopback and `::`.

    `a::b` and `dead::beef` are C++ names: an address with `::` must have a digit, and more than a short word on the left.
    """
    text = match[0]
    candidate = text[:-1] if text[-1] == ":" and text[-2] != ":" else text  # "2001:db8::1: no route to host"
    colons, gaps = candidate.count(":"), candidate.count("::")
    if gaps == 0:
        valid = colons == (6 if "." in candidate else 7) and candidate[0] != ":"
    else:
        first, _, rest = candidate.partition("::")
        named = (not any(map(str.isdigit, candidate)) and ":" not in first) or (len(first) < 3 and ":" not in rest and "." not in rest)
        valid = gaps == 1 and ":::" not in candidate and colons <= 7 and not named and not first.startswith(":")
    harmless = candidate.lstrip("0:") in ("", "1") or candidate.lower().startswith("::ffff:127.")
    return text if harmless or not valid else f"[ip]{text[len(candidate) :]}"


# --- people and hosts: checks beyond regular expressions ---

_TAGS = frozenset(
    (
        *(
            "latest",
            "next",
            "beta",
            "alpha",
            "canary",
            "rc",
            "stable",
            "lts",
            "dev",
            "main",
            "master",
            "head",
            "nightly",
            "experimental",
            "insiders",
        ),
        *(
            "edge",
            "current",
            "legacy",
            "preview",
            "snapshot",
            "release",
            "workspace",
            "file",
            "npm",
            "link",
            "git",
            "http",
            "https",
            "sha1",
            "sha256",
        ),
        *("sha512", "trunk", "develop", "staging", "production", "default", "hash", "digest", "tag", "media", "import", "types", "x"),
    )
)
# Words before a package with a tag: "install eslint@internal".
_OF_PACKAGES = re.compile(
    r"(?i)\b(?:install\w*|add\w*|npx|dlx|exec|create|run|use\w*|uses|upgrad\w+|updat\w+|remov\w+|link\w*|packages?|dependenc\w+|modules?|plugins?"
    r"|resolv\w+|requir\w+|needs|peer|wants|of|from|published?|version|tag|image|action|i)[\s:\"'`(]{1,3}\Z"
)
_LOOKED_BACK = 24  # characters


def _user_at_host(match: re.Match[str]) -> str:
    """Replace a user at a host (`alice@laptop`), but not a package with a tag (`eslint@next`)."""
    host = match["host"].lower()
    tagged = host in _TAGS or host.partition("-")[0] in _TAGS
    if tagged or _OF_PACKAGES.search(match.string, max(0, match.start() - _LOOKED_BACK), match.start()):
        return match[0]
    return "[email]"


# --- the table ---


def _row(name: str, regex: str, replacement: Replacement, *hints: str) -> Pattern:
    return Pattern(name, re.compile(regex), replacement, hints, union(hints))


PATTERNS: tuple[Pattern, ...] = (
    _row(
        "private key",
        r"(?s)-----BEGIN [A-Z0-9 ]{0,40}?PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z0-9 ]{0,40}?PRIVATE KEY(?: BLOCK)?-----|\Z)",
        SECRET,
        "-----begin",
    ),
    _row(
        "credentials in a URL",
        r"(?<=://)(?:[^\s/?#\"'<>@]++@)++"
        r"|(?<=://)[^\s/:@\"'<>]{1,128}+:(?![0-9]{1,5}(?:[/?#\s]|\Z))[^\s@\"'<>]{1,128}+(?<!/)@",  # a slash in the password
        f"{SECRET}@",
        r"@(?<=[^\s\"/]@)",
    ),
    _row("webhook URL", r"(hooks\.slack\.com/services/|discord(?:app)?\.com/api/webhooks/)[\w/-]++", rf"\1{SECRET}", "hooks"),
    _row(
        "an Authorization header",
        rf"(?ai)(authorization(?:{_QUOTE})?\s{{0,4}}(?:=|:(?=[\s\"'\\]|{_RANDOM}))\s{{0,4}}(?:{_QUOTE})?)(?!\s)[^\r\n\"'\\]{{3,}}+",
        rf"\1{SECRET}",
        "authorization",
    ),
    _row(
        "a Cookie header",
        rf"(?ai)(cookie(?:{_QUOTE})?\s{{0,4}}[:=]\s{{0,4}}(?:{_QUOTE})?)(?=[\w!#$%&*+.^|~-]{{1,64}}=)[^\r\n\"'\\]++",
        rf"\1{SECRET}",
        "cookie",
    ),
    _row("Bearer and Basic", rf"(?ai){_WORD}(bearer|basic)(\s{{1,4}}){_RANDOM}[\w.~+/=-]{{8,}}+", rf"\1\2{SECRET}", "bearer", "basic"),
    *(_row(f"a token of {whose}", rf"(?a){regex}", SECRET, *hints) for whose, regex, hints in TOKENS_BY_PREFIX),
    _row("password =", rf"(?ai)(?P<lead>(?:{_PASSWORDS}){_THEN_ANY}){_VALUE}", rf"\g<lead>\g<open>{SECRET}", "pass(?:w|p|c)", "pwd"),
    _row(
        "token =",
        rf"(?ai)(?P<lead>(?:{_TOKENS}){_THEN_RANDOM}){_VALUE}",
        rf"\g<lead>\g<open>{SECRET}",
        *("token", "secret", "credential", "_auth", "key"),
    ),
    _row(
        "--password …",
        r"(?ai)(?P<lead>(?<![\w-])--(?:[a-z]{1,16}-){0,3}(?:password|passphrase|passwd|pass|pwd|token|secret|(?:api|access)-?key)"
        rf"\s{{1,4}}{_PROSE}(?!-)){_VALUE}",
        rf"\g<lead>\g<open>{SECRET}",
        *("-pass", "-pwd", "-token", "-secret", "api-?key", "access-?key"),
    ),
    _row(
        "a signature in a query",
        r"(?ai)([?&](?:key|sig|[\w-]{0,32}signature)=)[^\s&\"'<>#]++",
        rf"\1{SECRET}",
        r"\?(?:key|sig|[\w-]{0,32}signature)=",
        r"&(?:key|sig|[\w-]{0,32}signature)=",
    ),
    _row(
        "user_name =",
        rf"(?ai)(?P<lead>(?:{'|'.join(_NAMED)})[-_. ]?name{_THEN_ANY}){_VALUE}",
        rf"\g<lead>\g<open>{REMOVED}",
        *(f"{thing}[-_. ]?name" for thing in _NAMED),
    ),
    _row(
        "USER=",
        rf"(?ai)(?P<lead>(?<![A-Za-z0-9_])(?:{'|'.join(_SELF)})=){_VALUE}",
        rf"\g<lead>\g<open>{REMOVED}",
        *(f"{name}=" for name in _SELF),
    ),
    _row(
        "user and password in a command",  # curl -u me:secret; docker's -u 1000:1000 and node:node are no passwords
        rf"(?a)(?P<lead>(?<![\w-])(?:-[uU][ =]?|-[A-Za-z]{{1,7}}[uU] |--(?:proxy-)?user[ =]) {{0,3}}(?:{_QUOTE})?)"
        r"(?P<who>[^\s:\"'`\\=-][^\s:\"'`\\]{0,63}+):(?!(?P=who)(?![^\s\"'`\\]))(?![0-9]{1,6}(?![^\s\"'`\\]))[^\s\"'`\\]{1,256}+",
        rf"\g<lead>{SECRET}",
        r"-u[ =]{0,5}[\\\"'`]{0,9}[^\s:\"'`\\=-][^\s:\"'`\\]{0,63}:",
        r"-[a-z]{1,7}u {1,4}[\\\"'`]{0,9}[^\s:\"'`\\=-][^\s:\"'`\\]{0,63}:",
        r"-user[ =]{1,4}[\\\"'`]{0,9}[^\s:\"'`\\=-][^\s:\"'`\\]{0,63}:",
    ),
    _row(
        "host in the output of uname",
        rf"(?ai)(?<![\w.-])(linux|darwin|[a-z]{{3,9}}bsd|sunos|aix|(?:cygwin|mingw[0-9]{{2}}|msys)_nt-[0-9.-]{{1,16}}) (?!(?:{_NO_HOSTS}) )"
        r"[a-z0-9][\w.-]{0,63}(?= [0-9]{1,3}\.[0-9]{1,3}(?:\.[0-9]|-[a-z]))",
        rf"\1 {REMOVED}",
        *(rf"{end} [\w.-]{{1,64}} [0-9]{{1,3}}\.[0-9]{{1,3}}[.-]" for end in ("linux", "darwin", "bsd", "sunos", "aix")),
        r"_nt-[0-9.-]{1,16} [\w.-]{1,64} [0-9]",
    ),
    _row(
        r"DOMAIN\user",
        # Neither a path nor a registry key, and no word before an escape sequence (TIMEOUT\nat).
        r"(?a)(?<![\w\\/.:%$~-])(?!(?:HK[A-Z]{1,4}|AUTHORITY|BUILTIN|SERVICE|IIS)\\)[A-Z][A-Z0-9-]{1,14}(?:\\(?![nrt\\])|\\{2,4}(?!\\))"
        rf"(?=[A-Za-z])(?![\w.$-]{{1,64}}\.(?:{_EXTENSIONS})(?![\w.]))[\w.$-]{{2,64}}+(?![\\/*\w])",
        REMOVED,
        r"\\(?<=[a-z0-9-]\\)(?:\\|[^nrt\\\"])",
    ),
    _row(
        "default computer name",  # the default names on macOS and Windows
        r"(?ai)(?<![\w-])(?:[\w-]{1,40}?s-(?:macbook(?:-pro|-air)?|imac|mac-(?:mini|pro|studio))(?:-[0-9]{1,3})?(?:\.(?:local|lan|home))?"
        r"|(?-i:DESKTOP|LAPTOP)-(?=[A-Z]*[0-9])(?-i:[A-Z0-9]{7,8}))(?![\w-])",
        REMOVED,
        *("s-macbook", "s-imac", "s-mac-", "desktop-[a-z0-9]{7}", "laptop-[a-z0-9]{7}"),
    ),
    _row("for user 'me'", rf"(?ai)\b(user\s{{1,4}}{_QUOTE})[^\"'`\s\\]{{1,64}}+(?={_QUOTE})", rf"\1{REMOVED}", r"user[\s\\]"),
    _row(
        "MAC address",
        # Six or eight pairs, not within a longer run (a fingerprint). Pairs of digits with dashes are a date.
        rf"{_WORD}(?<![:-]{_PAIR}[:-])(?={_PAIR}[:-])(?={_PAIR}:|[0-9-]{{0,22}}[A-Fa-f]){_PAIR}([:-])(?:{_PAIR}\1){{4}}(?:(?:{_PAIR}\1){{2}})?{_PAIR}"
        rf"(?!\w)(?![:-]{_PAIR})",
        "[mac]",
        r":(?:[0-9a-f]{2}:){3}",
        r"-(?:[0-9a-f]{2}-){3}",
    ),
    _row(
        "MAC address, dotted",
        r"(?<![\w.])(?=[0-9.]{0,14}[A-Fa-f])[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}(?![\w.])",
        "[mac]",
        r"\.[0-9a-f]{4}\.[0-9a-f]{4}",
    ),
    _row("IP address in a host name", rf"(?i){_WORD}(ec2|ip)(?:-[0-9]{{1,3}}){{4}}(?![0-9-])", r"\1-[ip]", "ec2-", "ip-[0-9]"),
    _row(
        "IP address in a provider's host name",  # c-203-0-113-9.hsd1.example.net
        rf"(?i)(?<![\w.-])([a-z][a-z0-9]{{0,15}}-)?(?:{_OCTET}-){{3}}{_OCTET}(?=(?:\.(?=[0-9-]*[a-z])[a-z0-9-]++){{2}})",
        r"\1[ip]",
        r"-[0-9]{1,3}-[0-9]{1,3}-[0-9]{1,3}\.",
    ),
    _row(
        "IPv6 address in a name",
        r"(?i)(?<![\w.-])(?:[0-9a-f-]{2,39}+(?=\.ipv6-literal\.net)|(?:[0-9a-f]\.){4,32}+(?=ip6\.arpa))",
        "[ip]",
        r"\.ipv6-literal",
        r"\.ip6\.arpa",
    ),
    _row(
        "IPv6 address",
        rf"(?:(?<![\w:.])|(?<=[g-zG-Z_]:)|{LINE})(?:{_HEXES}:){{2,8}}(?:{_IPV4}|{_HEXES})(?:%[\w.-]{{1,16}}+)?(?![\w:])",
        _ipv6,
        "::",
        ":(?:[0-9a-f]{1,4}:){4}",
    ),
    _row(
        "IPv4 address",
        # Four numbers are a version if the preceding text says so (Chrome/1.2.3.4) and no port follows.
        rf"(?i)(?P<version>(?:\bv|\b(?:version|release|build)[\s:=\"'(\[]{{0,3}}|(?<![^\s(;,\"])[a-z][\w-]{{0,30}}+/(?!192\.168\.)){_IPV4}(?![0-9]|[.:][0-9]))"
        rf"|(?<![0-9])(?<![0-9]\.){_IPV4}(?![0-9]|\.[0-9])",
        _ipv4,
        r"\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]",
    ),
    _row(
        "home folder on Windows, as the whole text",  # a name with spaces is unambiguous only here
        r"(?ai)\A[a-z]:[\\/]{1,4}(?:users|documents and settings)[\\/]{1,4}[^\\/:*?\"<>|\r\n]{1,64}\Z",
        "~",
        r"users[\\/]",
        "documents and settings",
    ),
    _row(
        "home folder on Windows",
        rf"(?ai){_PATH}(?:{_DRIVE}|{_SHARE}|\\{{1,4}})(?:users|home|documents and settings)[\\/]{{1,4}}"
        rf"(?:{_USER}(?: {_USER}){{0,3}}(?=[\\/\"'])|{_USER})",
        "~",
        r"users[\\/]",
        r"home[\\/]",
        "documents and settings",
    ),
    _row("home folder on a phone", rf"{_PATH}/data/(?:data|user/[0-9]{{1,4}})/[\w.]++(?:/files/home)?", "~", "/data/"),
    _row(
        "home folder",
        rf"(?:{_PATH}|{_FLAG}){_MOUNTS}/(?:homes?|Users)/{{1,4}}{_USER}(?:\\{{1,4}} {_USER})*+",
        "~",
        "home/",
        "homes/",
        "users/",
    ),
    _row("home folder in a URL", r"(?ai)(?:%2f|%5c)(?:home|users)(?:%2f|%5c)[^\s/%&\"'<>]++", "~", "%(?:2f|5c)(?:home|users)%"),
    _row("home of root", rf"{_PATH}/root(?![\w.-])", "~", "/root"),
    _row("temporary folder of one user", rf"{_PATH}(?:/private)?/var/folders/[\w+]{{1,8}}+/[\w+-]{{1,64}}+", "~", "/var/folders/"),
    _row("profile of one user", rf"{_PATH}/nix/var/nix/profiles/per-user/{_USER}", "~", "per-user/"),
    _row("~user", r"(?<![\w~/.])~[A-Za-z_][\w.-]{0,31}+(?=/)", "~", "~[a-z_]"),
    _row(
        "e-mail",
        rf"(?<![\w.+%-])[\w.+%-]++@(?!{_VERSION}|{_SPRITE})(?:\[{{1,2}}ip\]{{1,2}}|{_LABELS}|\w[\w-]*+(?=:[~/]))",
        "[email]",
        r"@(?<=[^\s\"/]@)",
    ),
    _row(
        "user at a host",
        rf"(?a)(?<![\w.+%/@-])[A-Za-z_][\w.-]{{0,31}}+@(?!{_VERSION}|{_SPRITE})(?P<host>[A-Za-z][\w-]{{0,62}}+)(?![\w@/]|\.\w|:[^\s~/$])",
        _user_at_host,
        r"@(?<=[^\s\"/]@)",
    ),
    _row(
        "e-mail with an escaped @",
        rf"(?i)(?<![\w.+-])[\w.+-]++(?:%40|\\{{1,4}}u0040|&#(?:64|x40);){_LABELS}",
        "[email]",
        *("%40", r"\\u0040", "&#64;", "&#x40;"),
    ),
    _row("e-mail of a quoted name", rf"(?:\\{{0,4}}\"[^\"\\\r\n@]{{1,64}}\\{{0,4}}\")@{_LABELS}", "[email]", r"@(?<=\"@)[\w-]{1,63}\."),
)

# Control characters other than tabs and line ends. JSON escapes them.
CONTROLS_IN_JSON = r"\\(?:u00|[bfr])"
