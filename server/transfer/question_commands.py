"""The commands `footfall question list`, `save`, `show` and `delete`."""

from __future__ import annotations

import shlex
import time
from datetime import UTC, datetime

import rich_click as click

from server.questions import saved, text
from server.questions.template import Template
from server.storage.projects import audit, saved_questions
from server.terminal import as_text, out, plain_table
from server.transfer.ask_command import question_options, template_of
from server.transfer.running import Opened, run

_PROJECT = click.argument("slug", metavar="PROJECT")
_NAME = click.argument("name", metavar="NAME")
_ACTOR = "command line"


@click.group(name="question")
def question_group() -> None:
    """Manage saved questions. `footfall ask PROJECT --saved NAME` answers one."""


@question_group.command(name="list")
@_PROJECT
def question_list(slug: str) -> None:
    """List the saved questions of a project."""
    table = plain_table("name", "changed", "question")
    for each in run(slug, lambda opened: saved_questions.list_saved(opened.store, opened.project.id)):
        changed = datetime.fromtimestamp(each.changed_at / 1000, UTC).strftime("%Y-%m-%d %H:%M")
        table.add_row(as_text(each.name), changed, as_text(_options(saved.template_of(each))))
    out.print(table)


@question_group.command(name="save")
@_PROJECT
@_NAME
@question_options
def question_save(slug: str, name: str, **words: str | tuple[str, ...] | None) -> None:
    """Save a question under a name, in the place of one that has it. The options are those of `footfall ask`.

    Periods such as `--last 7` and `--to-date week` move with the clock.
    """

    async def work(opened: Opened) -> None:
        template = template_of(words)
        text.question(template, opened.project.id, _now())  # its errors name the options
        stored = await saved.save(opened.store, opened.project.id, name, template, _now())
        await _record(opened, "question.save", f"question {stored.id}")

    run(slug, work)
    out.print("[green]✓[/green] saved")


@question_group.command(name="show")
@_PROJECT
@_NAME
def question_show(slug: str, name: str) -> None:
    """Show a saved question as a command."""
    template = run(slug, lambda opened: saved.find(opened.store, opened.project.id, name))
    click.echo(f"footfall ask {slug} {_options(template)}".rstrip())


@question_group.command(name="delete")
@_PROJECT
@_NAME
def question_delete(slug: str, name: str) -> None:
    """Delete a saved question."""

    async def work(opened: Opened) -> None:
        await saved_questions.delete(opened.store, opened.project.id, name)
        await _record(opened, "question.delete", "")

    run(slug, work)
    out.print("[green]✓[/green] deleted")


def _options(template: Template) -> str:
    """The options of `footfall ask` for a question."""
    given = text.written(template).items()
    return " ".join(f"--{name.replace('_', '-')} {shlex.quote(each)}" for name, texts in given for each in texts)


async def _record(opened: Opened, action: str, detail: str) -> None:
    await audit.record(opened.store, now=_now(), actor=_ACTOR, action=action, project=opened.project.id, detail=detail)


def _now() -> int:
    return time.time_ns() // 1_000_000
