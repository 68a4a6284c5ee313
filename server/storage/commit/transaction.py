"""One transaction for one batch: what is stored, and what is not, and every sum of it. The same for both engines.

It runs in a thread, over a connection that can do what `Connection` says: sqlite3's, or the one of `server.storage.postgres.postgres_writer`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import msgspec

from server.event import DAY, HOUR, MINUTE, Context, Event, Outcome, Receipt
from server.event_id import first_id, received_at
from server.storage import json_lists, rollups, statements
from server.storage.batch import Batch, Committed, RejectedRow, TargetRules
from server.storage.commit import activity, bounded_dictionaries
from server.storage.commit.bounded_dictionaries import ERRORS, NAMES, TARGETS
from server.storage.commit.dictionaries import ERRORS_A_PROJECT, NAMES_A_PROJECT, Dictionary
from server.storage.commit.fold import FoldResult, Group, InstallState, StoredEvent, fold, stored_event
from server.storage.commit.receipts import ledger_of, refused
from server.storage.commit.sightings import InstallUpdate, Sightings
from server.storage.rollups import Rollup

MARK_LIFETIME = 30 * DAY
VIEW_LIFETIME = 30 * MINUTE
REJECTED_LIFETIME = 7 * DAY
REJECTED_A_PROJECT = 1_000
FORMER_MARKS_UNTIL = "marks_by_project_until"  # a note of migration 11, see `Event.former`
_NOTHING: Mapping[str, str] = MappingProxyType({})


class Cursor(Protocol):
    """What a statement returned."""

    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...

    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """A connection for writing. In SQL `?` stands for an argument."""

    engine_type: str
    has_concurrent_writers: bool
    """Whether other processes commit at the same time, to the same rows."""

    def begin(self) -> None:
        """Begin a transaction."""
        ...

    def commit(self) -> None:
        """End it; when this returns, it is durable. Where it raises, nothing was stored."""
        ...

    def rollback(self) -> None:
        """Forget it, if there is one."""
        ...

    def execute(self, sql: str, arguments: Sequence[Any] = (), /) -> Cursor:
        """Run one statement."""
        ...

    def lock_dictionaries(self) -> None:
        """Keep other processes from adding to dictionaries until the transaction ends: two that add the same words in another order would
        wait for each other for ever."""
        ...

    def insert_many(self, table: str, columns: tuple[str, ...], rows: Sequence[Sequence[Any]], end: str = "", /) -> list[Any]:
        """Insert rows; what RETURNING in `end` returns."""
        ...


class _Resolved(NamedTuple):
    """Events that are to be stored: what there is to fold of some, how many `others` there are of a group, their contexts by number, and all of
    them as rows. `late` are the installs of those whose clock is not believed, by their ids."""

    folding: list[StoredEvent]
    others: dict[Group, int]
    contexts: dict[int, Context]
    rows: list[tuple[Any, ...]]
    late: dict[int, InstallState]


class Commit:
    """One transaction for one batch, and the dictionaries that spare it most of the looking up."""

    def __init__(self) -> None:
        self.names: Dictionary[tuple[int, str], int] = Dictionary()
        self.contexts: Dictionary[Context, int] = Dictionary()
        self.targets: Dictionary[tuple[int, str, str], tuple[int, bool]] = Dictionary()
        self.errors: Dictionary[tuple[int, str], int] = Dictionary()
        self.sightings = Sightings()
        self.words = bounded_dictionaries.BoundedDictionaries()
        self._dictionaries = (self.names, self.contexts, self.targets, self.errors, self.sightings, self.words)
        self._words_changed = 0
        self._revived: set[int] = set()

    def run(self, connection: Connection, batch: Batch) -> Committed:
        """Store a batch, or nothing of it. Raises what the connection raises."""
        connection.begin()
        self._revived.clear()
        try:
            self._keep_up(connection)
            committed = self._store(connection, batch)
            connection.commit()
        except BaseException:
            connection.rollback()
            for dictionary in self._dictionaries:
                dictionary.revert()
            raise
        for dictionary in self._dictionaries:
            dictionary.settle()
        return committed

    def _keep_up(self, connection: Connection) -> None:
        """Forget the words where somebody, maybe in another process, has taken some away since the last commit."""
        found = connection.execute(statements.DICTIONARY_VERSION).fetchone()
        if found is not None and found[0] != self._words_changed:
            self._words_changed = found[0]
            for dictionary in self._dictionaries:
                dictionary.forget()

    def _store(self, connection: Connection, batch: Batch) -> Committed:
        exceptions: dict[int, Receipt] = {}
        targets = self._find_targets(connection, batch, exceptions)
        if connection.has_concurrent_writers:
            self._learn_words(connection, batch.events, exceptions)
        _refuse_marked(connection, batch.events, exceptions)
        found = self._resolve(connection, batch.events, targets, exceptions)
        self._revive(connection)
        folded = fold(found.folding, found.contexts, found.others)
        for report in batch.installs:
            self.sightings.reported(report.id)
        created = _fold_reports(connection, batch, folded)
        _fold_late(connection, found.late, folded)
        _write(connection, folded, found.rows)
        ledger = ledger_of(batch, exceptions)
        connection.insert_many(rollups.LEDGER.table, *_sums(rollups.LEDGER, ledger.items()))
        connection.insert_many(rollups.REFUSALS.table, *_sums(rollups.REFUSALS, batch.refusals.items()))
        rejected = [*batch.rejected, *refused(batch, exceptions)]
        rows_of_rejected = [tuple(getattr(row, name) for name in _REJECTED) for row in rejected]
        connection.insert_many("rejected", statements.REJECTED_COLUMNS, rows_of_rejected, "ON CONFLICT DO NOTHING")  # refused once more
        _trim_rejected(connection, rejected)
        return Committed(exceptions, created)

    def _learn_words(self, connection: Connection, events: list[Event], exceptions: dict[int, Receipt]) -> None:
        """Add all new words before anything else is locked: who holds a mark and wants to add a word would wait for who adds a word and wants
        that mark."""
        for place, event in enumerate(events):
            if place not in exceptions:
                if self.names.get((event.project, event.name)) is None:
                    self._add_name(connection, event)
                if self.contexts.get(event.context) is None:
                    self._add_context(connection, event.context)
                if event.error_type is not None or event.outcome is Outcome.FAILURE:
                    self._error(connection, event.project, event.error_type or rollups.NO_ERROR_TYPE)
        self._revive(connection)

    def _revive(self, connection: Connection) -> None:
        """Contexts that were found may have been on their way out: see `server.storage.upkeep.unused_contexts`. In one order in all processes."""
        for number in sorted(self._revived):
            connection.execute("DELETE FROM unused_context WHERE id = ?", (number,))
        self._revived.clear()

    def _resolve(self, connection: Connection, events: list[Event], targets: dict[int, int], exceptions: dict[int, Receipt]) -> _Resolved:
        """The events that are to be stored, with numbers for their words."""
        found = _Resolved([], {}, {}, [], {})
        folding, rows, targeted, news = found.folding, found.rows, targets.get, self.sightings.update_for
        alike: dict[tuple[int, str, Context, Outcome, int], list[int]] = {}  # most events of a batch say the same
        for place, event in enumerate(events):
            if exceptions and place in exceptions:
                continue
            install, at, duration = event.install, event.occurred_at, event.duration_us
            said = (event.project, event.name, event.context, event.outcome, at // HOUR)
            known = alike.get(said)
            if known is None:
                name = self.names.get((event.project, event.name)) or self._add_name(connection, event)
                context = self.contexts.get(event.context) or self._add_context(connection, event.context)
                found.contexts[context] = event.context
                alike[said] = known = [name, context, int(event.outcome), 0]
            name, context, outcome, _ = known
            target = targeted(place) if targets else None
            error = None
            if event.error_type is not None or event.outcome is Outcome.FAILURE:
                error = self._error(connection, event.project, event.error_type or rollups.NO_ERROR_TYPE)
            counted = install
            if event.skewed and install is not None:  # counts as an event, and says nothing of its install today
                counted = None
                found.late.setdefault(install, _late_only(event))
            new = InstallUpdate.NONE if counted is None else InstallUpdate.FULL if error is not None else news(counted, context, at)
            if new is InstallUpdate.SEEN and connection.has_concurrent_writers:
                new = InstallUpdate.FULL  # another process may have told of another version meanwhile
            if not new and target is None and duration is None and error is None and not event.picked:
                known[3] += 1
            else:
                its, active = (counted if new else None), new is InstallUpdate.FULL
                folding.append(
                    stored_event((event.project, name, context, target, its, at, outcome, duration, event.picked, error, active))
                )
            rows.append((
                event.id, event.project, install, name, context, target, at, outcome, duration, event.session,
                1 if event.skewed else None, event.error_type, event.error_message, event.properties,
            ))  # fmt: skip
        for (project, _, _, _, hour), (name, context, outcome, others) in alike.items():
            group = (project, hour, name, context, outcome)
            found.others[group] = found.others.get(group, 0) + others
        return found

    def _add_name(self, connection: Connection, event: Event) -> int:
        number = self._word(connection, NAMES, event.project, event.name, NAMES_A_PROJECT, {"dialect": event.context.dialect})
        if number is None:  # not kept: names without end would push all others out of the memory
            return self._other(connection, NAMES, event.project, NAMES_A_PROJECT)
        self.names.add((event.project, event.name), number)
        return number

    def _error(self, connection: Connection, project: int, text: str) -> int:
        number = self.errors.get((project, text)) or self._word(connection, ERRORS, project, text, ERRORS_A_PROJECT)
        if number is None:
            return self._other(connection, ERRORS, project, ERRORS_A_PROJECT)
        self.errors.add((project, text), number)
        return number

    def _word(
        self,
        connection: Connection,
        kind: bounded_dictionaries.Dictionary,
        project: int,
        text: str,
        most: int,
        also: Mapping[str, str] = _NOTHING,
    ) -> int | None:
        """The number of a word; None where the dictionary is full and has it not."""
        always = text in (rollups.OTHER, rollups.NO_ERROR_TYPE)
        row = self.words.find(connection, kind, project, (text,), most, always=always, also=also)
        return None if row is None else int(row[0])

    def _other(self, connection: Connection, kind: bounded_dictionaries.Dictionary, project: int, most: int) -> int:
        """The number of `(other)`, under which a full dictionary counts what it has not."""
        number = self._word(connection, kind, project, rollups.OTHER, most)
        assert number is not None
        return number

    def _add_context(self, connection: Connection, context: Context) -> int:
        values = [int(context.environment), *(getattr(context, name) for name in statements.CONTEXT_COLUMNS[1:])]
        same = " AND ".join(
            f"{name} = ?" if place < 3 else f"COALESCE({name}, '') = COALESCE(?, '')"
            for place, name in enumerate(statements.CONTEXT_COLUMNS)
        )
        find = f"SELECT id FROM context WHERE {same}"
        found = connection.execute(find, values).fetchone()
        if found is None:
            connection.lock_dictionaries()
            found = _added(connection, "context", dict(zip(statements.CONTEXT_COLUMNS, values, strict=True)), find, values)
        else:
            self._revived.add(int(found[0]))
        self.contexts.add(context, found[0])
        return int(found[0])

    def _find_targets(self, connection: Connection, batch: Batch, exceptions: dict[int, Receipt]) -> dict[int, int]:
        """The target's number of each event that has one, by the event's place; where a target may not be, an exception."""
        numbers: dict[int, int] = {}
        looked_up: dict[tuple[int, str, str], tuple[int, bool] | None] = {}
        for place, event in enumerate(batch.events):
            if event.target is None:
                continue
            rules = batch.target_rules[event.project]
            key = (event.project, *event.target)
            if not rules.listed_only:
                found = self.targets.get(key) or self._add_target(connection, event, rules)
            else:  # asked once a commit
                if key not in looked_up:
                    looked_up[key] = self._add_target(connection, event, rules)
                found = looked_up[key]
            if found is None:
                exceptions[place] = Receipt.TOO_MANY_TARGETS
            elif rules.listed_only and not found[1]:
                exceptions[place] = Receipt.UNKNOWN_TARGET
            else:
                numbers[place] = found[0]
        return numbers

    def _add_target(self, connection: Connection, event: Event, rules: TargetRules) -> tuple[int, bool] | None:
        """The target's number and whether it is listed as public; None where there may be no more."""
        assert event.target is not None
        key = (event.project, *event.target)
        if rules.listed_only:  # which are listed may change at any time, here or on another server: always asked, and never added
            sql = "SELECT id, visibility FROM target WHERE project_id = ? AND type = ? AND external_id = ?"
            row = connection.execute(sql, key).fetchone() or (0, "")
        else:
            also = {"visibility": "unlisted", "created_at": received_at(event.id)}
            row = self.words.find(connection, TARGETS, event.project, event.target, rules.most, also=also)
        if row is None:
            return None
        found = (int(row[0]), row[1] == "public")
        if found[0]:
            self.targets.add(key, found)
        return found

    def invalidate_targets(self) -> None:
        """Targets were changed otherwise than by a commit."""
        self.targets.forget()
        self.words.forget()


