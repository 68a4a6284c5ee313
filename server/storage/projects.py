"""Projects and their keys, with a view of them in memory that the gate can afford to ask for every request."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import hashlib
import re
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec
from limits import RateLimitItem, parse

from server import logs
from server.problems import Busy, Forbidden, Unauthorized, UnknownProject
from server.storage.batch import TargetRules
from server.storage.tables import ApiKey, Project

DEFAULT = "default"
OF_SETTINGS = "FOOTFALL_ADMIN_TOKEN"  # what the key from the settings is called
ADMINS = 0  # stands for a project in the keys of admins, which are for all
KEY_PREFIX = "ff_"
SCOPES = ("ingest", "read", "admin")
SCOPE_SLUG = "footfall.slug"  # where an ASGI scope carries the project that the path named
SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")

log = logs.get(__name__)
_strings = msgspec.json.Decoder(list[str])


class ProjectError(ValueError):
    """What was asked of a project or key cannot be. The message is for the person who asked."""


class Why(enum.Enum):
    """Why a change cannot be made."""

    INVALID = "invalid"
    TAKEN = "taken"
    UNKNOWN = "unknown"


class FieldProblem(ProjectError):
    """What one field of a change says cannot be. `message` never holds the value."""

    def __init__(self, field: str, message: str, why: Why = Why.INVALID) -> None:
        super().__init__(f"{field} {message}")
        self.field = field
        self.message = message
        self.why = why


@dataclass(frozen=True, slots=True)
class LiveProject:
    """A project as the way in sees it. A limit of `None` is the server's own."""

    id: int
    slug: str
    requires_key: bool
    rate_limit: RateLimitItem | None
    event_limit: RateLimitItem | None
    target_rules: TargetRules
    picked: tuple[str, ...]
    public: tuple[str, ...]
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LiveKey:
    """A key that is not revoked. An admin's own has no project: it may do what it likes with any."""

    id: int
    project: LiveProject | None
    scopes: frozenset[str]
    rate_limit: RateLimitItem | None
    event_limit: RateLimitItem | None


