"""Every setting once: its name, type, default and reason. `load(env)` reads them; nothing else looks at the environment.

A setting comes from the environment, else from the file named by FOOTFALL_CONFIG (lines of NAME=value), else from its default.
`bundled(name)` finds the folders that travel with the package (graphql, migrations, static) in a checkout and in a wheel.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from limits import RateLimitItem, parse

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

PUBLIC_PARTS = ("counters", "trending", "badges", "stats", "analytics", "dashboard")
_WORDS_FOR_NETWORKS = {
    "private": ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"),
    "loopback": ("127.0.0.0/8", "::1/128"),
    "any": ("0.0.0.0/0", "::/0"),
}
_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - as an operator may write it
SHORTEST_SECRET = 16  # characters
_SIZE = re.compile(r"(\d+)\s*(b|kib|kb|k|mib|mb|m|gib|gb|g)?", re.IGNORECASE)
_UNITS = {"": 1, "b": 1, "k": 1024, "m": 1024**2, "g": 1024**3}


class SettingsError(ValueError):
    """A setting cannot be used. The message names it and says what would do."""


def _size(text: str) -> int:
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError("wants a size such as 10KiB or 1MiB")
    return int(match[1]) * _UNITS[(match[2] or "")[:1].lower()]


def _limit(text: str) -> RateLimitItem | None:
    if text.strip().lower() in ("off", "none", "0"):
        return None
    try:
        return parse(text)
    except ValueError:
        raise ValueError("wants a limit such as 10/minute, or off") from None


def _networks(text: str) -> tuple[Network, ...]:
    names = [name for part in _list(text) for name in _WORDS_FOR_NETWORKS.get(part.lower(), (part,))]
    try:
        return tuple(ipaddress.ip_network(name, strict=False) for name in names)
    except ValueError:
        raise ValueError("wants networks such as 10.0.0.0/8, or the words private, loopback or any") from None


def _list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _public(text: str) -> tuple[str, ...]:
    parts = _list(text.lower())
    if text.strip().lower() in ("none", "off"):
        return ()
    if unknown := [part for part in parts if part not in PUBLIC_PARTS]:
        raise ValueError(f"knows no part called {unknown[0]!r}; there are {', '.join(PUBLIC_PARTS)}")
    return parts


def _positive(text: str) -> int:
    value = int(text)
    if value <= 0:
        raise ValueError("wants a number above zero")
    return value


def _switch(text: str) -> bool:
    if text.lower() not in ("on", "off"):
        raise ValueError("is on or off")
    return text.lower() == "on"


def _url(text: str) -> str:
    if not re.fullmatch(r"https?://[^/\s?#@]+(/[^\s?#]*)?", text):
        raise ValueError("requires an address such as https://telemetry.example.org")
    return text.rstrip("/")


def _base_path(text: str) -> str:
    path = "/" + text.strip("/") if text.strip("/") else ""
    if not re.fullmatch(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*", path):
        raise ValueError("requires a path such as /telemetry")
    return path


def _header(text: str) -> str:
    return text.strip().lower()


def _choice(*words: str) -> Any:
    def read(text: str) -> str:
        if text.lower() not in words:
            raise ValueError(f"is one of {', '.join(words)}")
        return text.lower()

    return read


def _setting(name: str, read: Any, default: str | None, why: str, *, secret: bool = False) -> Any:
    """One setting. `default` is written as in the environment; `None` means that it has none."""
    return field(default=None, metadata={"name": name, "read": read, "default": default, "why": why, "secret": secret})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one server, read and checked. Build it with `load`."""

    host: str = _setting(
        "FOOTFALL_HOST",
        str,
        "127.0.0.1",
        "the address it listens on, or several with commas; :: for all of IPv6 and IPv4, as in the container",
    )
    port: int = _setting("FOOTFALL_PORT", _positive, "8000", "the port it listens on; PORT is honoured where this is not set")
    public_url: str | None = _setting(
        "FOOTFALL_PUBLIC_URL", _url, None, "its address for people, as https://telemetry.example.org; on Fly.io that of the app"
    )
    base_path: str = _setting(
        "FOOTFALL_BASE_PATH", _base_path, "", "the path under which a proxy serves it, as /telemetry, whether or not the proxy strips it"
    )
    data_dir: Path = _setting("FOOTFALL_DATA_DIR", Path, "./data", "the SQLite file, the generated secret, backups")
    database_url: str | None = _setting(
        "FOOTFALL_DATABASE_URL", str, None, "postgresql://… for many machines; without it, SQLite in the data folder", secret=True
    )
    redis_url: str | None = _setting(
        "FOOTFALL_REDIS_URL", str, None, "redis://… where several replicas share limits and live events", secret=True
    )
    secret: str | None = _setting(
        "FOOTFALL_SECRET", str, None, "keys the hashes of identifiers; generated once in the data folder where it is not set", secret=True
    )
    admin_token: str | None = _setting(
        "FOOTFALL_ADMIN_TOKEN", str, None, "the first admin's token; made at the first start where it is not set", secret=True
    )
    rate_limit: RateLimitItem | None = _setting(
        "FOOTFALL_RATE_LIMIT", _limit, "10/minute", "requests from one address, in the notation of limits; off for none"
    )
    event_limit: RateLimitItem | None = _setting(
        "FOOTFALL_EVENT_LIMIT", _limit, "1000/minute", "events from one address; a batch is one request and N events"
    )
    max_body: int = _setting("FOOTFALL_MAX_BODY", _size, "10KiB", "the largest body of a single event")
    max_batch_body: int = _setting("FOOTFALL_MAX_BATCH_BODY", _size, "1MiB", "the largest body of a batch")
    max_targets: int = _setting("FOOTFALL_MAX_TARGETS", _positive, "10000", "distinct targets (packs, tools, …) of a project")
    max_queue: int = _setting(
        "FOOTFALL_MAX_QUEUE", _positive, "20000", "events that may wait for their commit; past it the answer is 503, at once"
    )
    body_timeout: int = _setting(
        "FOOTFALL_BODY_TIMEOUT", _positive, "10", "seconds in which a request's headers must have arrived, and then its body"
    )
    shutdown_timeout: int = _setting("FOOTFALL_SHUTDOWN_TIMEOUT", _positive, "20", "seconds that requests under way get at shutdown")
    client_ip_header: str | None = _setting(
        "FOOTFALL_CLIENT_IP_HEADER", _header, None, "the header in which a trusted proxy names the client, as Fly-Client-IP"
    )
    trusted_proxies: tuple[Network, ...] = _setting(
        "FOOTFALL_TRUSTED_PROXIES", _networks, "", "the networks whose proxies are believed; also the words private, loopback, any"
    )
    retention_days: int = _setting("FOOTFALL_RETENTION_DAYS", _positive, "365", "how long raw events are kept; a project may set its own")
    public: tuple[str, ...] = _setting(
        "FOOTFALL_PUBLIC", _public, "counters,trending,badges", "what needs no login; also stats, analytics, dashboard, or none"
    )
    public_minimum: int = _setting(
        "FOOTFALL_PUBLIC_MINIMUM", _positive, "5", "installs below which a public dashboard shows no figure; 1 shows every figure"
    )
    alert_private: bool = _setting(
        "FOOTFALL_ALERT_PRIVATE", _switch, "off", "whether alerts may go to webhooks in private networks, and on this machine"
    )
    upgrade_backup: bool = _setting(
        "FOOTFALL_UPGRADE_BACKUP", _switch, "on", "whether a SQLite store is backed up, with the other backups, before it is migrated"
    )
    dashboard: bool = _setting("FOOTFALL_DASHBOARD", _switch, "on", "whether it serves the dashboard; off leaves a plain first page")
    log_format: str = _setting("FOOTFALL_LOG_FORMAT", _choice("auto", "json", "text"), "auto", "auto is text on a terminal, else JSON")
    log_level: str = _setting(
        "FOOTFALL_LOG_LEVEL", _choice("debug", "info", "warning", "error"), "info", "the least important lines that are written"
    )

    @property
    def hosts(self) -> tuple[str, ...]:
        """The addresses to listen on. `::` stands for all of both families."""
        listed = [host.strip("[]") for host in _list(self.host)]
        return tuple(dict.fromkeys(each for host in listed for each in (_EVERYWHERE if host == "::" else (host,))))

    @property
    def local_url(self) -> str:
        """An address that this machine itself can open."""
        host = "127.0.0.1" if self.hosts[0] in _EVERYWHERE else self.hosts[0]
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def url(self) -> str:
        """The address for people: the public one where it is known."""
        return self.public_url if self.public_url is not None else self.local_url + self.base_path

    @property
    def sqlite_path(self) -> Path:
        return self.data_dir / "footfall.sqlite3"