def _added(connection: Connection, table: str, row: Mapping[str, Any], find: str, key: Sequence[Any], returning: str = "id") -> Any:
    """A row that was added to a dictionary, or the same one where another process was quicker."""
    marks = ", ".join("?" * len(row))
    insert = f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks}) ON CONFLICT DO NOTHING RETURNING {returning}"
    return connection.execute(insert, tuple(row.values())).fetchone() or connection.execute(find, key).fetchone()


_REJECTED = ("id", "project", "route", "dialect", "reason", "errors", "excerpt", "size", "event", "install")


def _sums(rollup: Rollup, items: Iterable[tuple[tuple[Any, ...], Any]]) -> tuple[tuple[str, ...], list[tuple[Any, ...]], str]:
    rows = [(*key, *(measures if isinstance(measures, list) else (measures,))) for key, measures in items]
    return (*rollup.key, *rollup.measures), rows, statements.on_conflict_add(rollup)


def _refuse_marked(connection: Connection, events: list[Event], exceptions: dict[int, Receipt]) -> None:
    """Except the events whose id was seen before, then the views that are too soon after the last one."""
    if any(event.former is not None for event in events):
        _except_former(connection, events, exceptions)
    marked = [(place, event.mark, event) for place, event in enumerate(events) if event.mark is not None]
    _except_known(connection, marked, MARK_LIFETIME, Receipt.DUPLICATE, exceptions)
    viewed = [(place, event.viewer, event) for place, event in enumerate(events) if event.viewer is not None]
    _except_known(connection, viewed, VIEW_LIFETIME, Receipt.DEBOUNCED, exceptions)


