"""The transaction that commits one batch: its order of steps, and the resolution of names, contexts and targets to their numbers.

It runs in a thread, over a `Connection`: `SqliteConnection` or `PostgresWriter`. Both engines run the same statements.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from types import MappingProxyType
from typing import Any, NamedTuple

from server.event import HOUR, Context, Event, Outcome, Receipt
from server.event_id import received_at
from server.storage import changed_days, rollups, statements
from server.storage.batch import TRUSTED, Batch, Committed, TargetRules, trusted
from server.storage.commit import bounded_dictionaries
from server.storage.commit.bounded_dictionaries import ERRORS, NAMES, TARGETS
from server.storage.commit.dictionaries import MAX_ERROR_TYPES, MAX_NAMES, Dictionary
from server.storage.commit.duplicates import refuse_duplicates
from server.storage.commit.fold import Group, InstallState, StoredEvent, fold, stored_event
from server.storage.commit.rows import fold_late, fold_reports, late_install, write_events, write_ledger
from server.storage.commit.sightings import InstallUpdate, Sightings
from server.storage.commit.writer_connection import Connection

_id_of_row = itemgetter(0)
_NOTHING: Mapping[str, str] = MappingProxyType({})


class _Resolved(NamedTuple):
    """The events of a batch that will be stored, with dictionary numbers for their texts.

    `folding` holds the events that need a fold of their own; `others` counts the remaining events by group. `rows` holds all events.
    `contexts` maps numbers to contexts. `late` maps ids to installs, for events with an implausible clock.
    """

    folding: list[StoredEvent]
    others: dict[Group, int]
    contexts: dict[int, Context]
    rows: list[tuple[Any, ...]]
    late: dict[int, InstallState]


class Commit:
    """Commits batches, one transaction each, and caches the dictionaries between them."""

    def __init__(self) -> None:
        self.names: Dictionary[tuple[int, str], int] = Dictionary()
        self.contexts: Dictionary[Context, int] = Dictionary()
        self.targets: Dictionary[tuple[int, str, str], tuple[int, bool]] = Dictionary()
        self.errors: Dictionary[tuple[int, str], int] = Dictionary()
        self.sightings = Sightings()
        self.words = bounded_dictionaries.BoundedDictionaries()
        self._dictionaries = (self.names, self.contexts, self.targets, self.errors, self.sightings, self.words)
        self._dictionary_version = 0
        self._sealed = 0
        self._sender_of: Callable[[int], int] = trusted
        self._revived: set[int] = set()

    def run(self, connection: Connection, batch: Batch) -> Committed:
        """Store a batch whole, or raise the connection's error and store nothing."""
        connection.begin()
        self._sender_of = batch.sender_of
        self._revived.clear()
        try:
            self._check_version(connection)
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

    def _check_version(self, connection: Connection) -> None:
        """Drop the caches if any process has deleted dictionary rows since the last commit. Also read which ids are sealed."""
        version, self._sealed = connection.execute(statements.COMMIT_NOTES).fetchone()
        if version != self._dictionary_version:
            self._dictionary_version = version
            for dictionary in self._dictionaries:
                dictionary.forget()

    def _store(self, connection: Connection, batch: Batch) -> Committed:
        exceptions: dict[int, Receipt] = {}
        targets = self._find_targets(connection, batch, exceptions)
        if connection.has_concurrent_writers:
            self._add_new_words(connection, batch.events, exceptions)
        refuse_duplicates(connection, batch.events, exceptions)
        found = self._resolve(connection, batch.events, targets, exceptions)
        self._revive(connection)
        folded = fold(found.folding, found.contexts, found.others)
        for report in batch.installs:
            self.sightings.invalidate(report.id)
        created = fold_reports(connection, batch, folded)
        fold_late(connection, found.late, folded)
        write_events(connection, folded, found.rows)
        write_ledger(connection, batch, exceptions)
        changed_days.record_added(connection, self._sealed, list(map(_id_of_row, found.rows)))
        return Committed(exceptions, created)

    def _add_new_words(self, connection: Connection, events: list[Event], exceptions: dict[int, Receipt]) -> None:
        """Add all new words before the transaction takes any other lock.

        Otherwise one process could hold a mark and wait for the dictionaries, while another held the dictionaries and waited for that mark.
        """
        for place, event in enumerate(events):
            if place not in exceptions:
                if self.names.get((event.project, event.name)) is None:
                    self._add_name(connection, event, place)
                if self.contexts.get(event.context) is None:
                    self._add_context(connection, event.context)
                if event.error_type is not None or event.outcome is Outcome.FAILURE:
                    self._error(connection, event.project, event.error_type or rollups.NO_ERROR_TYPE, place)
        self._revive(connection)

    def _revive(self, connection: Connection) -> None:
        """Take contexts that are in use again off the list of unused ones (`server.storage.upkeep.unused_contexts`).

        All processes delete in the same order, so they cannot deadlock.
        """
        for number in sorted(self._revived):
            connection.execute("DELETE FROM unused_context WHERE id = ?", (number,))
        self._revived.clear()

    def _resolve(self, connection: Connection, events: list[Event], targets: dict[int, int], exceptions: dict[int, Receipt]) -> _Resolved:
        """Resolve the texts of all events that have no exception yet."""
        found = _Resolved([], {}, {}, [], {})
        folding, rows, target_of, update_for = found.folding, found.rows, targets.get, self.sightings.update_for
        failure, seen, full = Outcome.FAILURE, InstallUpdate.SEEN, InstallUpdate.FULL  # lookups in an enum are slow
        alike: dict[tuple[int, str, Context, Outcome, int], list[int]] = {}  # most events of a batch are alike
        for place, event in enumerate(events):
            if exceptions and place in exceptions:
                continue
            install, at, duration, error_type, weight = event.install, event.occurred_at, event.duration_us, event.error_type, event.weight
            kind = (event.project, event.name, event.context, event.outcome, at // HOUR)
            group_of = alike.get(kind)
            if group_of is None:
                name = self.names.get((event.project, event.name)) or self._add_name(connection, event, place)
                context = self.contexts.get(event.context) or self._add_context(connection, event.context)
                found.contexts[context] = event.context
                alike[kind] = group_of = [name, context, int(event.outcome), 0]
            name, context, outcome, _ = group_of
            target = target_of(place) if targets else None
            error = None
            if error_type is not None or event.outcome is failure:
                error = self._error(connection, event.project, error_type or rollups.NO_ERROR_TYPE, place)
            counted = install
            if event.skewed and install is not None:  # the event counts, but does not make its install active today
                counted = None
                found.late.setdefault(install, late_install(event))
            new = InstallUpdate.NONE if counted is None else full if error is not None else update_for(counted, context, at)
            if new is seen and connection.has_concurrent_writers:
                new = full  # another process may have written another version meanwhile
            if not new and target is None and duration is None and error is None and weight == 1 and not event.picked:
                group_of[3] += 1
            else:
                changed, active = (counted if new else None), new is full
                folding.append(
                    stored_event(
                        (event.project, name, context, target, changed, at, outcome, duration, event.picked, error, active, weight)
                    )
                )
            rows.append((
                event.id, event.project, install, name, context, target, at, outcome, duration, event.session,
                1 if event.skewed else None, error_type, event.error_message, event.properties, None if weight == 1 else weight,
            ))  # fmt: skip
        for (project, _, _, _, hour), (name, context, outcome, others) in alike.items():
            group = (project, hour, name, context, outcome)
            found.others[group] = found.others.get(group, 0) + others
        return found

    def _add_name(self, connection: Connection, event: Event, place: int = 0) -> int:
        also = {"dialect": event.context.dialect}
        number = self._word(connection, NAMES, event.project, event.name, MAX_NAMES, self._sender_of(place), also)
        if number is None:  # not cached: an endless supply of new names would evict all others
            return self._other(connection, NAMES, event.project, MAX_NAMES)
        self.names.add((event.project, event.name), number)
        return number

    def _error(self, connection: Connection, project: int, text: str, place: int) -> int:
        number = self.errors.get((project, text)) or self._word(connection, ERRORS, project, text, MAX_ERROR_TYPES, self._sender_of(place))
        if number is None:
            return self._other(connection, ERRORS, project, MAX_ERROR_TYPES)
        self.errors.add((project, text), number)
        return number

    def _word(
        self,
        connection: Connection,
        kind: bounded_dictionaries.DictionaryTable,
        project: int,
        text: str,
        most: int,
        sender: int = TRUSTED,
        also: Mapping[str, str] = _NOTHING,
    ) -> int | None:
        """Return the number of a word, or None if it is new and the dictionary is full."""
        always = text in (rollups.OTHER, rollups.NO_ERROR_TYPE)
        row = self.words.find(connection, kind, project, (text,), most, sender=sender, always=always, also=also)
        return None if row is None else int(row[0])

    def _other(self, connection: Connection, kind: bounded_dictionaries.DictionaryTable, project: int, most: int) -> int:
        """Return the number of `(other)`, which stands for all words that a full dictionary lacks."""
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
        """Map the indexes of events to the numbers of their targets. Record an exception if the project does not accept the target."""
        numbers: dict[int, int] = {}
        looked_up: dict[tuple[int, str, str], tuple[int, bool] | None] = {}
        for place, event in enumerate(batch.events):
            if event.target is None:
                continue
            rules = batch.target_rules[event.project]
            key = (event.project, *event.target)
            if not rules.listed_only:
                found = self.targets.get(key) or self._add_target(connection, event, rules, place)
            else:  # looked up once per commit
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

    def _add_target(self, connection: Connection, event: Event, rules: TargetRules, place: int = 0) -> tuple[int, bool] | None:
        """Return the number of a target and whether it is listed as public; None if the project has no room for it."""
        assert event.target is not None
        key = (event.project, *event.target)
        if rules.listed_only:  # any server may change the list at any time: always look it up, never add to it
            sql = "SELECT id, visibility FROM target WHERE project_id = ? AND type = ? AND external_id = ?"
            row = connection.execute(sql, key).fetchone() or (0, "")
        else:
            also = {"visibility": "unlisted", "created_at": received_at(event.id)}
            row = self.words.find(connection, TARGETS, event.project, event.target, rules.most, sender=self._sender_of(place), also=also)
        if row is None:
            return None
        found = (int(row[0]), row[1] == "public")
        if found[0]:
            self.targets.add(key, found)
        return found

    def invalidate_targets(self) -> None:
        """Drop the cached targets: something other than a commit changed them."""
        self.targets.forget()
        self.words.forget()


def _added(connection: Connection, table: str, row: Mapping[str, Any], find: str, key: Sequence[Any], returning: str = "id") -> Any:
    """Add a row to a dictionary and return it, or return the row that another process added first."""
    marks = ", ".join("?" * len(row))
    insert = f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks}) ON CONFLICT DO NOTHING RETURNING {returning}"
    return connection.execute(insert, tuple(row.values())).fetchone() or connection.execute(find, key).fetchone()
