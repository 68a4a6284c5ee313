"""The `footfall copy` command, which copies a SQLite store to PostgreSQL. Registered by `server.cli`."""

from __future__ import annotations

import rich_click as click
from rich.markup import escape
from rich.progress import MofNCompleteColumn

from server.terminal import exit_on_error, fail, out, plain_table, progress_bar, settings_or_exit, succeed

_SCHEMES = ("postgresql://", "postgres://")


@click.command(name="copy")
@click.option("--to", "url", required=True, metavar="URL", help="postgresql://user@host/database. The password can be set in PGPASSWORD.")
def copy_command(url: str) -> None:
    """Copy the SQLite store in the data folder to PostgreSQL while the server runs.

    Each run copies a snapshot; a later run copies only what is new. To move to PostgreSQL: copy, stop the server, copy again (this is
    quick), then start servers with FOOTFALL_DATABASE_URL and the same FOOTFALL_SECRET. Once these servers have stored events, the command
    refuses to overwrite the target.
    """
    from server.storage.copies import postgres_copy  # noqa: PLC0415 - loads the database drivers, which no other command needs

    settings = settings_or_exit()
    if not url.startswith(_SCHEMES):
        fail("--to must be a postgresql:// URL")
    with exit_on_error(postgres_copy.CopyError), progress_bar(MofNCompleteColumn(), transient=True) as bar:
        task = bar.add_task("counting", total=None)
        moved = postgres_copy.copy_to_postgres(
            settings, url, progress=lambda what, done, total: bar.update(task, description=what, completed=done, total=total)
        )
    table = plain_table("table", "rows")
    for name, rows in sorted(moved.rows.items()):
        if rows:
            table.add_row(name, f"{rows:,}")
    out.print(table)
    succeed(
        f"{moved.rows['event']:,} events in the target, {moved.copied:,} of them copied now; the row counts and column totals of all"
        " tables match"
    )
    if settings.secret:
        out.print("  start its servers with the same FOOTFALL_SECRET, or no install will be recognized", soft_wrap=True)
    else:
        out.print(
            f"  start its servers with the content of {escape(str(settings.data_dir / 'secret'))} as FOOTFALL_SECRET, or no install will be"
            " recognized",
            soft_wrap=True,
        )


COMMANDS: tuple[click.Command, ...] = (copy_command,)