def _except_former(connection: Connection, events: list[Event], exceptions: dict[int, Receipt]) -> None:
    """Except the events whose id was seen before the store was upgraded: its mark is of another kind."""
    find = f"""SELECT mark.project_id, mark.key, mark.expires_at FROM ({{listed}}) AS these JOIN mark ON mark.project_id = these.project_id
        AND mark.key = these.key WHERE mark.expires_at <= (SELECT value FROM note WHERE name = '{FORMER_MARKS_UNTIL}')"""
    keys = [(event.project, event.former) for event in events if event.former is not None]
    rows = json_lists.rows(connection.engine_type, ("project_id", "key"), mark="?")
    found = connection.execute(find.format(listed=rows), (msgspec.json.encode(keys).decode(),)).fetchall()
    expires = {(project, key): at for project, key, at in found}
    for place, event in enumerate(events):
        if event.former is not None and place not in exceptions and expires.get((event.project, event.former), 0) > received_at(event.id):
            exceptions[place] = Receipt.DUPLICATE


def _except_known(
    connection: Connection,
    candidates: list[tuple[int, int, Event]],
    lifetime: int,
    receipt: Receipt,
    exceptions: dict[int, Receipt],
) -> None:
    first: dict[tuple[int, int], tuple[int, int]] = {}
    for place, key, event in candidates:
        if place in exceptions:
            continue
        if (event.project, key) in first:
            exceptions[place] = receipt
        else:
            first[event.project, key] = (place, received_at(event.id) + lifetime)
    if first:
        rows = [(project, key, expires_at) for (project, key), (_, expires_at) in first.items()]
        fresh = set(connection.insert_many("mark", statements.MARK_COLUMNS, rows, statements.on_conflict_mark(lifetime)))
        exceptions.update({place: receipt for key, (place, _) in first.items() if key not in fresh})


