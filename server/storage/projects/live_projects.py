"""Projects and keys in memory, so that looking them up for every request costs little."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from limits import RateLimitItem

from server import logs
from server.caching import SingleFlight
from server.headers import AUTHORIZATION, FOOTFALL_KEY
from server.problems import Busy, Forbidden, Unauthorized, UnknownProject, UnknownSite
from server.storage.batch import TargetRules
from server.storage.projects.project_changes import StoredProject, active_keys, list_projects
from server.storage.projects.validation import ADMINS, DEFAULT, KEY_PREFIX, SLUG, hash_key, read_limit

log = logs.get(__name__)

T = TypeVar("T")

_MOST_HOSTS = 1_000  # unclaimed Host headers that are cached; further ones are answered from the last refresh
_MAX_UNKNOWN_KEYS = 1_000  # unknown keys of SDKs that are cached; further ones are answered from the last refresh
_MOST_SITES = 10  # that one event names
_MAX_UNKNOWN_SITES = 1_000  # as of keys
_LONGEST_HOST = 260  # bytes: a name of 253 bytes, a colon and a port


@dataclass(frozen=True, slots=True)
class LiveProject:
    """A project as ingest sees it. A limit of None stands for the server's default."""

    id: int
    slug: str
    requires_key: bool
    rate_limit: RateLimitItem | None
    event_limit: RateLimitItem | None
    target_rules: TargetRules
    picked: tuple[str, ...]
    public: tuple[str, ...]
    hosts: tuple[str, ...]
    sites: tuple[str, ...] = ()
    forward_to: str | None = None


@dataclass(frozen=True, slots=True)
class LiveKey:
    """A key that is not revoked. An admin's key has no project, and is valid for all."""

    id: int
    project: LiveProject | None
    scopes: frozenset[str]
    rate_limit: RateLimitItem | None
    event_limit: RateLimitItem | None


class _NoSlug(UnknownProject):
    """The text is not a valid slug, so the store need not be read."""


class _UnclaimedHost(UnknownProject):
    """No cached project claims this Host header; the store was not read for it yet."""

    def __init__(self, host: bytes) -> None:
        super().__init__("No project claims this host.")
        self.host = host


class _UnknownClientKey(Unauthorized):
    """No cached key has this text, which an SDK sent as its key; the store was not read for it yet."""

    def __init__(self, digest: bytes) -> None:
        super().__init__("The key is unknown or was revoked.")
        self.digest = digest


class _UncheckedSite(UnknownSite):
    """No cached project lists one of these sites; the store was not read for them yet."""

    def __init__(self, unknown: tuple[str | None, ...]) -> None:
        super().__init__("No project lists this site.")
        self.unknown = unknown


