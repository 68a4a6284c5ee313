"""All settings: name, type, default and purpose. Only `load(env)` reads the environment.

A setting comes from the environment, else from the file named by FOOTFALL_CONFIG (lines of NAME=value), else from its default.
`bundled(name)` finds the data folders of the package (graphql, migrations, static) in a checkout and in a wheel.
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
    """An invalid setting. The message names it and the accepted values."""


def _size(text: str) -> int:
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError("must be a size such as 10KiB or 1MiB")
    return int(match[1]) * _UNITS[(match[2] or "")[:1].lower()]


def _size_or_auto(text: str) -> int | None:
    return None if text.strip().lower() == "auto" else _size(text)


def _limit(text: str) -> RateLimitItem | None:
    if text.strip().lower() in ("off", "none", "0"):
        return None
    try:
        return parse(text)
    except ValueError:
        raise ValueError("must be a limit such as 10/minute, or off") from None


def _networks(text: str) -> tuple[Network, ...]:
    names = [name for part in _list(text) for name in _WORDS_FOR_NETWORKS.get(part.lower(), (part,))]
    try:
        return tuple(ipaddress.ip_network(name, strict=False) for name in names)
    except ValueError:
        raise ValueError("must be networks such as 10.0.0.0/8, or private, loopback or any") from None


def _list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _public(text: str) -> tuple[str, ...]:
    parts = _list(text.lower())
    if text.strip().lower() in ("none", "off"):
        return ()
    if unknown := [part for part in parts if part not in PUBLIC_PARTS]:
        raise ValueError(f"has an unknown part {unknown[0]!r}; the parts are {', '.join(PUBLIC_PARTS)}")
    return parts


def _positive(text: str) -> int:
    value = int(text)
    if value <= 0:
        raise ValueError("must be a number above zero")
    return value


def _switch(text: str) -> bool:
    if text.lower() not in ("on", "off"):
        raise ValueError("must be on or off")
    return text.lower() == "on"


def _url(text: str) -> str:
    if not re.fullmatch(r"https?://[^/\s?#@]+(/[^\s?#]*)?", text):
        raise ValueError("must be a URL such as https://telemetry.example.org")
    return text.rstrip("/")


def _base_path(text: str) -> str:
    path = "/" + text.strip("/") if text.strip("/") else ""
    if not re.fullmatch(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*", path):
        raise ValueError("must be a path such as /telemetry")
    return path


def _header(text: str) -> str:
    return text.strip().lower()


def _choice(*words: str) -> Any:
    def read(text: str) -> str:
        if text.lower() not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return text.lower()

    return read


def _setting(name: str, read: Any, default: str | None, why: str, *, secret: bool = False) -> Any:
    """Declare a setting. `default` is text as in the environment, or None."""
    return field(default=None, metadata={"name": name, "read": read, "default": default, "why": why, "secret": secret})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The validated settings of one server. Create them with `load`."""

    host: str = _setting(
        "FOOTFALL_HOST",
        str,
        "127.0.0.1",
        "the address to listen on, or several separated by commas; :: for all IPv6 and IPv4 addresses, as in the container",
    )
    port: int = _setting("FOOTFALL_PORT", _positive, "8000", "the port to listen on; defaults to PORT if that is set")
    public_url: str | None = _setting(
        "FOOTFALL_PUBLIC_URL", _url, None, "the public URL, such as https://telemetry.example.org; on Fly.io, defaults to that of the app"
    )
    base_path: str = _setting(
        "FOOTFALL_BASE_PATH",
        _base_path,
        "",
        "the path under which a proxy serves Footfall, such as /telemetry, whether or not the proxy strips it",
    )
    data_dir: Path = _setting("FOOTFALL_DATA_DIR", Path, "./data", "the folder of the SQLite file, the generated secret and backups")
    database_url: str | None = _setting(
        "FOOTFALL_DATABASE_URL", str, None, "a postgresql:// URL, for several machines; without it, SQLite in the data folder", secret=True
    )
    redis_url: str | None = _setting(
        "FOOTFALL_REDIS_URL", str, None, "a redis:// URL, for several replicas that share limits and live events", secret=True
    )
    secret: str | None = _setting(
        "FOOTFALL_SECRET", str, None, "the key for hashes of identifiers; generated in the data folder if not set", secret=True
    )
    admin_token: str | None = _setting(
        "FOOTFALL_ADMIN_TOKEN", str, None, "the first admin's token; generated at the first start if not set", secret=True
    )
    rate_limit: RateLimitItem | None = _setting(
        "FOOTFALL_RATE_LIMIT", _limit, "10/minute", "the maximum number of requests from one address; off for no limit"
    )
    event_limit: RateLimitItem | None = _setting(
        "FOOTFALL_EVENT_LIMIT", _limit, "1000/minute", "the maximum number of events from one address; a batch of N events is one request"
    )
    max_body: int = _setting("FOOTFALL_MAX_BODY", _size, "10KiB", "the maximum body size of a single event")
    max_batch_body: int = _setting("FOOTFALL_MAX_BATCH_BODY", _size, "1MiB", "the maximum body size of a batch")
    max_targets: int = _setting(
        "FOOTFALL_MAX_TARGETS",
        _positive,
        "10000",
        "the maximum number of targets (packs, tools, …) of a project; from 1,000 on, its second half is for targets that two addresses sent",
    )
    max_queue: int = _setting(
        "FOOTFALL_MAX_QUEUE", _positive, "20000", "the maximum number of events that wait for their commit; beyond it, clients get a 503"
    )
    body_timeout: int = _setting(
        "FOOTFALL_BODY_TIMEOUT", _positive, "10", "seconds for a request's headers to arrive, and then for its body"
    )
    shutdown_timeout: int = _setting("FOOTFALL_SHUTDOWN_TIMEOUT", _positive, "20", "seconds for running requests to finish at shutdown")
    client_ip_header: str | None = _setting(
        "FOOTFALL_CLIENT_IP_HEADER", _header, None, "the header in which a trusted proxy sends the client's address, such as Fly-Client-IP"
    )
    trusted_proxies: tuple[Network, ...] = _setting(
        "FOOTFALL_TRUSTED_PROXIES", _networks, "", "the networks of trusted proxies; also private, loopback or any"
    )
    retention_days: int = _setting(
        "FOOTFALL_RETENTION_DAYS", _positive, "365", "days for which raw events are kept; a project may override it"
    )
    public: tuple[str, ...] = _setting(
        "FOOTFALL_PUBLIC", _public, "counters,trending,badges", "the parts that need no login; also stats, analytics, dashboard, or none"
    )
    public_minimum: int = _setting(
        "FOOTFALL_PUBLIC_MINIMUM",
        _positive,
        "5",
        "the minimum number of installs behind a figure on a public dashboard or a shared page; 1 shows every figure",
    )
    alert_private: bool = _setting(
        "FOOTFALL_ALERT_PRIVATE", _switch, "off", "allow webhooks and forwarding to private networks and this machine"
    )
    upgrade_backup: bool = _setting("FOOTFALL_UPGRADE_BACKUP", _switch, "on", "back up a SQLite store before a migration")
    history: bool = _setting(
        "FOOTFALL_HISTORY",
        _switch,
        "on",
        "keep raw events in columns as well, for fast questions with filters; off reads the store, slowly",
    )
    history_size: int = _setting(
        "FOOTFALL_HISTORY_SIZE",
        _size,
        "1GB",
        "the maximum size of the history on disk; the oldest events leave it first and are then read from the store",
    )
    history_memory: int | None = _setting(
        "FOOTFALL_HISTORY_MEMORY",
        _size_or_auto,
        "auto",
        "the maximum memory of questions over the history; auto is a sixth of the memory of the machine or container, 40MB to 128MB",
    )
    history_threads: int = _setting("FOOTFALL_HISTORY_THREADS", _positive, "1", "the number of threads of questions over the history")
    dashboard: bool = _setting("FOOTFALL_DASHBOARD", _switch, "on", "serve the dashboard; off leaves a plain first page")
    log_format: str = _setting(
        "FOOTFALL_LOG_FORMAT", _choice("auto", "json", "text"), "auto", "the format of log lines; auto is text on a terminal, else JSON"
    )
    log_level: str = _setting("FOOTFALL_LOG_LEVEL", _choice("debug", "info", "warning", "error"), "info", "the minimum level of log lines")

    @property
    def hosts(self) -> tuple[str, ...]:
        """The addresses to listen on. `::` stands for all addresses of both families."""
        listed = [host.strip("[]") for host in _list(self.host)]
        return tuple(dict.fromkeys(each for host in listed for each in (_EVERYWHERE if host == "::" else (host,))))

    @property
    def local_url(self) -> str:
        """A URL that works on this machine."""
        host = "127.0.0.1" if self.hosts[0] in _EVERYWHERE else self.hosts[0]
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def url(self) -> str:
        """The public URL if it is configured, else the local one."""
        return self.public_url if self.public_url is not None else self.local_url + self.base_path

    @property
    def sqlite_path(self) -> Path:
        return self.data_dir / "footfall.sqlite3"

    @property
    def history_dir(self) -> Path:
        return self.data_dir / "history"


