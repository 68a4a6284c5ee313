"""Commands for maintenance: jobs, backups, alerts. Registered by `server.cli`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import rich_click as click
from rich.markup import escape
from rich.progress import DownloadColumn

from server import logs
from server.clock import epoch_ms, utc_minute
from server.event import DAY
from server.event_id import received_at
from server.jobs import JOBS, Job, Outcome, Run, Runner, find, rules
from server.jobs.question_alerts import KINDS as QUESTION_KINDS
from server.jobs.question_alerts import threshold_of
from server.jobs.rules import Draft, Tried
from server.jobs.webhooks import Webhooks
from server.settings import Settings
from server.storage.copies.restore import restore
from server.storage.engine import Store
from server.storage.sqlite import backups
from server.storage.sqlite.backups import BackupError, BackupOptions
from server.storage.upkeep import job_runs
from server.storage.upkeep.alert_rules import Kind
from server.storage.upkeep.job_runs import JobRunRecord
from server.terminal import exit_on_error, fail, out, plain_table, print_secret, progress_bar, settings_or_exit, succeed, warn, with_store

_MARKS = {"done": "[green]✓[/green]", "failed": "[red]✗[/red]", "interrupted": "[yellow]![/yellow]", "running": "…"}
_LARGE = 32 << 20  # bytes; smaller copies need no progress bar


@click.command(name="job")
@click.argument("name", required=False)
@click.option("--repair", is_flag=True, help="check_rollups: correct the rows that differ.")
@click.option("--mend", "old_repair", is_flag=True, hidden=True)  # the old name of --repair
@click.option("--day", type=click.DateTime(["%Y-%m-%d"]), help="check_rollups: check only this day (UTC).")
def job_command(name: str | None, repair: bool, old_repair: bool, day: datetime | None) -> None:
    """Run the job NAME now, or list all jobs. The server runs each job on its schedule."""
    if name is None:
        _list_jobs()
        return
    job = find(name)
    if job is None:
        fail(f"job {name} does not exist; the jobs are {', '.join(each.name for each in JOBS)}")
    if (repair or old_repair or day) and job.name != "check_rollups":
        fail("--repair and --day only apply to check_rollups")
    outcome = with_store(lambda store, settings: _run(job, store, settings, repair or old_repair, day))
    if outcome.became == "busy":
        fail(f"{job.name} is already running, in {outcome.detail or 'another process'}")
    if outcome.became != "done":
        fail(f"{job.name}: {outcome.detail}")
    succeed(f"{job.name}: {outcome.detail}")


async def _run(job: Job, store: Store, settings: Settings, repair: bool, day: datetime | None) -> Outcome:
    logs.configure(form=settings.log_format, level="warning")
    since_1970 = None if day is None else int(day.replace(tzinfo=UTC).timestamp() * 1000) // DAY
    run = Run(store, settings, by_hand=True, repair=repair, day=since_1970)
    task = asyncio.ensure_future(Runner(run).run(job))
    # On SIGTERM, release the lease and report the run as interrupted.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        return Outcome("interrupted", "it was stopped")


def _list_jobs() -> None:
    ran = with_store(lambda store, _: job_runs.last(store))
    table = plain_table("job", "last run", "took", "result", "next", "what it does")
    now = epoch_ms()
    for job in JOBS:
        last = ran.get(job.name)
        began = _moment(last.started_at) if last else "never"
        next_ = "when a server runs" if last is None else _moment(job.period_of(now) + job.period)
        table.add_row(job.name, began, _took(last), _result(last), next_, f"[dim]{job.about}[/dim]")
    out.print(table)


def _result(ran: JobRunRecord | None) -> str:
    return "-" if ran is None else f"{_MARKS.get(ran.result, '')} {escape(ran.detail or ran.result)}"


def _took(ran: JobRunRecord | None) -> str:
    return "-" if ran is None or ran.ended_at is None else f"{(ran.ended_at - ran.started_at) / 1000:.1f} s"


def _moment(at: int) -> str:
    return f"{utc_minute(at)} UTC"


@click.command(name="backup")
@click.option("--to", help="A file, or a folder that exists or ends with a slash. Defaults to `backups` in the data folder.")
def backup_command(to: str | None) -> None:
    """Back up the store and its secret, and verify the copy. The server may keep running."""
    settings = settings_or_exit()
    if settings.database_url:
        fail("use PostgreSQL's own tools for backups: pg_dump --format=custom --file=footfall.dump with the URL of FOOTFALL_DATABASE_URL")
    size = settings.sqlite_path.stat().st_size if settings.sqlite_path.exists() else 0
    with exit_on_error(BackupError), _Bar(size) as bar:
        made = backups.create(settings, _target(to), options=BackupOptions(progress=bar.show))
    newest = "" if made.newest is None else f", the newest from {_moment(received_at(made.newest))}"
    succeed(f"{made.path}: {made.events:,} events{newest}, verified")
    if made.secret:
        out.print(
            f"  the secret is beside it, in {escape(made.secret.name)}: keep the two together, in a place that only you can read",
            soft_wrap=True,
        )
    else:
        out.print(
            "  the backup does not contain FOOTFALL_SECRET: keep it too, or no install will be recognized after a restore", soft_wrap=True
        )


def _target(to: str | None) -> Path | None:
    """Parse `--to`, and create the folder if it ends with a slash."""
    if to is None:
        return None
    path = Path(to)
    if to.endswith(os.sep):
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            fail(f"the folder {path} cannot be created: {error.strerror}")
    return path


@click.command(name="restore")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--to", type=click.Path(file_okay=False, path_type=Path), help="The data folder, created if missing. Defaults to FOOTFALL_DATA_DIR."
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def restore_command(file: Path, to: Path | None, yes: bool) -> None:
    """Replace the store with the backup FILE. Stop the server first. The current store is moved aside, not deleted."""
    settings = settings_or_exit()
    if settings.database_url:
        fail("use PostgreSQL's own tools to restore: stop the servers, then run pg_restore --clean --if-exists --dbname=URL footfall.dump")
    if to is not None:
        settings = replace(settings, data_dir=to)
    if not yes:
        _confirm(settings, file)
    size = file.stat().st_size if file.exists() else 0
    with exit_on_error(BackupError), _Bar(size) as bar:
        restored = restore(settings, file, options=BackupOptions(progress=bar.show))
    succeed(f"{file} restored: {restored.backup.events:,} events")
    for path in restored.aside:
        out.print(f"  the previous file is now {escape(str(path))}", soft_wrap=True)
    out.print(f"  {escape(restored.recognition)}", soft_wrap=True)
    if restored.warning:
        warn(restored.warning)


def _confirm(settings: Settings, file: Path) -> None:
    if not sys.stdin.isatty():
        fail("this replaces the store: pass --yes to confirm without a terminal")
    if not click.confirm(f"Replace {settings.sqlite_path} with {file}?"):
        fail("nothing was changed")


class _Bar:
    """A progress bar for large files."""

    def __init__(self, size: int) -> None:
        self._progress = progress_bar(DownloadColumn(), transient=True, disable=size < _LARGE)
        self._task = self._progress.add_task("copying", total=size)

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, what: str, done: int, total: int) -> None:
        self._progress.update(self._task, description=what, completed=done, total=total)


@click.group(name="alert")
def alert_group() -> None:
    """Manage alerts: rules that notify a webhook of unusual events."""


@alert_group.command(name="create")
@click.argument("slug", metavar="PROJECT")
@click.option("--kind", type=click.Choice([kind.value for kind in Kind]), required=True, help="The condition to watch.")
@click.option("--url", required=True, help="The webhook: https://…")
@click.option("--name", default="", help="The display name.")
@click.option(
    "--threshold",
    type=float,
    help="In percent; of question_above and question_below in the unit of the figure. Defaults to 20 for failure_rate, 50 "
    "for volume_drop and question_change, 200 for volume_spike.",
)
@click.option("--window", type=int, default=60, show_default=True, help="Minutes to evaluate, rounded up to full hours.")
@click.option("--minimum", type=int, default=20, show_default=True, help="The fewest events that can raise an alert.")
@click.option("--cooldown", type=int, default=60, show_default=True, help="Minutes between two alerts of this rule.")
@click.option("--secret", help="The key that signs the alerts; generated by default.")
@click.option("--question", help="The saved question or funnel that the rule watches, for the kinds that begin with question.")
def alert_create(
    slug: str,
    kind: str,
    url: str,
    name: str,
    threshold: float | None,
    window: int,
    minimum: int,
    cooldown: int,
    secret: str | None,
    question: str | None,
) -> None:
    """Create a rule and print the secret that signs its alerts."""
    draft = Draft(Kind(kind), url, name, threshold, window, minimum, cooldown, secret, question)
    number, made = with_store(lambda store, settings: rules.create(store, slug, draft, now=epoch_ms(), private=settings.alert_private))
    print_secret(f"rule {number} for {slug}; `footfall alert try {number}` sends a test. The secret that signs its alerts:", made)


@alert_group.command(name="list")
@click.argument("slug", metavar="[PROJECT]", required=False)
def alert_list(slug: str | None) -> None:
    """List rules with the status of their last alert. Only the hosts of webhooks are shown, since their paths are often secret."""
    table = plain_table("rule", "project", "name", "kind", "threshold", "window", "cooldown", "webhook", "last alert")
    for rule, last in with_store(lambda store, _: rules.listed(store)):
        if slug in (None, rule.slug):
            threshold, cooldown = threshold_of(rule) or "-", f"{rule.cooldown_minutes:,} min"
            window = "-" if rule.kind in QUESTION_KINDS else f"{rule.window_minutes:,} min"
            state = "never" if last is None else f"{_moment(last.created_at)}: {last.status} {last.last_error or ''}".rstrip()
            table.add_row(
                *(str(rule.id), rule.slug, escape(rule.name), rule.kind.value, threshold, window, cooldown),
                *(escape(rules.host_of(rule)), escape(state)),
            )
    out.print(table)


@alert_group.command(name="delete")
@click.argument("number", type=int, metavar="RULE")
def alert_delete(number: int) -> None:
    """Delete a rule and the record of its alerts."""
    with_store(lambda store, _: rules.delete(store, number))
    succeed(f"rule {number} is deleted")


@alert_group.command(name="try")
@click.argument("number", type=int, metavar="RULE")
def alert_try(number: int) -> None:
    """Evaluate a rule now and send a test to its webhook."""

    async def work(store: Store, settings: Settings) -> Tried:
        return await rules.try_rule(store, number, Webhooks(private=settings.alert_private), now=epoch_ms())

    tried = with_store(work)
    out.print(f"finding: {escape(tried.finding.message)}" if tried.finding else "the rule finds nothing at the moment", soft_wrap=True)
    if tried.delivered.error is not None:
        fail(f"the test was not delivered: {tried.delivered.error}")
    succeed(f"the test was delivered: the webhook answered {tried.delivered.answered}")


COMMANDS: tuple[click.Command, ...] = (job_command, backup_command, restore_command, alert_group)