def load(env: Mapping[str, str]) -> Settings:
    """The settings that `env` describes. SettingsError names what cannot be used, and each unknown FOOTFALL_ name."""
    given = {**_file(env.get("FOOTFALL_CONFIG")), **env}
    if "FOOTFALL_PORT" not in given and given.get("PORT"):
        given["FOOTFALL_PORT"] = given["PORT"]
    if not given.get("FOOTFALL_PUBLIC_URL") and given.get("FLY_APP_NAME"):
        given["FOOTFALL_PUBLIC_URL"] = f"https://{given['FLY_APP_NAME']}.fly.dev"
    if not given.get("FOOTFALL_BASE_PATH") and given.get("FOOTFALL_PUBLIC_URL"):
        given["FOOTFALL_BASE_PATH"] = urlsplit(given["FOOTFALL_PUBLIC_URL"]).path
    known = {setting.metadata["name"] for setting in fields(Settings)} | {"FOOTFALL_CONFIG"}
    if unknown := sorted(
        name for name in given if name.startswith("FOOTFALL_") and name not in known and not name.startswith("FOOTFALL_TEST_")
    ):
        close = difflib.get_close_matches(unknown[0], known, 1, 0.85)
        meant = f", did you mean {close[0]}?" if close else ";"
        raise SettingsError(f"{unknown[0]} is no setting{meant} `footfall doctor` lists them all")
    settings = Settings(**{setting.name: _read(setting.metadata, given) for setting in fields(Settings)})
    _check_together(settings)
    return settings