def _fold_reports(connection: Connection, batch: Batch, folded: FoldResult) -> list[bool]:
    """Add the install reports to what the events say of installs; for each, whether its install is new."""
    if not batch.installs:
        return []
    ids = {report.id for report in batch.installs}
    marks = ", ".join("?" * len(ids))
    there = {row[0] for row in connection.execute(f"SELECT id FROM install WHERE id IN ({marks})", tuple(ids))} | folded.installs.keys()
    created = []
    folded.reported |= ids
    for report in batch.installs:
        created.append(report.id not in there)
        there.add(report.id)
        seen = folded.installs.setdefault(report.id, InstallState(report.project, report.first_seen, report.last_seen))
        seen.add(report.first_seen, report.last_seen, report.context)
    return created


def _late_only(event: Event) -> InstallState:
    """An install that only events name whose clock is not believed: of what they say only the kind of client is sure."""
    unknown: list[str | None] = [None] * (len(rollups.INSTALL_FIELDS) - 1)
    return InstallState(event.project, event.occurred_at, event.occurred_at, fields=[*unknown, event.context.dialect or None])


def _fold_late(connection: Connection, late: Mapping[int, InstallState], folded: FoldResult) -> None:
    """Add the installs that only late events name: they are known, and nothing else of them is. To others a late event adds nothing."""
    ids = late.keys() - folded.installs.keys()
    if not ids:
        return
    marks = ", ".join("?" * len(ids))
    there = {row[0] for row in connection.execute(f"SELECT id FROM install WHERE id IN ({marks})", tuple(ids))}
    for install in sorted(ids - there):
        folded.installs[install] = late[install]
        folded.reported.add(install)