def load(env: Mapping[str, str]) -> Settings:
    """Read the settings from `env`. Raises SettingsError for an invalid or unknown FOOTFALL_ name."""
    variables = {**_file(env.get("FOOTFALL_CONFIG")), **env}
    if "FOOTFALL_PORT" not in variables and variables.get("PORT"):
        variables["FOOTFALL_PORT"] = variables["PORT"]
    if not variables.get("FOOTFALL_PUBLIC_URL") and variables.get("FLY_APP_NAME"):
        variables["FOOTFALL_PUBLIC_URL"] = f"https://{variables['FLY_APP_NAME']}.fly.dev"
    if not variables.get("FOOTFALL_BASE_PATH") and variables.get("FOOTFALL_PUBLIC_URL"):
        variables["FOOTFALL_BASE_PATH"] = urlsplit(variables["FOOTFALL_PUBLIC_URL"]).path
    known = {setting.metadata["name"] for setting in fields(Settings)} | {"FOOTFALL_CONFIG"}
    if unknown := sorted(
        name for name in variables if name.startswith("FOOTFALL_") and name not in known and not name.startswith("FOOTFALL_TEST_")
    ):
        close = difflib.get_close_matches(unknown[0], known, 1, 0.85)
        meant = f", did you mean {close[0]}?" if close else ";"
        raise SettingsError(f"{unknown[0]} is not a setting{meant} `footfall doctor` lists all settings")
    settings = Settings(**{setting.name: _read(setting.metadata, variables) for setting in fields(Settings)})
    _check_together(settings)
    return settings


