"""The command that brings a SQLite store over to PostgreSQL. Registered by `server.cli`."""

from __future__ import annotations

import rich_click as click
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from server.terminal import err, fail, out, plain_table, settings_or_exit

_SCHEMES = ("postgresql://", "postgres://")


@click.command(name="copy")
@click.option("--to", "url", required=True, metavar="URL", help="postgresql://user@host/database; a password may come from PGPASSWORD.")
def copy_command(url: str) -> None:
    """Bring the SQLite store in the data folder over to PostgreSQL, while it serves.

    What is brought is the store at one moment; done again, it brings what came since. To move: copy, stop the server, copy once more (which
    is quick now), start servers with FOOTFALL_DATABASE_URL and the same FOOTFALL_SECRET. Once these have taken events, the target is no copy
    any more, and is not written over.
    """
    from server.storage.copies import postgres_copy  # noqa: PLC0415 - and with it the drivers, for which no other command should wait

    settings = settings_or_exit()
    if not url.startswith(_SCHEMES):
        fail("--to wants postgresql://…")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=err, transient=True) as bar:
            task = bar.add_task("counting", total=None)
            moved = postgres_copy.copy_to_postgres(
                settings, url, progress=lambda what, done, total: bar.update(task, description=what, completed=done, total=total)
            )
    except postgres_copy.CopyError as error:
        fail(str(error))
    table = plain_table("table", "rows")
    for name, rows in sorted(moved.rows.items()):
        if rows:
            table.add_row(name, f"{rows:,}")
    out.print(table)
    out.print(
        f"[green]✓[/green] {moved.rows['event']:,} events are there, {moved.brought:,} of them brought now; rows and sums of all tables were"
        " counted on both sides and agree",
        soft_wrap=True,
    )
    if settings.secret:
        out.print("  servers on it need the FOOTFALL_SECRET of this one, or no install will be recognised again", soft_wrap=True)
    else:
        out.print(
            f"  servers on it need what is in {escape(str(settings.data_dir / 'secret'))} as their FOOTFALL_SECRET, or no install will be"
            " recognised again",
            soft_wrap=True,
        )
