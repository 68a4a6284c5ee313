"""The commands `footfall question list`, `save`, `show`, `rename`, `delete`, `share`, `shares` and `revoke`."""

from __future__ import annotations

import shlex

import rich_click as click

from server.clock import epoch_ms, utc_minute
from server.questions import saved
from server.questions.report_templates import AnyTemplate
from server.questions.report_text import form_of
from server.storage.projects import audit, saved_questions, shares
from server.terminal import as_text, out, plain_table, print_secret, succeed
from server.transfer.report_commands import DefaultGroup, Words, report_options, template_of
from server.transfer.reports import REPORTS
from server.transfer.running import Opened, run

_PROJECT = click.argument("slug", metavar="PROJECT")
_NAME = click.argument("name", metavar="NAME")
_ACTOR = "command line"


@click.group(name="question")
def question_group() -> None:
    """Manage saved questions and reports. `footfall ask PROJECT --saved NAME` answers one."""


@question_group.command(name="list")
@_PROJECT
def question_list(slug: str) -> None:
    """List the saved questions and reports of a project."""
    table = plain_table("name", "changed", "kind", "options")
    for each in run(slug, lambda opened: saved_questions.list_saved(opened.store, opened.project.id)):
        template = saved.readable_template(each)
        kind, options = ("unreadable", saved.UNREADABLE) if template is None else (form_of(template).name, _options(template))
        table.add_row(as_text(each.name), utc_minute(each.changed_at), kind, as_text(options))
    out.print(table)


@click.command(name="question")
@_PROJECT
@_NAME
@report_options("question")
def save_question(slug: str, name: str, **words: str | tuple[str, ...] | None) -> None:
    """Save a question under a name, replacing the question that has this name. The options are those of `footfall ask`.

    Relative periods such as `--last 7` and `--to-date week` stay relative. With `--people`, the question shows figures of people.

    `footfall question save funnel`, `footfall question save retention` and `footfall question save paths` save reports. For a project with one
    of these names, use `footfall question save question PROJECT NAME`.
    """
    _save("question", slug, name, words)


@click.command(name="funnel")
@_PROJECT
@_NAME
@report_options("funnel")
def save_funnel(slug: str, name: str, **words: str | tuple[str, ...] | None) -> None:
    """Save a funnel under a name. The options are those of `footfall ask funnel`.

    footfall question save funnel mytool "Deploys" --step init --step build --step deploy --by version --to-date week
    """
    _save("funnel", slug, name, words)


@click.command(name="retention")
@_PROJECT
@_NAME
@report_options("retention")
def save_retention(slug: str, name: str, **words: str | tuple[str, ...] | None) -> None:
    """Save a question about retention under a name. The options are those of `footfall ask retention`.

    footfall question save retention mytool "Builds that return" --return "name=build and outcome=success" --last 90
    """
    _save("retention", slug, name, words)


@click.command(name="paths")
@_PROJECT
@_NAME
@report_options("paths")
def save_paths(slug: str, name: str, **words: str | tuple[str, ...] | None) -> None:
    """Save a question about paths under a name. The options are those of `footfall ask paths`.

    footfall question save paths mytool "After init" --event init --length 2
    """
    _save("paths", slug, name, words)


def _save(report: str, slug: str, name: str, words: Words) -> None:
    async def work(opened: Opened) -> None:
        template = template_of(report, words)
        form_of(template).at(template, opened.project.id, epoch_ms())  # its errors name the options
        stored = await saved.save(opened.store, opened.project.id, name, template, epoch_ms())
        await _record(opened, "question.save", f"question {stored.id}")

    run(slug, work)
    succeed("saved")


question_group.add_command(
    DefaultGroup(name="save", help=save_question.help, commands=[save_question, save_funnel, save_retention, save_paths])
)


@question_group.command(name="show")
@_PROJECT
@_NAME
def question_show(slug: str, name: str) -> None:
    """Print the `footfall ask` command of a saved question or report."""
    template = run(slug, lambda opened: saved.find(opened.store, opened.project.id, name))
    report = form_of(template).name
    command = "footfall ask" if report == "question" and slug not in REPORTS else f"footfall ask {report}"
    click.echo(f"{command} {slug} {_options(template)}".rstrip())


@question_group.command(name="rename")
@_PROJECT
@_NAME
@click.argument("new_name", metavar="NEW_NAME")
def question_rename(slug: str, name: str, new_name: str) -> None:
    """Rename a saved question. Its alerts and links keep working."""

    async def work(opened: Opened) -> None:
        stored = await saved_questions.rename(opened.store, opened.project.id, name, new_name, epoch_ms())
        await _record(opened, "question.rename", f"question {stored.id}")

    run(slug, work)
    succeed("renamed")


@question_group.command(name="delete")
@_PROJECT
@_NAME
def question_delete(slug: str, name: str) -> None:
    """Delete a saved question, and revoke its links."""

    async def work(opened: Opened) -> None:
        await saved_questions.delete(opened.store, opened.project.id, name)
        await _record(opened, "question.delete", "")

    run(slug, work)
    succeed("deleted")


@question_group.command(name="share")
@_PROJECT
@_NAME
@click.option("--days", type=click.IntRange(1, shares.LONGEST), default=shares.DAYS, show_default=True, help="Days until the link expires.")
def question_share(slug: str, name: str, days: int) -> None:
    """Create a link that shows the answer to a saved question without a login.

    The page is updated once an hour, or once a day with a comparison. It counts groups of few installs as (other).
    """

    async def work(opened: Opened) -> tuple[int, str]:
        share, path = await saved.share(opened.store, opened.project.id, name, days, epoch_ms())
        await _record(opened, "share.create", f"share {share.id}: {days} days")
        return share.id, opened.settings.url + path

    number, link = run(slug, work)
    print_secret(f"link {number}, shown only once:", link)


@question_group.command(name="shares")
@_PROJECT
def question_shares(slug: str) -> None:
    """List the links to saved questions of a project."""
    table = plain_table("link", "question", "created", "expires")
    for each in run(slug, lambda opened: shares.list_shares(opened.store, opened.project.id)):
        expires = utc_minute(each.expires_at) if each.expires_at > epoch_ms() else "expired"
        table.add_row(str(each.id), as_text(each.question), utc_minute(each.created_at), expires)
    out.print(table)


@question_group.command(name="revoke")
@_PROJECT
@click.argument("link", type=click.IntRange(1))
def question_revoke(slug: str, link: int) -> None:
    """Revoke a link by its number in `footfall question shares`. It stops working immediately, on every server."""

    async def work(opened: Opened) -> None:
        await shares.revoke(opened.store, opened.project.id, link)
        await _record(opened, "share.revoke", f"share {link}")

    run(slug, work)
    succeed("revoked")


def _options(template: AnyTemplate) -> str:
    """The options of `footfall ask` for a question or report."""
    words = form_of(template).written(template)
    people = ["--people"] if words.pop("audience", []) else []
    options = [f"--{name.replace('_', '-')} {shlex.quote(each)}" for name, texts in words.items() for each in texts]
    return " ".join([*options, *people])


async def _record(opened: Opened, action: str, detail: str) -> None:
    await audit.record(opened.store, now=epoch_ms(), actor=_ACTOR, action=action, project=opened.project.id, detail=detail)