class Projects:
    """The projects and keys of the store, read at once and asked in memory.

    Other processes change them too (`footfall key create`), so they are read again after a while, and sooner where one is asked for that is
    not known: a key that was just made opens at once.
    """

    STALE_AFTER = 2.0  # seconds
    IN_TIME = 1.0  # seconds that a request waits for that at most; a store that hangs holds up nobody whose project is known
    SOONER_AFTER = 0.2  # seconds; nobody has the store read all the time by asking for what there isn't

    def __init__(self, *, max_targets: int, public: tuple[str, ...]) -> None:
        self._max_targets = max_targets
        self._public = public
        self._by_slug: dict[str, LiveProject] = {}
        self._slugs: dict[int, str] = {}
        self._by_host: dict[str, LiveProject] = {}
        self._by_key: dict[bytes, LiveKey] = {}
        self.used_keys: set[int] = set()  # since somebody last wrote that down
        self._read_at = float("-inf")
        self._unread = False  # whether the last reading failed
        self._reading: asyncio.Task[None] | None = None

    async def refresh(self) -> None:
        """Read everything anew."""
        self._read_at = time.monotonic()
        try:
            await self._read()
        except Exception:
            self._unread = True
            raise
        self._unread = False

    async def _read(self) -> None:
        projects = {row["id"]: self._live(row) for row in await Project.select().where(Project.archived_at.is_null())}
        keys = await ApiKey.select().where(ApiKey.revoked_at.is_null())
        self._slugs = {project.id: project.slug for project in projects.values()}
        self._by_slug = {project.slug: project for project in projects.values()}
        self._by_host = {host: project for project in projects.values() for host in project.hosts}
        self._by_key = {
            bytes(row["hash"]): LiveKey(
                row["id"],
                projects.get(row["project_id"]),
                frozenset(_strings.decode(row["scopes"])),
                _limit(row["rate_limit"]),
                _limit(row["event_limit"]),
            )
            for row in keys
            if row["project_id"] in projects or row["project_id"] == ADMINS
        }

    async def find(self, headers: Mapping[bytes, bytes], slug: str | None) -> tuple[LiveProject, LiveKey | None]:
        """The project that a request is about, by key, path, host, or the default one; and the key, where it brought one.

        Raises Unauthorized for a key of ours that is not known, Forbidden where key and path disagree, UnknownProject.
        """
        await self._keep_fresh()
        try:
            return self._find(headers, slug)
        except (Unauthorized, UnknownProject):
            if not await self._read_again():
                raise
        return self._find(headers, slug)

    def find_known(self, headers: Mapping[bytes, bytes], slug: str | None) -> tuple[LiveProject, LiveKey | None] | None:
        """The same from memory; None where the store must be asked, or the answer would be no."""
        if time.monotonic() - self._read_at > self.STALE_AFTER:
            return None
        try:
            return self._find(headers, slug)
        except (Unauthorized, Forbidden, UnknownProject):
            return None

    async def key(self, headers: Mapping[bytes, bytes]) -> LiveKey | None:
        """The key that a request brought, None where it brought none. Raises Unauthorized for one of ours that is not known."""
        await self._keep_fresh()
        try:
            return self._key(headers)
        except Unauthorized:
            if not await self._read_again():
                raise
        return self._key(headers)

    async def _refresh_in_time(self) -> None:
        """Read everything anew. Raises TimeoutError where that takes too long; it goes on by itself then, and nobody begins another."""
        if self._reading is None:
            self._reading = asyncio.create_task(self.refresh())
            self._reading.add_done_callback(self._has_read)
        reading = self._reading
        done, _ = await asyncio.wait({reading}, timeout=self.IN_TIME)
        if not done:
            self._unread = True
            raise TimeoutError
        reading.result()

    def _has_read(self, reading: asyncio.Task[None]) -> None:
        self._reading = None
        if not reading.cancelled():
            reading.exception()  # whoever still waits for it says so

    async def _keep_fresh(self) -> None:
        if time.monotonic() - self._read_at <= self.STALE_AFTER or (self._reading is not None and self._by_slug):
            return
        try:
            await self._refresh_in_time()
        except Exception as error:
            if not self._by_slug:
                raise
            # A store that is gone for a moment: what was known is good enough until it is back.
            log.warning("projects_not_read", error=type(error).__name__)

    async def _read_again(self) -> bool:
        if time.monotonic() - self._read_at < self.SOONER_AFTER:
            if self._unread:
                # Nobody can say whether there is such a key; a no would have clients throw their events away.
                raise Busy("The store cannot be reached at the moment.", retry_after=5)
            return False
        await self._refresh_in_time()
        return True

    def _find(self, headers: Mapping[bytes, bytes], slug: str | None) -> tuple[LiveProject, LiveKey | None]:
        key = self._key(headers)
        if key is not None and key.project is not None:
            if slug is not None and slug != key.project.slug:
                raise Forbidden("This key belongs to another project than the path names.")
            return key.project, key
        project = self._by_slug.get(slug) if slug is not None else self._by_request_host(headers) or self._by_slug.get(DEFAULT)
        if project is None:
            raise UnknownProject("There is no such project.")
        return project, key

    def by_secret(self, secret: str) -> LiveKey | None:
        """The key that is this secret, None where there is none."""
        key = self._by_key.get(hash_key(secret))
        if key is not None:
            self.used_keys.add(key.id)
        return key

    def slug(self, project_id: int) -> str:
        """The slug of a project, empty for one that is gone."""
        return self._slugs.get(project_id, "")

    def all(self) -> Iterable[LiveProject]:
        return self._by_slug.values()

    def _by_request_host(self, headers: Mapping[bytes, bytes]) -> LiveProject | None:
        if not self._by_host:
            return None
        host = headers.get(b"host", b"").decode("latin-1").lower()
        return self._by_host.get(host) or self._by_host.get(host.rpartition(":")[0])

    def _key(self, headers: Mapping[bytes, bytes]) -> LiveKey | None:
        if b"authorization" not in headers and b"x-footfall-key" not in headers:
            return None
        own = headers.get(b"x-footfall-key", b"").strip().decode("latin-1")
        scheme, _, bearer = headers.get(b"authorization", b"").decode("latin-1").strip().partition(" ")
        text = own or (bearer.strip() if scheme.lower() == "bearer" else "")
        key = self.by_secret(text) if text else None
        # A bearer that is not of our making belongs to the client's own ways (Track-Skills sends one) and is no key.
        if key is None and (own or text.startswith(KEY_PREFIX)):
            raise Unauthorized("This key is not known here, or was revoked.")
        return key

    def _live(self, row: dict[str, object]) -> LiveProject:
        most = row["max_targets"] or self._max_targets
        return LiveProject(
            id=int(str(row["id"])),
            slug=str(row["slug"]),
            requires_key=bool(row["requires_key"]),
            rate_limit=_limit(row["rate_limit"]),
            event_limit=_limit(row["event_limit"]),
            target_rules=TargetRules(bool(row["lists_targets"]), int(str(most))),
            picked=tuple(_strings.decode(str(row["dimensions"]))),
            public=self._public if row["public"] is None else tuple(_strings.decode(str(row["public"]))),
            hosts=tuple(_strings.decode(str(row["hosts"]))),
        )


def checked_limit(text: str | None) -> str | None:
    """A limit as it is kept. ProjectError where it is none."""
    if text is None:
        return None
    try:
        return str(parse(text))
    except ValueError:
        raise ProjectError("a limit is written as 10/minute") from None


def _limit(text: object) -> RateLimitItem | None:
    return parse(str(text)) if text else None


def read_list(text: str) -> list[str]:
    """The list in a column that holds one as JSON."""
    return _strings.decode(text)


