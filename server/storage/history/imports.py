"""Commits of imported events and counts, each of which counts once, however often it is imported.

- An imported event carries a key: a hash of its identity in the source (`Event.mark`). The table `imported` keeps the keys forever. They are
  written in the transaction of the event, so an import that was killed can simply be started again.
- The id of an event contains its time of arrival. For imports this is the original time of arrival or, if unknown, the time of the event, so
  retention treats it by its age. Other processes have used ids of the past, so an id that is taken moves to the next free one.
- Counts without events (packs of the downloads seed) are added to the rollups. `imported_count` keeps the last imported value of each, and only
  the difference is added, so that a newer dump of the same collector can follow. The days are marked as partial, since no recount can find these
  counts.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from server.event import Context, Environment, Event, Receipt
from server.event_id import first_id
from server.storage import rollups
from server.storage.batch import Batch, Committed, TargetRules
from server.storage.commit.transaction import Commit
from server.storage.commit.writer_connection import Connection
from server.storage.engine import Store
from server.storage.rollups import Rollup
from server.storage.statements import on_conflict_add

DOWNLOAD, PACK, DIALECT = "download", "pack", "downloads"  # names in the downloads dialect
TOTAL = -1  # the "day" of a pack's total in the dump
COUNTED = -2  # the "day" of the sum that was added to a pack's total
_NOTE_PARTIAL = "INSERT INTO partial_day (project_id, day) VALUES (?, ?) ON CONFLICT DO NOTHING"


class PackCount(msgspec.Struct, frozen=True):
    """The downloads of a pack on a day (days since 1970 in UTC), or in total if `day` is `TOTAL`."""

    pack: str
    day: int
    value: int


@dataclass(slots=True)
class ImportBatch(Batch):
    """A batch of an import into one project. The mark of each event is its key in `imported`; `counts` are counts without events."""

    project: int = 0
    counts: list[PackCount] = field(default_factory=list)


class ImportStore:
    """The store as an import uses it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._commit = _ImportCommit()

    async def commit(self, batch: ImportBatch) -> Committed:
        """Store a whole batch in one transaction. Events that exist are DUPLICATEs; counts of refused targets are skipped."""
        return await self._store.commit_with(self._commit, batch)

    async def foreign_installs(self, project: int, installs: Iterable[int]) -> set[int]:
        """Return those of the installs that belong to another project."""
        numbers = msgspec.json.encode(sorted(set(installs))).decode()
        sql = f"SELECT id FROM install WHERE project_id <> {{}} AND id IN ({self._store.sql.integers()})"
        return {row["id"] for row in await self._store.rows(sql, project, numbers)}


