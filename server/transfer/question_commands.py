"""The commands `footfall question list`, `save`, `show`, `rename`, `delete`, `share`, `shares` and `revoke`."""

from __future__ import annotations

import shlex

import rich_click as click

from server.clock import epoch_ms, utc_minute
from server.questions import saved, text
from server.questions.template import Template
from server.storage.projects import audit, saved_questions, shares
from server.terminal import as_text, out, plain_table, print_secret, succeed
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
        table.add_row(as_text(each.name), utc_minute(each.changed_at), as_text(_options(saved.template_of(each))))
    out.print(table)


@question_group.command(name="save")
@_PROJECT
@_NAME
@question_options
def question_save(slug: str, name: str, **words: str | tuple[str, ...] | None) -> None:
    """Save a question under a name, replacing the question that has this name. The options are those of `footfall ask`.

    Relative periods such as `--last 7` and `--to-date week` stay relative.
    """

    async def work(opened: Opened) -> None:
        template = template_of(words)
        text.question(template, opened.project.id, epoch_ms())  # its errors name the options
        stored = await saved.save(opened.store, opened.project.id, name, template, epoch_ms())
        await _record(opened, "question.save", f"question {stored.id}")

    run(slug, work)
    succeed("saved")


@question_group.command(name="show")
@_PROJECT
@_NAME
def question_show(slug: str, name: str) -> None:
    """Print the `footfall ask` command of a saved question."""
    template = run(slug, lambda opened: saved.find(opened.store, opened.project.id, name))
    click.echo(f"footfall ask {slug} {_options(template)}".rstrip())


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
    """Revoke a link by its number in `footfall question shares`. It stops working within two seconds."""

    async def work(opened: Opened) -> None:
        await shares.revoke(opened.store, opened.project.id, link)
        await _record(opened, "share.revoke", f"share {link}")

    run(slug, work)
    succeed("revoked")


def _options(template: Template) -> str:
    """The options of `footfall ask` for a question."""
    given = text.written(template).items()
    return " ".join(f"--{name.replace('_', '-')} {shlex.quote(each)}" for name, texts in given for each in texts)


async def _record(opened: Opened, action: str, detail: str) -> None:
    await audit.record(opened.store, now=epoch_ms(), actor=_ACTOR, action=action, project=opened.project.id, detail=detail)
