"""The command `footfall`."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import rich_click as click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from server import __version__, logs, operations, serving
from server.settings import Settings, SettingsError, describe, load
from server.storage import projects
from server.storage.engine import Store, prepare_data_dir
from server.storage.migrations import StoreError
from server.storage.projects import ProjectError
from server.storage.sqlite.opening import upgrade
from server.storage.tables import ApiKey, Project
from server.tasks import in_thread
from server.terminal import err, fail, out, plain_table, settings_or_exit, with_store
from server.transfer import commands as transfer_commands

click.rich_click.TEXT_MARKUP = "markdown"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="footfall")
def main() -> None:
    """Self-hosted, privacy-first telemetry for command-line tools."""


@main.command()
@click.option("--host", help="The address to listen on (FOOTFALL_HOST).")
@click.option("--port", type=click.IntRange(1, 65535), help="The port to listen on (FOOTFALL_PORT).")
def serve(host: str | None, port: int | None) -> None:
    """Take events and answer questions, until stopped. Migrates the store first."""
    settings = settings_or_exit()
    settings = replace(settings, host=host or settings.host, port=port or settings.port)
    try:
        sys.exit(serving.serve(settings, out))
    except (StoreError, SettingsError) as error:
        fail(str(error))


@main.command(name="migrate")
def migrate_command() -> None:
    """Bring the store's tables up to date. `serve` does so by itself."""
    settings = settings_or_exit()
    try:
        # In a thread: a signal ends the statement under way, and the migration is rolled back.
        ran = asyncio.run(in_thread(lambda stopped: _migrate(settings, stopped)))
    except StoreError as error:
        fail(str(error))
    for name in ran:
        out.print(f"ran {name}")
    out.print(f"[green]✓[/green] {'the database' if settings.database_url else settings.sqlite_path} is up to date")


# What only one command wants is imported by it: `serve` starts half a second sooner.


def _migrate(settings: Settings, stopped: Callable[[], bool]) -> list[str]:
    if settings.database_url:
        from server.storage.postgres.opening import migrated  # noqa: PLC0415

        return migrated(settings.database_url, progress=err.print, stopped=stopped)
    prepare_data_dir(settings.data_dir)
    return upgrade(settings, progress=err.print, stopped=stopped)


def _settings_table(settings: Settings, values: str) -> Table:
    table = plain_table("setting", values, "meaning")
    for name, value, why in describe(settings):
        table.add_row(name, value, f"[dim]{why}[/dim]")
    return table


@main.command()
def doctor() -> None:
    """Say what is wrong and how to mend it; exits with 1 where something is."""
    from server.doctor import examine  # noqa: PLC0415

    try:
        settings = load(os.environ)
    except SettingsError as error:
        out.print(_settings_table(load({}), "default"))
        fail(str(error))
    out.print(_settings_table(settings, "value"))
    out.print()
    marks = {"ok": "[green]✓[/green]", "warning": "[yellow]![/yellow]", "problem": "[red]✗[/red]"}
    findings = asyncio.run(examine(settings))
    for finding in findings:
        out.print(f"{marks[finding.level]} {finding.message}", soft_wrap=True)
        if finding.fix:
            out.print(f"  [dim]→ {finding.fix}[/dim]", soft_wrap=True)
    sys.exit(any(finding.level == "problem" for finding in findings))


