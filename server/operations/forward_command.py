"""The `footfall forward` command: shadow mode, and the comparison of both systems."""

from __future__ import annotations

import rich_click as click

from server.clock import epoch_ms, utc_day
from server.event import DAY
from server.jobs.forwarding import check_target
from server.storage.engine import Store
from server.storage.projects import find_project, project_changes
from server.storage.upkeep import forwarded_counts
from server.storage.upkeep.forwarded_counts import COUNTS, ForwardedCounts
from server.terminal import as_text, fail, out, plain_table, succeed, with_store


@click.command(name="forward")
@click.argument("slug", metavar="PROJECT")
@click.option("--to", "url", metavar="URL", help="The address to forward to, such as https://us.i.posthog.com.")
@click.option("--stop", is_flag=True, help="Stop forwarding.")
@click.option("--days", type=click.IntRange(1, 366), default=14, show_default=True, help="The number of days to compare, including today.")
def forward_command(slug: str, url: str | None, stop: bool, days: int) -> None:
    """Forward the requests of SDKs to the system that Footfall replaces, and compare the counts of both.

    Without `--to` and `--stop`, print the counts by day. Clients never wait for the other system.
    """
    if url and stop:
        fail("--to and --stop cannot be combined")
    last = epoch_ms() // DAY

    async def work(store: Store, _: object) -> tuple[str | None, dict[int, ForwardedCounts]]:
        number = await find_project(slug)
        if url or stop:
            await project_changes.change(number, forward_to=check_target(url))
        project = await project_changes.stored_project(slug)
        return project.forward_to if project else None, await forwarded_counts.by_day(store, number, last - days + 1, last)

    target, counts = with_store(work)
    if target:
        succeed(f"{slug} forwards to {target}")
    else:
        out.print(f"{slug} does not forward")
    if not url and not stop:
        _print(counts)


def _print(counts: dict[int, ForwardedCounts]) -> None:
    table = plain_table("day", *COUNTS, "last failure")
    for column in table.columns[1:-1]:
        column.justify = "right"
    for day in sorted(counts, reverse=True):
        count = counts[day]
        table.add_row(utc_day(day * DAY), *(f"{getattr(count, name):,}" for name in COUNTS), as_text(count.error or "-"))
    out.print(table)


COMMANDS: tuple[click.Command, ...] = (forward_command,)