def _read(about: Mapping[str, Any], given: Mapping[str, str]) -> Any:
    text = given.get(about["name"], "").strip() or about["default"]
    if text is None:
        return None
    try:
        return about["read"](text)
    except ValueError as error:
        raise SettingsError(f"{about['name']} {error}") from None


def _check_together(settings: Settings) -> None:
    if not settings.hosts:
        raise SettingsError("FOOTFALL_HOST requires an address such as 127.0.0.1")
    if settings.max_batch_body < settings.max_body:
        raise SettingsError("FOOTFALL_MAX_BATCH_BODY is smaller than FOOTFALL_MAX_BODY; a batch must hold at least one event")
    if settings.client_ip_header and not settings.trusted_proxies:
        raise SettingsError("FOOTFALL_CLIENT_IP_HEADER is believed from FOOTFALL_TRUSTED_PROXIES only; name these networks as well")
    if settings.database_url and not settings.database_url.startswith(("postgresql://", "postgres://")):
        raise SettingsError("FOOTFALL_DATABASE_URL wants postgresql://…; leave it out for SQLite in the data folder")
    if settings.redis_url and not settings.redis_url.startswith(("redis://", "rediss://", "unix://")):
        raise SettingsError("FOOTFALL_REDIS_URL wants redis://…")
    if settings.secret is not None and len(settings.secret) < SHORTEST_SECRET:
        raise SettingsError(f"FOOTFALL_SECRET is too short to keep a secret; it needs at least {SHORTEST_SECRET} characters")
    if settings.admin_token is not None and len(settings.admin_token) < SHORTEST_SECRET:
        raise SettingsError(
            f"FOOTFALL_ADMIN_TOKEN is short enough to be guessed; it needs at least {SHORTEST_SECRET} characters, as of `openssl rand -hex 24`"
        )


def _file(path: str | None) -> dict[str, str]:
    if not path:
        return {}
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise SettingsError(f"FOOTFALL_CONFIG names a file that cannot be read: {error.strerror}") from None
    found = {}
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.removeprefix("export ").partition("=")
        if not equals:
            raise SettingsError(f"line {number} of the FOOTFALL_CONFIG file wants NAME=value")
        found[name.strip()] = value.strip().strip("\"'")
    return found


def describe(settings: Settings) -> list[tuple[str, str, str]]:
    """Each setting as (name, value, reason), secrets hidden: what `footfall doctor` prints."""
    return [
        (about.metadata["name"], _shown(getattr(settings, about.name), about.metadata), about.metadata["why"]) for about in fields(Settings)
    ]


def _shown(value: Any, about: Mapping[str, Any]) -> str:
    if value is None:
        return "off" if about["read"] is _limit else "-"
    if isinstance(value, bool):
        return "on" if value else "off"
    if about["secret"]:
        return "(set)"
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "-"
    return str(value)


def other_machine(settings: Settings) -> str:
    """A hint beside a link with a local address, for an operator whose browser is elsewhere."""
    return f"from another machine, put this server's own address in the place of {settings.local_url}; FOOTFALL_PUBLIC_URL sets it"


def bundled(name: str) -> Path:
    """The folder `graphql`, `migrations` or `static`, in a checkout or in an installed wheel."""
    here = Path(__file__).resolve().parent
    packed = here / "_bundle" / name
    return packed if packed.is_dir() else here.parent / name
