"""The command `footfall ask`: any question, or one of the reports."""

from __future__ import annotations

import msgspec
import rich_click as click

from server.questions import saved
from server.questions.report_templates import AnyTemplate
from server.storage.projects import DEFAULT
from server.terminal import fail
from server.transfer.report_commands import FORMATS, REPORT_COMMANDS, DefaultGroup, report_options, show, template_of
from server.transfer.running import Opened


@click.command(name="question")
@click.argument("slug", metavar="[PROJECT]", default=DEFAULT)
@report_options("question")
@click.option(
    "--saved",
    "saved_name",
    metavar="NAME",
    help="Answer a saved question or report. Cannot be combined with the options above, except `--people` and `--everything`.",
)
@click.option("--format", "form", type=click.Choice(FORMATS), default="table", show_default=True)
def question_command(slug: str, saved_name: str | None, form: str, **words: str | tuple[str, ...] | None) -> None:
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
    if saved_name is not None and any(value for name, value in words.items() if name != "audience"):
        fail("--saved cannot be combined with the options of a question, except --people and --everything")

    async def find(opened: Opened) -> AnyTemplate:
        template = template_of("question", words)
        if saved_name is None:
            return template
        found = await saved.find(opened.store, opened.project.id, saved_name)
        return found if words.get("audience") is None else msgspec.structs.replace(found, audience=template.audience)

    show(slug, find, form)


ask_command = DefaultGroup(name="ask", help=question_command.help, commands=[question_command, *REPORT_COMMANDS])