def _write(connection: Connection, folded: FoldResult, rows: list[tuple[Any, ...]]) -> None:
    connection.insert_many("event", statements.EVENT_COLUMNS, rows)
    installs = [
        (key, seen.project, seen.first_seen, seen.last_seen, seen.environment, seen.reason, *seen.fields)
        for key, seen in folded.installs.items()
    ]
    connection.insert_many("install", statements.INSTALL_COLUMNS, installs, statements.on_conflict_seen())
    of_activity = activity.record(connection, folded.reported, folded.activity)
    if folded.errors_seen:
        affected, seen_errors = list(folded.error_installs), [(*key, *times) for key, times in folded.errors_seen.items()]
        connection.insert_many("error_install", statements.ERROR_INSTALL_COLUMNS, affected, statements.ON_ERROR_INSTALL)
        connection.insert_many("error_seen", statements.ERROR_SEEN_COLUMNS, seen_errors, statements.ON_ERROR_SEEN)
    for rollup, sums in (*folded.sums.items(), *of_activity.items()):
        connection.insert_many(rollup.table, *_sums(rollup, sums.items()))


def _trim_rejected(connection: Connection, rejected: Sequence[RejectedRow]) -> None:
    """Keep the last of a project's rejected only, and only for a week."""
    crowded = "SELECT id FROM rejected WHERE project_id = ? ORDER BY id DESC LIMIT 1 OFFSET ?"
    past = json_lists.unlocked_keys(connection.engine_type, "rejected", ("id",), f"project_id = ? AND (id < ? OR id <= ({crowded}))")
    for project in {row.project for row in rejected}:
        aged = first_id(received_at(rejected[-1].id) - REJECTED_LIFETIME)
        connection.execute(f"DELETE FROM rejected WHERE id IN ({past})", (project, aged, project, REJECTED_A_PROJECT))
