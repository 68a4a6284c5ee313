"""The commands `footfall ask funnel`, `retention` and `paths`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

import rich_click as click

from server.clock import epoch_ms
from server.questions.report_text import REPEATED
from server.storage.projects import DEFAULT
from server.terminal import out, warn
from server.transfer.reports import REPORTS
from server.transfer.running import Opened, run

FORMATS = ("table", "csv", "json", "jsonl")
Options = Callable[[Callable[..., None]], Callable[..., None]]


def options_of(parameters: Mapping[str, str], repeated: tuple[str, ...]) -> Options:
    """Return a decorator that adds an option for each parameter of the text form."""

    def add(command: Callable[..., None]) -> Callable[..., None]:
        for name, about in reversed(list(parameters.items())):
            many = name in repeated
            option = click.option(f"--{name.replace('_', '-')}", name, multiple=many, help=f"{about}{'. Can be repeated' if many else ''}.")
            command = option(command)
        return command

    return add


def _report_options(name: str) -> Options:
    def add(command: Callable[..., None]) -> Callable[..., None]:
        command = click.option("--format", "form", type=click.Choice(FORMATS), default="table", show_default=True)(command)
        command = click.option("--people", is_flag=True, help="Show the figures of people only. Files have both.")(command)
        command = options_of(REPORTS[name].text.parameters, REPEATED)(command)
        return click.argument("slug", metavar="[PROJECT]", default=DEFAULT)(command)

    return add


@click.command(name="funnel")
@_report_options("funnel")
def funnel_command(slug: str, people: bool, form: str, **words: Any) -> None:
    """Count the installs that complete each step. The server may keep running.

    A split uses the values of the first step: an install that upgrades stays in its row.

        footfall ask funnel mytool --step init --step build --step deploy --by version

        footfall ask funnel mytool --step init --step "built: name=build and outcome=success" --within 7d --order any
    """
    _answer("funnel", slug, words, form, people=people)


@click.command(name="retention")
@_report_options("retention")
def retention_command(slug: str, people: bool, form: str, **words: Any) -> None:
    """Show how many of the installs that began in each week return. The server may keep running.

    A split uses the values of the event with which an install begins: an install that upgrades stays in its row.

        footfall ask retention mytool --by os --last 90

        footfall ask retention mytool --over day --start init --return "name=build and outcome=success"
    """
    _answer("retention", slug, words, form, people=people)


@click.command(name="paths")
@_report_options("paths")
def paths_command(slug: str, people: bool, form: str, **words: Any) -> None:
    """Show which events follow an event, or precede it. The server may keep running.

    footfall ask paths mytool --event init --length 2

    footfall ask paths mytool --event "error_type exists" --direction before --within day --by os
    """
    _answer("paths", slug, words, form, people=people)


def _answer(name: str, slug: str, words: dict[str, Any], form: str, *, people: bool) -> None:
    """Answer a report, and print it on standard output, its notes on standard error."""
    report = REPORTS[name]

    async def work(opened: Opened) -> tuple[Any, Any]:
        given = {name: [value] if isinstance(value, str) else list(value) for name, value in words.items() if value}
        asked = report.text.parse(given, opened.project.id, epoch_ms())
        async with opened.history() as history:
            return asked, await report.ask(opened.store, asked, history)

    asked, answer = run(slug, work)
    if form == "table":
        out.print(report.table(asked, answer, people))
    else:
        sys.stdout.buffer.write(report.file(asked, answer, form))
        sys.stdout.buffer.flush()
    for note in report.notes(asked, answer):
        warn(note)


REPORT_COMMANDS = (funnel_command, retention_command, paths_command)