def _read(about: Mapping[str, Any], variables: Mapping[str, str]) -> Any:
    text = variables.get(about["name"], "").strip() or about["default"]
    if text is None:
        return None
    try:
        return about["read"](text)
    except ValueError as error:
        raise SettingsError(f"{about['name']} {error}") from None


def _check_together(settings: Settings) -> None:
    if not settings.hosts:
        raise SettingsError("FOOTFALL_HOST must be an address such as 127.0.0.1")
    if settings.max_batch_body < settings.max_body:
        raise SettingsError("FOOTFALL_MAX_BATCH_BODY is smaller than FOOTFALL_MAX_BODY; a batch must hold at least one event")
    if settings.client_ip_header and not settings.trusted_proxies:
        raise SettingsError("FOOTFALL_CLIENT_IP_HEADER requires FOOTFALL_TRUSTED_PROXIES")
    if settings.database_url and not settings.database_url.startswith(("postgresql://", "postgres://")):
        raise SettingsError("FOOTFALL_DATABASE_URL must begin with postgresql://; leave it unset for SQLite in the data folder")
    if settings.redis_url and not settings.redis_url.startswith(("redis://", "rediss://", "unix://")):
        raise SettingsError("FOOTFALL_REDIS_URL must begin with redis://, rediss:// or unix://")
    if settings.secret is not None and len(settings.secret) < SHORTEST_SECRET:
        raise SettingsError(f"FOOTFALL_SECRET must have at least {SHORTEST_SECRET} characters")
    if settings.admin_token is not None and len(settings.admin_token) < SHORTEST_SECRET:
        raise SettingsError(f"FOOTFALL_ADMIN_TOKEN must have at least {SHORTEST_SECRET} characters; `openssl rand -hex 24` generates one")


def _file(path: str | None) -> dict[str, str]:
    if not path:
        return {}
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise SettingsError(f"FOOTFALL_CONFIG: cannot read the file: {error.strerror}") from None
    found = {}
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.removeprefix("export ").partition("=")
        if not equals:
            raise SettingsError(f"FOOTFALL_CONFIG: line {number} must be NAME=value")
        found[name.strip()] = value.strip().strip("\"'")
    return found


def describe(settings: Settings) -> list[tuple[str, str, str]]:
    """Return each setting as (name, value, purpose), with secrets hidden, for `footfall doctor`."""
    return [
        (about.metadata["name"], _shown(getattr(settings, about.name), about.metadata), about.metadata["why"]) for about in fields(Settings)
    ]


def _shown(value: Any, about: Mapping[str, Any]) -> str:
    if value is None:
        return {_limit: "off", _size_or_auto: "auto"}.get(about["read"], "-")
    if isinstance(value, bool):
        return "on" if value else "off"
    if about["secret"]:
        return "(set)"
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "-"
    return str(value)


def other_machine(settings: Settings) -> str:
    """Return a hint for an operator whose browser runs on another machine."""
    return f"from another machine, replace {settings.local_url} with this server's address, or set FOOTFALL_PUBLIC_URL"


def bundled(name: str) -> Path:
    """Return the folder `graphql`, `migrations` or `static`, in a checkout or in an installed wheel."""
    here = Path(__file__).resolve().parent
    packed = here / "_bundle" / name
    return packed if packed.is_dir() else here.parent / name
