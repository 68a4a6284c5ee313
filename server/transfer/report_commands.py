"""The commands `footfall ask funnel`, `retention` and `paths`, and the parts that `footfall ask` and `footfall question save` share with them."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import rich_click as click

from server.clock import epoch_ms
from server.questions.question import Audience
from server.questions.report_templates import AnyTemplate
from server.questions.report_text import REPEATED
from server.storage.projects import DEFAULT
from server.terminal import out, warn
from server.transfer.reports import REPORTS, Written, written_as
from server.transfer.running import Opened, run

FORMATS = ("table", "csv", "json", "jsonl")
Words = Mapping[str, str | tuple[str, ...] | None]  # the options that were given
Options = Callable[[Callable[..., None]], Callable[..., None]]
_PEOPLE = "Rank groups by the events of people, and show figures of people only. Files have the figures of both audiences."
_EVERYTHING = "Rank groups by all events, and show figures of all events. The default, except for saved questions about people."


def options_of(parameters: Mapping[str, str], repeated: tuple[str, ...]) -> Options:
    """Return a decorator that adds an option for each parameter of the text form."""

    def add(command: Callable[..., None]) -> Callable[..., None]:
        for name, about in reversed(list(parameters.items())):
            if name == "audience":
                command = click.option("--everything", name, flag_value=Audience.EVERYTHING.value, help=_EVERYTHING)(command)
                command = click.option("--people", name, flag_value=Audience.PEOPLE.value, help=_PEOPLE)(command)
                continue
            many = name in repeated
            option = click.option(f"--{name.replace('_', '-')}", name, multiple=many, help=f"{about}{'. Can be repeated' if many else ''}.")
            command = option(command)
        return command

    return add


def report_options(name: str) -> Options:
    """Return a decorator that adds an option for each parameter of a question or report."""
    return options_of(REPORTS[name].text.parameters, REPEATED)


def _answer_options(name: str) -> Options:
    def add(command: Callable[..., None]) -> Callable[..., None]:
        command = click.option("--format", "form", type=click.Choice(FORMATS), default="table", show_default=True)(command)
        return click.argument("slug", metavar="[PROJECT]", default=DEFAULT)(report_options(name)(command))

    return add


class DefaultGroup(click.RichGroup):
    """A group whose default command is `question`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, args if args and args[0] in self.commands else ["question", *args])


@click.command(name="funnel")
@_answer_options("funnel")
def funnel_command(slug: str, form: str, **words: Any) -> None:
    """Count the installs that complete each step. The server may keep running.

    A split uses the values of the first step: an install that upgrades stays in its row.

        footfall ask funnel mytool --step init --step build --step deploy --by version

        footfall ask funnel mytool --step init --step "built: name=build and outcome=success" --within 7d --order any
    """
    _answer("funnel", slug, words, form)


@click.command(name="retention")
@_answer_options("retention")
def retention_command(slug: str, form: str, **words: Any) -> None:
    """Show how many of the installs that began in each week return. The server may keep running.

    A split uses the values of the event with which an install begins: an install that upgrades stays in its row.

        footfall ask retention mytool --by os --last 90

        footfall ask retention mytool --over day --start init --return "name=build and outcome=success"
    """
    _answer("retention", slug, words, form)


@click.command(name="paths")
@_answer_options("paths")
def paths_command(slug: str, form: str, **words: Any) -> None:
    """Show which events follow an event, or precede it. The server may keep running.

    footfall ask paths mytool --event init --length 2

    footfall ask paths mytool --event "error_type exists" --direction before --within day --by os
    """
    _answer("paths", slug, words, form)


def template_of(name: str, words: Words) -> AnyTemplate:
    """Parse the options of a question or report. Raises BadQuery."""
    parameters = {each: [value] if isinstance(value, str) else list(value) for each, value in words.items() if value}
    found: AnyTemplate = REPORTS[name].text.parse(parameters)
    return found


def _answer(name: str, slug: str, words: Words, form: str) -> None:
    async def find(opened: Opened) -> AnyTemplate:
        return template_of(name, words)

    show(slug, find, form)


def show(slug: str, find: Callable[[Opened], Awaitable[AnyTemplate]], form: str) -> None:
    """Answer the question or report that `find` returns, and print it on standard output, its notes on standard error."""

    async def work(opened: Opened) -> tuple[Written[Any, Any], Any, Any]:
        template = await find(opened)
        report = written_as(template)
        question = report.text.at(template, opened.project.id, epoch_ms())
        async with opened.history() as history:
            return report, question, await report.ask(opened.store, question, history)

    report, question, answer = run(slug, work)
    if form == "table":
        out.print(report.table(question, answer))
    else:
        sys.stdout.buffer.write(report.file(question, answer, form))
        sys.stdout.buffer.flush()
    for note in report.notes(question, answer):
        warn(note)


REPORT_COMMANDS = (funnel_command, retention_command, paths_command)
