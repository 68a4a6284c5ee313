"""Projects and their keys, with a view of them in memory that the gate can afford to ask for every request."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from limits import RateLimitItem

from server import logs
from server.problems import Busy, Forbidden, Unauthorized, UnknownProject
from server.storage.batch import TargetRules
from server.storage.projects.words import ADMINS, DEFAULT, KEY_PREFIX, hash_key, read_limit, read_list
from server.storage.tables import ApiKey, Project

log = logs.get(__name__)


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
                frozenset(read_list(row["scopes"])),
                read_limit(row["rate_limit"]),
                read_limit(row["event_limit"]),
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
            rate_limit=read_limit(row["rate_limit"]),
            event_limit=read_limit(row["event_limit"]),
            target_rules=TargetRules(bool(row["lists_targets"]), int(str(most))),
            picked=tuple(read_list(str(row["dimensions"]))),
            public=self._public if row["public"] is None else tuple(read_list(str(row["public"]))),
            hosts=tuple(read_list(str(row["hosts"]))),
        )
