"""Keyed hashes, which recognize an identifier without storing it.

All hashes depend on the server's secret: with another secret, every install is new. Each project has its own key, derived from the secret, so
that the data of two projects does not show that they share an install.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Sequence

from server.caching import BoundedDict
from server.identifiers import identifier
from server.scrubbing.traces import is_plain

_BLOCK = 64  # block size of SHA-256, in bytes
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))
REMEMBERED = 32_768  # cached installs of all projects together; about 6 MiB


def make_hmac(key: bytes, prefix: bytes = b"") -> Callable[[bytes], bytes]:
    """Return a function that computes the HMAC-SHA256 (RFC 2104) of `prefix + message`, 32 bytes. Key and prefix are hashed only once.

    Equal to `hmac.digest(key, prefix + message, "sha256")`, and about twice as fast: OpenSSL 3 looks up the algorithm on every call.
    """
    block = (hashlib.sha256(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
    inner = hashlib.sha256(block.translate(_INNER) + prefix)
    outer = hashlib.sha256(block.translate(_OUTER))

    def digest(message: bytes) -> bytes:
        first, second = inner.copy(), outer.copy()
        first.update(message)
        second.update(first.digest())
        return second.digest()

    return digest


def number(digest: bytes) -> int:
    """Return the first 64 bits as a signed integer, the type of keys in the stores.

    Among n installs of a project, two share a number with a probability of about n²/2⁶⁵ (birthday bound): 3 in 100 million for a million
    installs, 3 in 10,000 for a hundred million.
    """
    return int.from_bytes(digest[:8], "big", signed=True)


def utf8(text: str) -> bytes:
    """Encode as UTF-8, including lone surrogates, which JavaScript allows in JSON."""
    return text.encode("utf-8", "surrogatepass")


class ProjectHashes:
    """The hash functions of one project. Each kind has its own prefix, so a text has different hashes as an install and as a session.

    Pass ids as `server.identifiers` returns them.
    """

    __slots__ = ("_install", "_mark", "_mark_within", "_session", "_viewer", "_visitor", "cache", "salt")

    def __init__(self, key: bytes, cache: BoundedDict[int, int]) -> None:
        # Cache of install hashes, by Python's own hash (SipHash) of `salt` and the id, so that no id is kept in memory. A collision is as unlikely
        # as one of `number`, and clients do not know the salt. All projects share `cache`.
        self.salt = secrets.token_hex(16)
        self.cache = cache
        self._install = make_hmac(key, b"install\0")
        self._session = make_hmac(key, b"session\0")
        self._mark = make_hmac(key, b"mark\0")
        self._mark_within = make_hmac(key, b"mark within\0")
        self._viewer = make_hmac(key, b"viewer\0")
        self._visitor = make_hmac(key, b"visitor\0")

    def install(self, raw: str) -> int:
        return number(self._install(utf8(raw)))

    def visitor(self, day: int, raw: str) -> int:
        """Hash a visitor without an install id, for one day (days since 1970). No id that a client sends has this hash."""
        return number(self._visitor(utf8(f"{day}\0{raw}")))

    def learn(self, raw: str, cache_key: int) -> int | None:
        """Return the hash of an install, and cache it if the id is plain (`is_plain`) and has no space. Returns None for an unusable id.

        `cache_key` is Python's hash of `salt` and the id.
        """
        usable = identifier(raw)
        if usable is None:
            return None
        install = self.install(usable)
        if usable != raw or " " in raw or not is_plain(raw):
            return install
        self.cache.keep(cache_key, install)
        return install

    def plain_installs(self, raws: Sequence[str]) -> list[int] | None:
        """Return the hashes of installs. Returns None if `learn` would not cache one of them."""
        cache_keys = list(map(hash, map(self.salt.__add__, raws)))
        found = list(map(self.cache.get, cache_keys))
        if not all(found):
            for position, (raw, cache_key) in enumerate(zip(raws, cache_keys, strict=True)):
                if found[position] is None:
                    found[position] = self.learn(raw, cache_key)
                    if cache_key not in self.cache:
                        return None
        return found  # type: ignore[return-value]  # no None is left

    def session(self, raw: str) -> int:
        return number(self._session(utf8(raw)))

    def mark(self, dialect: str, raw: str) -> int:
        return number(self._mark(utf8(f"{dialect}\0{raw}")))

    def mark_within(self, scope: str, dialect: str, raw: str) -> int:
        """Hash an event id that is unique within a scope (an install or a key) and not in the whole project."""
        return number(self._mark_within(utf8(f"{dialect}\0{len(scope)},{scope}{raw}")))

    def viewer(self, target_type: str, target_id: str, raw: str) -> int:
        # Lengths first: otherwise (a, bc) and (ab, c) would be equal.
        return number(self._viewer(utf8(f"{len(target_type)},{len(target_id)},{target_type}{target_id}{raw}")))
