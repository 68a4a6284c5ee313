"""The rows that a commit writes once its events are resolved: installs, activity, rollups, ledger and rejected events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from server.event import DAY, Event, Receipt
from server.event_id import first_id, received_at
from server.storage import rollups, statements
from server.storage.batch import Batch, RejectedRow
from server.storage.commit import activity
from server.storage.commit.fold import FoldResult, InstallState
from server.storage.commit.receipts import ledger_of, refused
from server.storage.commit.writer_connection import Connection
from server.storage.rollups import Rollup

REJECTED_LIFETIME = 7 * DAY
MAX_REJECTED_PER_PROJECT = 1_000

_REJECTED = ("id", "project", "route", "dialect", "reason", "errors", "excerpt", "size", "event", "install")


def _sums(rollup: Rollup, items: Iterable[tuple[tuple[Any, ...], Any]]) -> tuple[tuple[str, ...], list[tuple[Any, ...]], str]:
    rows = [(*key, *(measures if isinstance(measures, list) else (measures,))) for key, measures in items]
    return (*rollup.key, *rollup.measures), rows, statements.on_conflict_add(rollup)


def fold_reports(connection: Connection, batch: Batch, folded: FoldResult) -> list[bool]:
    """Add the install reports of a batch to the fold. Return, for each report, True if its install is new."""
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


def late_install(event: Event) -> InstallState:
    """Return the state of an install that only late events name: of their fields, only the dialect is reliable."""
    unknown: list[str | None] = [None] * (len(rollups.INSTALL_FIELDS) - 1)
    return InstallState(event.project, event.occurred_at, event.occurred_at, fields=[*unknown, event.context.dialect or None])


def fold_late(connection: Connection, late: Mapping[int, InstallState], folded: FoldResult) -> None:
    """Add the installs that only late events name, without a day of activity. A late event changes no other install."""
    ids = late.keys() - folded.installs.keys()
    if not ids:
        return
    marks = ", ".join("?" * len(ids))
    there = {row[0] for row in connection.execute(f"SELECT id FROM install WHERE id IN ({marks})", tuple(ids))}
    for install in sorted(ids - there):
        folded.installs[install] = late[install]
        folded.reported.add(install)


def write_events(connection: Connection, folded: FoldResult, rows: list[tuple[Any, ...]]) -> None:
    """Write the rows of events, and everything that their fold adds to installs, activity, errors and rollups."""
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
        if sums:
            connection.insert_many(rollup.table, *_sums(rollup, sums.items()))


def write_ledger(connection: Connection, batch: Batch, exceptions: dict[int, Receipt]) -> None:
    """Add the events of a batch to the ledger and to the tray of rejected events."""
    connection.insert_many(rollups.LEDGER.table, *_sums(rollups.LEDGER, ledger_of(batch, exceptions).items()))
    connection.insert_many(rollups.REFUSALS.table, *_sums(rollups.REFUSALS, batch.refusals.items()))
    rejected = [*batch.rejected, *refused(batch, exceptions)]
    rows_of_rejected = [tuple(getattr(row, name) for name in _REJECTED) for row in rejected]
    connection.insert_many(
        "rejected", statements.REJECTED_COLUMNS, rows_of_rejected, "ON CONFLICT DO NOTHING"
    )  # rejected again by a replay
    _trim_rejected(connection, rejected)


def _trim_rejected(connection: Connection, rejected: Sequence[RejectedRow]) -> None:
    """Delete rejected events that are older than a week or beyond the newest thousand of their project."""
    crowded = "SELECT id FROM rejected WHERE project_id = ? ORDER BY id DESC LIMIT 1 OFFSET ?"
    past = connection.sql.unlocked_keys("rejected", ("id",), f"project_id = ? AND (id < ? OR id <= ({crowded}))")
    for project in {row.project for row in rejected}:
        aged = first_id(received_at(rejected[-1].id) - REJECTED_LIFETIME)
        connection.execute(f"DELETE FROM rejected WHERE id IN ({past})", (project, aged, project, MAX_REJECTED_PER_PROJECT))
