"""The `footfall` command."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from dataclasses import replace

import rich_click as click
from rich.progress import MofNCompleteColumn
from rich.table import Table

from server import __version__, logs, operations, serving
from server.clock import utc_minute
from server.settings import Settings, SettingsError, describe, load
from server.storage import projects
from server.storage.engine import Store, prepare_data_dir
from server.storage.projects import project_changes
from server.storage.sqlite.opening import upgrade
from server.storage.tables import ApiKey
from server.tasks import in_thread
from server.terminal import err, exit_on_error, fail, out, plain_table, print_secret, progress_bar, settings_or_exit, succeed, with_store
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
    """Run the server until it is stopped. Migrates the store first."""
    settings = settings_or_exit()
    settings = replace(settings, host=host or settings.host, port=port or settings.port)
    with exit_on_error():
        sys.exit(serving.serve(settings, out))


@main.command(name="migrate")
def migrate_command() -> None:
    """Migrate the store to this version. `serve` does this at start."""
    settings = settings_or_exit()
    with exit_on_error():
        # In a thread: a signal cancels the current statement, and the migration rolls back.
        ran = asyncio.run(in_thread(lambda stopped: _migrate(settings, stopped)))
    for name in ran:
        out.print(f"ran {name}")
    succeed(f"{'the database' if settings.database_url else settings.sqlite_path} is up to date")


# Imports that only one command needs are local: `serve` starts half a second sooner.


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
    """Check the installation and suggest fixes. Exits with 1 if it finds a problem."""
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
@click.option("--project", "slug", default="demo", show_default=True, help="The project to fill; created if it does not exist.")
@click.option("--days", type=click.IntRange(1, 30), default=30, show_default=True)
@click.option("--events", type=click.IntRange(1, 5_000_000), default=20_000, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="The seed of the random generator, for reproducible data.")
@click.option(
    "--serve/--no-serve",
    "and_serve",
    default=False,
    help="Start the server afterwards. A project that already has events is not filled again.",
)
def demo(slug: str, days: int, events: int, seed: int, and_serve: bool) -> None:
    """Fill a project with a month of realistic events from all five client families."""
    from server.demo import fill, held  # noqa: PLC0415

    settings = settings_or_exit()
    logs.configure(form=settings.log_format, level="warning")
    with exit_on_error():
        if and_serve and (already := asyncio.run(held(settings, slug))):
            out.print(f"{slug} already has {already:,} events; `footfall demo` without --serve adds another month")
            sys.exit(serving.serve(settings, out))
        with progress_bar(MofNCompleteColumn(), console=out) as bar:
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
    succeed(str(summary))
    if and_serve:
        sys.exit(serving.serve(settings, out))


@main.group()
def project() -> None:
    """Manage projects. Each project keeps the telemetry of one tool."""


@project.command(name="create")
@click.argument("slug")
@click.option("--name", default="", help="The display name; defaults to the slug.")
@click.option("--host", "hosts", multiple=True, help="A host name whose events belong to this project; can be repeated.")
@click.option(
    "--site",
    "sites",
    multiple=True,
    help="A domain (Plausible) or website id (Umami) whose events belong to this project; can be repeated.",
)
@click.option("--requires-key", is_flag=True, help="Accept only events that are sent with a key.")
@click.option("--rate-limit", help="Requests per client address, such as 10/minute; defaults to the server's limit.")
@click.option("--event-limit", help="Events per client address, such as 1000/minute.")
def project_create(
    slug: str,
    name: str,
    hosts: tuple[str, ...],
    sites: tuple[str, ...],
    requires_key: bool,
    rate_limit: str | None,
    event_limit: str | None,
) -> None:
    """Create a project. Clients reach it under /p/SLUG/…, by its host name, or with one of its keys."""

    async def work(_store: Store, _settings: Settings) -> None:
        await project_changes.validate(0, sites=sites)  # before creating it
        number = await projects.create_project(
            slug, name=name, hosts=hosts, requires_key=requires_key, rate_limit=rate_limit, event_limit=event_limit
        )
        await project_changes.change(number, sites=sites)

    with_store(work, creates=True)
    succeed(f"project {slug}: clients post to /p/{slug}/v1/events")


@project.command(name="site")
@click.argument("slug", metavar="PROJECT")
@click.argument("site")
@click.option("--remove", is_flag=True, help="Remove the site from the list: refuse its events.")
def project_site(slug: str, site: str, remove: bool) -> None:
    """Accept events of a site without a key. SITE is a domain (Plausible) or a website id (Umami)."""

    async def work(_store: Store, _settings: Settings) -> None:
        number = await projects.find_project(slug)
        stored = await project_changes.stored_project(slug)
        others = [name for name in (stored.sites if stored else []) if name != site.strip().lower()]
        await project_changes.change(number, sites=others if remove else [*others, site])

    with_store(work)
    succeed(f"project {slug} {'no longer accepts' if remove else 'accepts'} events of {site}")


@project.command(name="list")
def project_list() -> None:
    """List all projects."""
    rows = with_store(_projects)
    table = plain_table("project", "name", "hosts", "requires key", "keys")
    for row in rows:
        table.add_row(*row)
    out.print(table)


async def _projects(_store: Store, _settings: Settings) -> list[tuple[str, ...]]:
    stored = sorted(await project_changes.list_projects(archived=True), key=lambda each: each.id)
    keys = await ApiKey.select(ApiKey.project_id).where(ApiKey.revoked_at.is_null())
    return [
        (
            each.slug,
            each.name,
            ", ".join(each.hosts) or "-",
            "yes" if each.requires_key else "no",
            str(sum(key["project_id"] == each.id for key in keys)),
        )
        for each in stored
    ]


@main.group()
def key() -> None:
    """Manage API keys: for sending events to a project and for reading its data."""


@key.command(name="create")
@click.argument("slug", metavar="PROJECT")
@click.option("--scope", "scopes", multiple=True, type=click.Choice(projects.SCOPES), default=("ingest",), show_default=True)
@click.option("--name", default="", help="A label for the key.")
@click.option("--rate-limit", help="Requests per client address with this key, such as 600/minute.")
@click.option("--event-limit", help="Events per client address with this key, such as 60000/minute.")
@click.option("--client-key", help="Adopt a key of another system, such as phc_…, instead of a new one.")
def key_create(
    slug: str, scopes: tuple[str, ...], name: str, rate_limit: str | None, event_limit: str | None, client_key: str | None
) -> None:
    """Create a key and print it once. The server stores only its hash."""

    async def work(_store: Store, _settings: Settings) -> tuple[int, str]:
        project_id = await projects.find_project(slug)
        return await projects.create_key(
            project_id, name=name, scopes=scopes, rate_limit=rate_limit, event_limit=event_limit, client_key=client_key
        )

    number, text = with_store(work, creates=True)
    print_secret(f"key {number} for {slug} ({', '.join(scopes)}), shown only once:", text)


@key.command(name="list")
@click.argument("slug", metavar="[PROJECT]", required=False)
def key_list(slug: str | None) -> None:
    """List keys. The keys themselves cannot be shown: only their hashes are stored."""

    async def work(_store: Store, _settings: Settings) -> list[tuple[str, ...]]:
        slugs = {each.id: each.slug for each in await project_changes.list_projects(archived=True)}
        wanted = await projects.find_project(slug) if slug else None
        return [
            (
                str(each.id),
                slugs.get(each.project, "(all)"),
                each.hint + "…",
                ", ".join(each.scopes),
                each.name or "-",
                utc_minute(each.last_used_at) if each.last_used_at else "-",
                "revoked" if each.revoked_at else "in use",
            )
            for each in await project_changes.list_keys(wanted)
        ]

    table = plain_table("key", "project", "begins", "scopes", "name", "last used", "state")
    for row in with_store(work):
        table.add_row(*row)
    out.print(table)


@key.command(name="revoke")
@click.argument("number", type=int, metavar="KEY")
def key_revoke(number: int) -> None:
    """Revoke a key immediately and permanently. KEY is its number in `footfall key list`."""
    with_store(lambda _store, _settings: projects.revoke_key(number))
    succeed(f"key {number} is revoked")


for command in (*operations.COMMANDS, *transfer_commands.COMMANDS):
    main.add_command(command)