def hash_key(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


async def ensure_default() -> None:
    """The project that takes what names no other."""
    if not await Project.exists().where(Project.slug == DEFAULT):
        with contextlib.suppress(FieldProblem):  # several servers may start at once
            await create_project(DEFAULT, name="Default")


async def ensure_admin(token: str | None) -> str | None:
    """See that somebody can log in: the token of the settings, or one that is made at the first start and returned, this once.

    An admin's key belongs to no project. A new token in the settings takes the place of the one before, which may have leaked.
    """
    if token is not None:
        known = await ApiKey.select(ApiKey.revoked_at).where(ApiKey.hash == hash_key(token)).first()
        if known is None:
            number = await _insert_key(ADMINS, token, OF_SETTINGS, ("admin",))
            earlier = (ApiKey.project_id == ADMINS) & (ApiKey.name == OF_SETTINGS) & ApiKey.revoked_at.is_null() & (ApiKey.id != number)
            await ApiKey.update({ApiKey.revoked_at: _now()}).where(earlier)
        elif known["revoked_at"] is not None:
            log.warning("admin_token_revoked", meaning="FOOTFALL_ADMIN_TOKEN opens nothing any more: set another one")
        return None
    if await ApiKey.exists().where((ApiKey.project_id == ADMINS) & ApiKey.revoked_at.is_null()):
        return None
    made = _new_key()
    await _insert_key(ADMINS, made, "first admin", ("admin",))
    return made


async def create_project(
    slug: str,
    *,
    name: str = "",
    hosts: Iterable[str] = (),
    requires_key: bool = False,
    rate_limit: str | None = None,
    event_limit: str | None = None,
) -> int:
    """Make a project; its number. ProjectError where the slug, a host or a limit cannot be, or is taken."""
    if not SLUG.fullmatch(slug):
        raise FieldProblem("slug", "is 1 to 40 of a-z, 0-9 and -, and begins with a letter or digit")
    if await Project.exists().where(Project.slug == slug):
        raise FieldProblem("slug", "is that of another project", Why.TAKEN)
    wanted = [host.strip().lower() for host in hosts]
    taken = {host for row in await Project.select(Project.hosts) for host in _strings.decode(row["hosts"])}
    if taken.intersection(wanted):
        raise FieldProblem("hosts", "has one that belongs to another project", Why.TAKEN)
    project = Project(
        slug=slug,
        name=name or slug,
        created_at=_now(),
        requires_key=requires_key,
        hosts=msgspec.json.encode(wanted).decode(),
        rate_limit=checked_limit(rate_limit),
        event_limit=checked_limit(event_limit),
    )
    # Whoever makes it at the same moment was first, or will be told.
    rows = await Project.insert(project).on_conflict(target=Project.slug, action="DO NOTHING").returning(Project.id)
    if not rows:
        raise FieldProblem("slug", "is that of another project", Why.TAKEN)
    return int(rows[0]["id"])


async def find_project(slug: str) -> int:
    """A project's number. ProjectError where there is none of that slug."""
    row = await Project.select(Project.id).where(Project.slug == slug).first()
    if row is None:
        raise ProjectError(f"there is no project {slug}; `footfall project list` shows them all")
    return int(row["id"])


async def create_key(
    project_id: int, *, name: str, scopes: Iterable[str], rate_limit: str | None = None, event_limit: str | None = None
) -> tuple[int, str]:
    """Make a key; its number and the key itself, which is not kept and so cannot be shown again."""
    wanted = tuple(dict.fromkeys(scopes))
    if not wanted or not set(wanted) <= set(SCOPES):
        raise FieldProblem("scopes", f"must be one or more of {', '.join(SCOPES)}")
    key = _new_key()
    return await _insert_key(project_id, key, name, wanted, checked_limit(rate_limit), checked_limit(event_limit)), key


def _new_key() -> str:
    return KEY_PREFIX + secrets.token_urlsafe(24)


async def _insert_key(
    project_id: int, key: str, name: str, scopes: tuple[str, ...], rate_limit: str | None = None, event_limit: str | None = None
) -> int:
    row = ApiKey(
        project_id=project_id,
        hash=hash_key(key),
        hint=key[: len(KEY_PREFIX) + 4] if key.startswith(KEY_PREFIX) else "",
        name=name,
        scopes=msgspec.json.encode(scopes).decode(),
        rate_limit=rate_limit,
        event_limit=event_limit,
        created_at=_now(),
    )
    # Servers that start at once have the same first admin in their settings.
    rows = await ApiKey.insert(row).on_conflict(target=ApiKey.hash, action="DO NOTHING").returning(ApiKey.id)
    if not rows:
        rows = await ApiKey.select(ApiKey.id).where(ApiKey.hash == row.hash)
    return int(rows[0]["id"])


async def revoke_key(key_id: int) -> None:
    """Make a key useless, for good. ProjectError where there is none of that number."""
    if not await ApiKey.exists().where(ApiKey.id == key_id):
        raise ProjectError(f"there is no key {key_id}; `footfall key list` shows them all")
    await ApiKey.update({ApiKey.revoked_at: _now()}).where((ApiKey.id == key_id) & ApiKey.revoked_at.is_null())


def _now() -> int:
    return time.time_ns() // 1_000_000
