"""The command `footfall ask`: any question, or one of the reports."""

from __future__ import annotations

import sys

import rich_click as click

from server.clock import epoch_ms
from server.questions import saved, text
from server.questions.answer import Answer
from server.questions.ask import ask
from server.questions.question import Question
from server.questions.template import Template
from server.storage.projects import DEFAULT
from server.terminal import fail, out, warn
from server.transfer import ask_table
from server.transfer.answer_rows import as_json, flat
from server.transfer.exporting import table
from server.transfer.report_commands import FORMATS, REPORT_COMMANDS, options_of
from server.transfer.running import Opened, run

question_options = options_of(text.PARAMETERS, text.REPEATED)
"""Add an option for each parameter of a question."""


def template_of(words: dict[str, str | tuple[str, ...] | None]) -> Template:
    """Parse the options of `question_options`. Raises BadQuery."""
    given = {name: [value] if isinstance(value, str) else list(value) for name, value in words.items() if value}
    return text.parse(given)


class _Ask(click.RichGroup):
    """A group whose default command is `question`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, args if args and args[0] in self.commands else ["question", *args])


@click.command(name="question")
@click.argument("slug", metavar="[PROJECT]", default=DEFAULT)
@question_options
@click.option("--saved", "saved_name", metavar="NAME", help="Answer a saved question; cannot be combined with the options above.")
@click.option("--people", is_flag=True, help="Show the figures of people only. Files have both.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="table", show_default=True)
def question_command(slug: str, saved_name: str | None, people: bool, form: str, **words: str | tuple[str, ...] | None) -> None:
    """Answer a question about a project's events. The server may keep running.

    Installs of the last 30 days by operating system:

        footfall ask mytool --measure installs --by os

    The failure rate of builds on Windows since Monday, by day, beside last week's:

        footfall ask mytool --measure failure_rate --where "name=build and os=windows" --to-date week --over day --compare previous

    The median and the 95th percentile of build times by minor version, from 2.7 on:

        footfall ask mytool --measure p50,p95 --where name=build --where "version~>=2.7" --by version.minor --first 5

    Two groups of installs side by side, as CSV:

        footfall ask mytool --measure events,installs --segment "windows: os=windows" --segment "ci: environment=ci" --format csv

    Errors of October by type and theme, a property of the events:

        footfall ask mytool --where "error_type exists" --by error_type,properties.theme --from 2026-10-01 --to 2026-11-01

    Conditions are `os=linux,windows`, `os!=windows`, `error_type exists`, `target missing`, `target^=pkg-` (begins with),
    `properties.theme*=dark` (contains), `version~>=2.7 <3` and `duration_ms>1000`; ` and ` joins them. See docs/questions.md.

    `footfall ask funnel`, `footfall ask retention` and `footfall ask paths` answer reports; each has its own `--help`. For a project
    with one of these names, use `footfall ask question NAME`.
    """
    if saved_name and any(words.values()):
        fail("--saved cannot be combined with the options of a question")

    async def work(opened: Opened) -> tuple[Question, Answer]:
        template = await saved.find(opened.store, opened.project.id, saved_name) if saved_name else template_of(words)
        return await answered(opened, template)

    question, answer = run(slug, work)
    show(question, answer, form, people=people)


async def answered(opened: Opened, template: Template) -> tuple[Question, Answer]:
    """Answer a question of the opened project. Raises BadQuery that names the option."""
    now = epoch_ms()
    question = text.question(template, opened.project.id, now)
    async with opened.history() as history:
        return question, await ask(opened.store, question, history=history, now=now)


def show(question: Question, answer: Answer, form: str, *, people: bool) -> None:
    """Print an answer on standard output, and its notes on standard error."""
    if form == "table":
        out.print(ask_table.table(question, answer, people=people))
    else:
        body = as_json(question, answer) if form == "json" else table(flat(question, answer), form)
        sys.stdout.buffer.write(body)
        sys.stdout.buffer.flush()
    for note in ask_table.notes(question, answer):
        warn(note)


ask_command = _Ask(name="ask", help=question_command.help, commands=[question_command, *REPORT_COMMANDS])