@main.command()
@click.option("--project", "slug", default="demo", show_default=True, help="The project to fill; it is made where there is none.")
@click.option("--days", type=click.IntRange(1, 30), default=30, show_default=True)
@click.option("--events", type=click.IntRange(1, 5_000_000), default=20_000, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed tells the same story.")
@click.option("--serve/--no-serve", "and_serve", default=False, help="Serve it then; a project that has events already is served as it is.")
def demo(slug: str, days: int, events: int, seed: int, and_serve: bool) -> None:
    """Fill a project with a month of believable events of all five families, the way real clients send them."""
    from server.demo import fill, held  # noqa: PLC0415

    settings = settings_or_exit()
    logs.configure(form=settings.log_format, level="warning")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        if and_serve and (already := asyncio.run(held(settings, slug))):
            out.print(f"{slug} has {already:,} events already; `footfall demo` adds another month")
            sys.exit(serving.serve(settings, out))
        with Progress(*columns, console=out) as bar:
            task = bar.add_task(f"filling {slug}", total=events)
            summary = asyncio.run(
                fill(
                    settings,
                    slug=slug,
                    days=days,
                    events=events,
                    seed=seed,
                    progress=lambda done, total: bar.update(task, completed=done, total=total),
                )
            )
    except (StoreError, ProjectError) as error:
        fail(str(error))
    out.print(f"[green]✓[/green] {summary}", soft_wrap=True)
    if and_serve:
        sys.exit(serving.serve(settings, out))


@main.group()
def project() -> None:
    """Projects: one for each tool whose telemetry is kept apart."""


@project.command(name="create")
@click.argument("slug")
@click.option("--name", default="", help="What people call it; the slug where it is left out.")
@click.option("--host", "hosts", multiple=True, help="A host name whose events are this project's; may be given several times.")
@click.option("--requires-key", is_flag=True, help="Take events with a key only.")
@click.option("--rate-limit", help="Requests from one address, as 10/minute; the server's own where it is left out.")
@click.option("--event-limit", help="Events from one address, as 1000/minute.")
def project_create(
    slug: str, name: str, hosts: tuple[str, ...], requires_key: bool, rate_limit: str | None, event_limit: str | None
) -> None:
    """Make a project. Its events come in under /p/SLUG/…, by its host, or with one of its keys."""
    with_store(
        lambda _store, _settings: projects.create_project(
            slug, name=name, hosts=hosts, requires_key=requires_key, rate_limit=rate_limit, event_limit=event_limit
        )
    )
    out.print(f"[green]✓[/green] project {slug}: clients post to /p/{slug}/v1/events")


@project.command(name="list")
def project_list() -> None:
    """Show all projects."""
    rows = with_store(_projects)
    table = plain_table("project", "name", "hosts", "wants a key", "keys")
    for row in rows:
        table.add_row(*row)
    out.print(table)


async def _projects(_store: Store, _settings: Settings) -> list[tuple[str, ...]]:
    rows = await Project.select().order_by(Project.id)
    keys = await ApiKey.select(ApiKey.project_id).where(ApiKey.revoked_at.is_null())
    return [
        (
            row["slug"],
            row["name"],
            ", ".join(projects.read_list(row["hosts"])) or "-",
            "yes" if row["requires_key"] else "no",
            str(sum(key["project_id"] == row["id"] for key in keys)),
        )
        for row in rows
    ]


@main.group()
def key() -> None:
    """Keys: for clients that must name their project, and for reading."""


@key.command(name="create")
@click.argument("slug", metavar="PROJECT")
@click.option("--scope", "scopes", multiple=True, type=click.Choice(projects.SCOPES), default=("ingest",), show_default=True)
@click.option("--name", default="", help="What it is for.")
@click.option("--rate-limit", help="Requests from one address with this key, as 600/minute.")
@click.option("--event-limit", help="Events from one address with this key, as 60000/minute.")
def key_create(slug: str, scopes: tuple[str, ...], name: str, rate_limit: str | None, event_limit: str | None) -> None:
    """Make a key and show it, this once: only its hash is kept."""

    async def work(_store: Store, _settings: Settings) -> tuple[int, str]:
        project_id = await projects.find_project(slug)
        return await projects.create_key(project_id, name=name, scopes=scopes, rate_limit=rate_limit, event_limit=event_limit)

    number, text = with_store(work)
    err.print(f"[green]✓[/green] key {number} for {slug} ({', '.join(scopes)}); it is shown this once:")
    click.echo(text)


@key.command(name="list")
@click.argument("slug", metavar="[PROJECT]", required=False)
def key_list(slug: str | None) -> None:
    """Show keys; never the keys themselves, which are not kept."""

    async def work(_store: Store, _settings: Settings) -> list[tuple[str, ...]]:
        slugs = {row["id"]: row["slug"] for row in await Project.select(Project.id, Project.slug)}
        wanted = await projects.find_project(slug) if slug else None
        rows = await ApiKey.select().order_by(ApiKey.id)
        return [
            (
                str(row["id"]),
                slugs.get(row["project_id"], "(all)"),
                row["hint"] + "…",
                ", ".join(projects.read_list(row["scopes"])),
                row["name"] or "-",
                datetime.fromtimestamp(row["last_used_at"] / 1000, UTC).strftime("%Y-%m-%d %H:%M") if row["last_used_at"] else "-",
                "revoked" if row["revoked_at"] else "in use",
            )
            for row in rows
            if wanted is None or row["project_id"] == wanted
        ]

    table = plain_table("key", "project", "begins", "scopes", "name", "last used", "state")
    for row in with_store(work):
        table.add_row(*row)
    out.print(table)


@key.command(name="revoke")
@click.argument("number", type=int, metavar="KEY")
def key_revoke(number: int) -> None:
    """Make a key useless, at once and for good. KEY is its number in `footfall key list`."""
    with_store(lambda _store, _settings: projects.revoke_key(number))
    out.print(f"[green]✓[/green] key {number} is revoked")


for command in (*operations.COMMANDS, *transfer_commands.COMMANDS):
    main.add_command(command)