class Projects:
    """The projects and keys of the store, cached in memory.

    Other processes change them too (`footfall key create`, other replicas), so the cache is refreshed when it is stale. An unknown name or key is
    refused only after a refresh that began after the request arrived: a new project or key loses no event of its first burst. Refreshes for
    unknown names are spaced by a pause and shared by all waiting requests, so a flood of unknown names costs a few reads per second.
    """

    STALE_AFTER = 2.0  # seconds
    IN_TIME = 1.0  # seconds that a request waits for a refresh; requests of cached projects never wait for a store that hangs
    PAUSE = 0.2  # seconds between refreshes for unknown names; slow refreshes have a longer pause, see `_pause`
    LONGEST_PAUSE = 1.0

    def __init__(self, *, max_targets: int, public: tuple[str, ...]) -> None:
        self._max_targets = max_targets
        self._public = public
        self._by_slug: dict[str, LiveProject] = {}
        self._slugs: dict[int, str] = {}
        self._by_host: dict[str, LiveProject] = {}
        self._by_site: dict[str, LiveProject] = {}
        self._by_key: dict[bytes, LiveKey] = {}
        self._unclaimed: set[bytes] = set()  # Host headers that no project claimed at the last refresh
        self._unknown_keys: set[bytes] = set()  # hashes of keys of SDKs that no project had at the last refresh
        self._unknown_sites: set[tuple[str | None, ...]] = set()  # slug and sites that no project listed at the last refresh
        self.used_keys: set[int] = set()  # since they were last written to the store
        self._tried_at = float("-inf")  # when the last refresh began ...
        self._took = 0.0  # ... and how long it took, in seconds
        self._read_at = float("-inf")  # when the last successful refresh began
        self._refreshes: SingleFlight[None, None] = SingleFlight()

    async def refresh(self) -> None:
        """Refresh the cache with a read that begins now or later. Raises the errors of the store."""
        called = time.monotonic()
        while self._read_at < called:
            await asyncio.shield(self._pending_refresh())

    def _pending_refresh(self, pause: float = 0.0) -> asyncio.Task[None]:
        """Return the pending refresh, or start one after a pause."""
        return self._refreshes.start(None, lambda: self._read(pause))

    async def _read(self, pause: float) -> None:
        if pause > 0:
            await asyncio.sleep(pause)
        began = self._tried_at = time.monotonic()
        try:
            projects = {stored.id: self._live(stored) for stored in await list_projects()}
            keys = await active_keys()
        finally:
            self._took = time.monotonic() - began
        by_host = {host: project for project in projects.values() for host in project.hosts}
        if by_host.keys() != self._by_host.keys():
            self._unclaimed.clear()
        self._slugs = {project.id: project.slug for project in projects.values()}
        self._by_slug = {project.slug: project for project in projects.values()}
        self._by_host = by_host
        by_site = {site: project for project in projects.values() for site in project.sites}
        if _owners(by_site) != _owners(self._by_site) or len(self._unknown_sites) >= _MAX_UNKNOWN_SITES:
            self._unknown_sites.clear()
        self._by_site = by_site
        by_key = {
            hashed: LiveKey(
                key.id, projects.get(key.project), frozenset(key.scopes), read_limit(key.rate_limit), read_limit(key.event_limit)
            )
            for hashed, key in keys.items()
            if key.project in projects or key.project == ADMINS
        }
        if by_key.keys() != self._by_key.keys() or len(self._unknown_keys) >= _MAX_UNKNOWN_KEYS:
            self._unknown_keys.clear()
        self._by_key = by_key
        self._read_at = began

    async def find(
        self, headers: Mapping[bytes, bytes], slug: str | None, *, is_client_key: bool = False
    ) -> tuple[LiveProject, LiveKey | None]:
        """Return the project of a request, by key, path, host or default, and the key of the request or None.

        `is_client_key`: the key is one that an SDK sent, so that an unknown one is looked up in the store even without our prefix.
        Raises Unauthorized for an unknown key with our prefix, Forbidden if key and path name different projects, UnknownProject, Busy.
        """
        return await self._certain(lambda: self._find(headers, slug, is_client_key=is_client_key))

    async def find_site(self, sites: str, slug: str | None) -> LiveProject:
        """Return the project that lists one of these sites, separated by commas. Raises UnknownSite if none does, or only one that the path excludes."""
        names = [name.strip().lower() for name in sites.split(",", _MOST_SITES)[:_MOST_SITES]]
        return await self._certain(lambda: self._of_site(names, slug))

    def find_known(self, headers: Mapping[bytes, bytes], slug: str | None) -> tuple[LiveProject, LiveKey | None] | None:
        """Like `find`, from memory and without waiting. Return None if the store must be read, or `find` would raise."""
        if time.monotonic() - self._tried_at > self.STALE_AFTER:
            return None
        try:
            return self._find(headers, slug)
        except (Unauthorized, Forbidden, UnknownProject):
            return None

    def known_key(self, headers: Mapping[bytes, bytes]) -> LiveKey | None:
        """Like `key`, from memory and without waiting. Return None for an unknown key too."""
        try:
            return self._key(headers)
        except Unauthorized:
            return None

    async def key(self, headers: Mapping[bytes, bytes]) -> LiveKey | None:
        """Return the key of a request, or None if it has none. Raises Unauthorized for an unknown key with our prefix, and Busy."""
        return await self._certain(lambda: self._key(headers))

    async def key_of(self, secret: str) -> LiveKey | None:
        """Return the key with this secret, or None. Raises Busy."""

        def look() -> LiveKey:
            key = self.by_secret(secret)
            if key is None:
                raise Unauthorized("The key is unknown or was revoked.")
            return key

        try:
            return await self._certain(look)
        except Unauthorized:
            return None

    async def _certain(self, look: Callable[[], T]) -> T:
        """Return the result of `look`. Raise its refusal only after a refresh that began after this call."""
        called = time.monotonic()
        await self.keep_fresh()
        while True:
            try:
                return look()
            except _UnclaimedHost as unclaimed:
                if self._read_at >= called:
                    self._unclaimed.add(unclaimed.host)
                    continue
            except _UnknownClientKey as unknown:
                if self._read_at >= called:
                    self._unknown_keys.add(unknown.digest)
                    continue
            except _UncheckedSite as unchecked:
                if self._read_at >= called:
                    self._unknown_sites.add(unchecked.unknown)
                    continue
            except (Unauthorized, UnknownProject) as refusal:
                if self._read_at >= called or isinstance(refusal, _NoSlug | UnknownSite):
                    raise
            await self._wait_for_refresh(max(0.0, self._tried_at + self._pause - time.monotonic()))

    @property
    def _pause(self) -> float:
        """Seconds between the starts of two refreshes for unknown names, so that refreshes take at most a fifth of the time."""
        return min(self.LONGEST_PAUSE, max(self.PAUSE, 5 * self._took))

    async def _wait_for_refresh(self, pause: float) -> None:
        """Wait for the pending refresh, or for one that begins after the pause.

        Raises Busy if the store does not answer in time: after a refusal, clients would discard their events.
        """
        reading = self._pending_refresh(pause)
        done, _ = await asyncio.wait({reading}, timeout=self.IN_TIME + pause)
        if not done:
            raise Busy("The store is not available.", retry_after=5)
        reading.result()

    async def keep_fresh(self) -> None:
        """Refresh a stale cache. If the store does not answer, the cached projects stay in use."""
        if time.monotonic() - self._tried_at <= self.STALE_AFTER or (self._by_slug and self._refreshes.running(None) is not None):
            return
        try:
            await self._wait_for_refresh(0.0)
        except Exception as error:
            if not self._by_slug:
                raise
            # The store is unavailable for a moment: the cached projects serve until it is back.
            log.warning("projects_not_read", error=type(error).__name__)

    def _find(self, headers: Mapping[bytes, bytes], slug: str | None, *, is_client_key: bool = False) -> tuple[LiveProject, LiveKey | None]:
        key = self._key(headers, is_client_key=is_client_key)
        if key is not None and key.project is not None:
            if slug is not None and slug != key.project.slug:
                raise Forbidden("The key belongs to another project than the path.")
            return key.project, key
        project = self._by_slug.get(slug) if slug is not None else self._by_request_host(headers) or self._by_slug.get(DEFAULT)
        if project is None:
            kind = UnknownProject if slug is None or SLUG.fullmatch(slug) else _NoSlug
            raise kind("There is no such project.")
        return project, key

    def _of_site(self, names: list[str], slug: str | None) -> LiveProject:
        for name in names:
            project = self._by_site.get(name)
            if project is not None and slug in (None, project.slug):
                return project
        unknown = (slug, *names)
        if any(names) and unknown not in self._unknown_sites and len(self._unknown_sites) < _MAX_UNKNOWN_SITES:
            raise _UncheckedSite(unknown)
        raise UnknownSite("No project lists this site.")

    def by_secret(self, secret: str) -> LiveKey | None:
        """Return the key with this secret, or None, and record its use."""
        key = self._by_key.get(hash_key(secret))
        if key is not None:
            self.used_keys.add(key.id)
        return key

    def slug(self, project_id: int) -> str:
        """Return the slug of a project, or "" if it no longer exists."""
        return self._slugs.get(project_id, "")

    def all(self) -> Iterable[LiveProject]:
        return self._by_slug.values()

    def _by_request_host(self, headers: Mapping[bytes, bytes]) -> LiveProject | None:
        host = headers.get(b"host", b"")
        if host in self._unclaimed:
            return None
        name = host.decode("latin-1").lower()
        project = self._by_host.get(name) or self._by_host.get(name.rpartition(":")[0])
        if project is None and len(host) <= _LONGEST_HOST and len(self._unclaimed) < _MOST_HOSTS:
            raise _UnclaimedHost(host)
        return project

    def _key(self, headers: Mapping[bytes, bytes], *, is_client_key: bool = False) -> LiveKey | None:
        if AUTHORIZATION not in headers and FOOTFALL_KEY not in headers:
            return None
        own = headers.get(FOOTFALL_KEY, b"").strip().decode("latin-1")
        scheme, _, bearer = headers.get(AUTHORIZATION, b"").decode("latin-1").strip().partition(" ")
        text = own or (bearer.strip() if scheme.lower() == "bearer" else "")
        key = self.by_secret(text) if text else None
        # A bearer token without our prefix is not a key: some clients send one of their own (Track-Skills does).
        if key is None and (own or text.startswith(KEY_PREFIX)):
            raise Unauthorized("The key is unknown or was revoked.")
        if key is None and is_client_key and text:
            digest = hash_key(text)
            if digest not in self._unknown_keys and len(self._unknown_keys) < _MAX_UNKNOWN_KEYS:
                raise _UnknownClientKey(digest)
        return key

    def _live(self, stored: StoredProject) -> LiveProject:
        return LiveProject(
            id=stored.id,
            slug=stored.slug,
            requires_key=stored.requires_key,
            rate_limit=read_limit(stored.rate_limit),
            event_limit=read_limit(stored.event_limit),
            target_rules=TargetRules(stored.lists_targets, stored.max_targets or self._max_targets),
            picked=tuple(stored.dimensions),
            public=self._public if stored.public is None else tuple(stored.public),
            hosts=tuple(stored.hosts),
            sites=tuple(stored.sites),
            forward_to=stored.forward_to,
        )


def _owners(by_site: Mapping[str, LiveProject]) -> dict[str, tuple[int, str]]:
    return {site: (project.id, project.slug) for site, project in by_site.items()}
