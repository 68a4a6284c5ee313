"""The routing table of ingest, built from the paths that dialects declare."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from server.dialects import DIALECTS, Dialect
from server.dialects.parsing import Path
from server.event import Decoded, Request

Prepared = tuple[Dialect, Callable[[bytes, Request], Decoded | None]]


class Route(NamedTuple):
    """One path and its dialects. `prepared` holds the one-pass parsers, which run first; then each dialect in turn may claim the body."""

    path: Path
    dialects: tuple[Dialect, ...]
    prepared: tuple[Prepared, ...]


class Match(NamedTuple):
    route: Route
    params: tuple[str, ...]


class Routes:
    """All ingest routes, looked up by path."""

    def __init__(self, dialects: tuple[Dialect, ...] = DIALECTS) -> None:
        found: dict[str, Route] = {}
        for dialect in dialects:
            for path in dialect.PATHS:
                known = found.get(path.template) or Route(path, (), ())
                prepared: tuple[Prepared, ...] = () if path.prepared is None else ((dialect, path.prepared),)
                found[path.template] = Route(_wider(known.path, path), (*known.dialects, dialect), (*known.prepared, *prepared))
        self.all = tuple(found.values())
        self._whole = {template: Match(route, ()) for template, route in found.items() if "{" not in template}
        self._prefixes = {template.partition("{")[0]: route for template, route in found.items() if "{" in template}

    def find(self, path: str) -> Match | None:
        """Return the route and the parameter of a path. The path has no duplicate slashes."""
        match = self._whole.get(path)
        if match is not None:
            return match
        head, slash, last = path.rpartition("/")
        route = self._prefixes.get(head + slash)
        return None if route is None or not last else Match(route, (last,))


def _wider(one: Path, other: Path) -> Path:
    return one if one.batch or not other.batch else other