class _ImportCommit(Commit):
    """The commit of an import, which checks for events that were imported before."""

    def _store(self, connection: Connection, batch: Batch) -> Committed:
        assert isinstance(batch, ImportBatch)
        connection.lock_dictionaries()  # one import at a time: each needs the ids and counts of the previous one
        fresh = _fresh(connection, batch)
        fresh = _without_known(connection, batch.events, fresh)
        ids = _free_ids(connection, [batch.events[place] for place in fresh])
        events = [msgspec.structs.replace(batch.events[place], id=id_, mark=None) for place, id_ in zip(fresh, ids, strict=True)]
        stored = super()._store(connection, Batch(events, batch.installs, batch.target_rules))
        exceptions = dict.fromkeys(set(range(len(batch.events))) - set(fresh), Receipt.DUPLICATE)
        refused = {fresh[place]: receipt for place, receipt in stored.exceptions.items()}
        # Refused events are not recorded as imported: once the project accepts more targets, importing the same file adds them.
        _forget(connection, batch, refused)
        self._count(connection, batch)
        return Committed({**exceptions, **refused}, stored.created)

    def _count(self, connection: Connection, batch: ImportBatch) -> None:
        """Add the differences between the counts and those imported before to the rollups."""
        if not batch.counts:
            return
        packs = self._words_of(connection, batch)
        days: list[tuple[int, ...]] = []
        hours: list[tuple[int, ...]] = []
        totals: list[tuple[int, ...]] = []
        # In the order of every commit, words first, so that two transactions cannot deadlock.
        for pack, counts in itertools.groupby(sorted(batch.counts, key=lambda count: count.pack), key=lambda count: count.pack):
            if pack not in packs:
                continue
            target, name = packs[pack]
            for day, more in _differences(connection, batch.project, pack, counts):
                if day == COUNTED:
                    totals.append((batch.project, target, name, 0, more, 0, 0, 0, 0))
                else:
                    days.append((batch.project, day, target, name, 0, more, 0, 0, 0, 0))
                    # A dump has days only: charts by hour show them in the first hour of the day.
                    hours.append((batch.project, day * 24, name, 0, more, 0, 0, 0, 0))
        daily = [(project, hour // 24, *rest) for project, hour, *rest in hours]
        for rollup, rows in ((rollups.HOURLY, hours), (rollups.DAILY, daily), (rollups.TARGET_DAY, days), (rollups.TARGET_TOTAL, totals)):
            _add(connection, rollup, rows)
        # Totals by target exceed the sums of events; day 0 records this.
        for day in sorted({day for _, day, *_ in days} | ({0} if totals else set())):
            connection.execute(_NOTE_PARTIAL, (batch.project, day))

    def _words_of(self, connection: Connection, batch: ImportBatch) -> dict[str, tuple[int, int]]:
        """The numbers of each pack's target and of its events' name. Packs for which the project has no room are left out."""
        rules, found = batch.target_rules[batch.project], {}
        for pack in sorted({count.pack for count in batch.counts}):
            first = _first_download(batch.project, pack)
            target = self.targets.get((batch.project, PACK, pack)) or self._add_target(connection, first, rules)
            if target is not None:
                name = self.names.get((batch.project, DOWNLOAD)) or self._add_name(connection, first)
                found[pack] = (target[0], name)
        return found


def target_rules(most: int) -> TargetRules:
    """The rules for an import: imported targets need not be listed, but their number is bounded."""
    return TargetRules(listed_only=False, most=most)


def _fresh(connection: Connection, batch: ImportBatch) -> list[int]:
    """Return the indexes of the events that were not imported before, and record them as imported."""
    former = msgspec.json.encode([event.former for event in batch.events if event.former is not None]).decode()
    find = f"SELECT key FROM imported WHERE project_id = ? AND key IN ({connection.sql.integers('?')})"
    known = {key for (key,) in connection.execute(find, (batch.project, former))}
    first: dict[int, int] = {}
    for place, event in enumerate(batch.events):
        assert event.mark is not None
        if event.former is None or event.former not in known:
            first.setdefault(event.mark, place)
    rows = [(batch.project, key) for key in first]
    new = connection.insert_many("imported", ("project_id", "key"), rows, "ON CONFLICT DO NOTHING RETURNING key")
    return sorted(first[key] for (key,) in new)


def _without_known(connection: Connection, events: list[Event], places: list[int]) -> list[int]:
    """Drop the indexes of events that the store has although they were never imported, because the file was exported from this store."""
    numbers = msgspec.json.encode([events[place].id for place in places]).decode()
    sql = f"SELECT id, project_id, occurred_at, install_id FROM event WHERE id IN ({connection.sql.integers('?')})"
    there = set(connection.execute(sql, (numbers,)))
    return [place for place in places if _like(events[place]) not in there]


def _like(event: Event) -> tuple[int, int, int, int | None]:
    return event.id, event.project, event.occurred_at, event.install


def _free_ids(connection: Connection, events: list[Event]) -> list[int]:
    """Return an id for each event: its own, or the next free one if that is taken."""
    taken: set[int] = set()
    ids = []
    for event in events:
        id_ = event.id
        while id_ in taken or connection.execute("SELECT 1 FROM event WHERE id = ?", (id_,)).fetchone():
            id_ += 1
        taken.add(id_)
        ids.append(id_)
    return ids


def _forget(connection: Connection, batch: ImportBatch, refused: Iterable[int]) -> None:
    numbers = msgspec.json.encode([batch.events[place].mark for place in refused]).decode()
    connection.execute(
        f"DELETE FROM imported WHERE project_id = ? AND key IN ({connection.sql.integers('?')})",
        (batch.project, numbers),
    )


def _first_download(project: int, pack: str) -> Event:
    """Return an event that stands for the downloads of a pack, for the lookup of its texts."""
    context = Context(Environment.UNKNOWN, "", DIALECT)
    return Event(id=first_id(0), project=project, name=DOWNLOAD, occurred_at=0, context=context, target=(PACK, pack))


def _differences(connection: Connection, project: int, pack: str, counts: Iterable[PackCount]) -> list[tuple[int, int]]:
    """Store the counts as imported, and return what they add by day and, under `COUNTED`, to the total.

    The total of a dump exceeds the sum of its days if the collector dropped old days; the rest is added to the total only. All stored counts of
    the pack are taken into account, so the order within a file does not matter.
    """
    sql = "SELECT day, value FROM imported_count WHERE project_id = ? AND pack = ?"
    known: dict[int, int] = dict(connection.execute(sql, (project, pack)).fetchall())
    now = {**known, **{count.day: count.value for count in counts}}
    now[COUNTED] = max(now.get(TOTAL, 0), sum(value for day, value in now.items() if day >= 0))
    changed = {day: value for day, value in now.items() if known.get(day) != value}
    end = "ON CONFLICT (project_id, pack, day) DO UPDATE SET value = excluded.value"
    rows = [(project, pack, day, value) for day, value in changed.items()]
    connection.insert_many("imported_count", ("project_id", "pack", "day", "value"), rows, end)
    return [(day, value - known.get(day, 0)) for day, value in sorted(changed.items()) if day != TOTAL and value != known.get(day, 0)]


def _add(connection: Connection, rollup: Rollup, rows: list[tuple[int, ...]]) -> None:
    # Packs share hours, but PostgreSQL accepts each key only once per statement.
    sums: dict[tuple[int, ...], tuple[int, ...]] = {}
    for row in rows:
        key, measures = row[: len(rollup.key)], row[len(rollup.key) :]
        sums[key] = tuple(map(operator.add, sums[key], measures)) if key in sums else measures
    added = [(*key, *measures) for key, measures in sums.items()]
    connection.insert_many(rollup.table, (*rollup.key, *rollup.measures), added, on_conflict_add(rollup))
