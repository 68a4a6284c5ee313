"""The `footfall ledger` command: the outcome of every event that arrived, and why some were not stored."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import rich_click as click

from server.analytics.ledger import LedgerDay, LimitedAddress, RejectedEvent, ledger, limited_addresses, rejected
from server.clock import epoch_ms, utc_day
from server.questions.periods import LONGEST, Period
from server.storage.engine import Store
from server.storage.projects import DEFAULT, find_project
from server.terminal import as_text, out, plain_table, with_store

COLUMNS = ("received", "stored", "duplicates", "rejected", "limited", "opted_out")
_NO_PROJECT = "-"  # events that named no existing project


class Found:
    """The data that the command prints."""

    def __init__(self, days: list[LedgerDay], refused: list[RejectedEvent], loudest: list[LimitedAddress]) -> None:
        self.days = days
        self.refused = refused
        self.loudest = loudest


@click.command(name="ledger")
@click.argument("slug", metavar="[PROJECT]", default=DEFAULT)
@click.option("--days", type=click.IntRange(1, LONGEST), default=14, show_default=True, help="The number of days, including today.")
@click.option("--rejected", "show", is_flag=True, help="Also show the last rejected events and their errors.")
@click.option("--limit", type=click.IntRange(1, 1_000), default=20, show_default=True, help="The number of rejected events, newest first.")
def ledger_command(slug: str, days: int, show: bool, limit: int) -> None:
    """Show the outcome of a project's events by day: received = stored + duplicates + rejected + limited + opted out.

    PROJECT defaults to `default`; `-` stands for events that name no existing project.

    Opted out counts events that were sent with the header DNT: 1 or Sec-GPC: 1, as browsers do. A command-line tool sends nothing for users who
    opted out, so no column counts them.
    """

    async def work(store: Store, _: object) -> Found:
        number = await _number(slug)
        period = Period.last_days(days, epoch_ms())
        refused = await rejected(store, number, limit=limit) if show else []
        return Found(await ledger(store, number, period), refused, await limited_addresses(store, number, period, limit=5))

    found = with_store(work)
    _print_days(found.days)
    _print_reasons(found)
    for event in found.refused:
        _print_rejected(event)


async def _number(slug: str) -> int:
    return 0 if slug == _NO_PROJECT else await find_project(slug)


def _print_days(days: list[LedgerDay]) -> None:
    table = plain_table("day", *(name.replace("_", " ") for name in COLUMNS))
    for column in table.columns[1:]:
        column.justify = "right"
    for day in reversed(days):
        table.add_row(utc_day(day.start), *(f"{getattr(day, name):,}" for name in COLUMNS), style=None if day.received else "dim")
    table.add_row(f"{len(days)} days", *(f"{sum(getattr(day, name) for day in days):,}" for name in COLUMNS), style="bold")
    out.print(table)


def _print_reasons(found: Found) -> None:
    reasons: Counter[str] = Counter()
    for day in found.days:
        reasons.update(day.reasons)
    if reasons:
        out.print("\n[bold]why[/bold]")
        for reason, events in reasons.most_common():
            entry, _, why = reason.partition(":")
            out.print(f"  {events:>9,}  {entry}: {as_text(why.replace('_', ' '))}")
    if found.loudest:
        out.print("\n[bold]most limited addresses[/bold], as hashes that change every day")
        for address in found.loudest:
            who = f"{address.address & 0xFFFF_FFFF_FFFF_FFFF:016x}" if address.address else "many addresses"
            out.print(f"  {address.events:>9,}  {utc_day(address.start)}  {who}")


def _print_rejected(event: RejectedEvent) -> None:
    at = datetime.fromtimestamp(event.at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    out.print(
        f"\n[bold]{at} UTC[/bold]  {as_text(event.route)}  {event.dialect or '-'}  {event.reason.replace('_', ' ')}, {event.size:,} bytes"
    )
    for error in event.errors:
        out.print(f"  {as_text(error.path)}: {as_text(error.message)}", soft_wrap=True)
    out.print(f"  [dim]{as_text(event.excerpt)}[/dim]", soft_wrap=True)


COMMANDS: tuple[click.Command, ...] = (ledger_command,)
