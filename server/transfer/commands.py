"""The commands `footfall export`, `footfall import`, `footfall install show` and `footfall install erase`."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import rich_click as click
from rich.progress import Progress, TaskProgressColumn, TextColumn

from server.clock import epoch_ms
from server.dialects.parsing import iso, timestamp
from server.identifiers import identifier
from server.problems import Invalid
from server.storage.history import erasure
from server.storage.history.imports import ImportStore
from server.storage.history.streaming import Span, id_bounds
from server.storage.projects import DEFAULT, ProjectError
from server.terminal import err, fail, progress_bar, succeed, warn
from server.transfer import install_data
from server.transfer.ask_command import ask_command
from server.transfer.columns import EXPORTED, from_hexadecimal
from server.transfer.exporting import encoder_for, export, table
from server.transfer.formats import FORMATS
from server.transfer.import_sources import Source
from server.transfer.importing import FORMS, Importer, Summary
from server.transfer.question_commands import question_group
from server.transfer.questions import DAYS, FILTERS, OPTIONS, QUESTIONS, Question, answer, parse_request
from server.transfer.running import Opened, run

_SUFFIXES = {".csv": "csv", ".parquet": "parquet"}
_PROJECT = click.option("--project", "slug", default=DEFAULT, show_default=True, metavar="SLUG", help="The project.")


def _bar() -> Progress:
    return progress_bar(TaskProgressColumn(), TextColumn("{task.fields[rows]:,} rows"))


class _Time(click.ParamType[int]):
    """A time in ISO 8601, or a date, as epoch milliseconds."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            return max(0, timestamp(str(value)) or 0)
        except Invalid:
            self.fail("expected a time such as 2026-11-01 or 2026-11-01T12:00:00Z", param, ctx)


def _words(command: Callable[..., None]) -> Callable[..., None]:
    """Add an option for each filter and parameter of a question."""
    for name, about in reversed({**FILTERS, **OPTIONS}.items()):
        command = click.option(f"--{name.replace('_', '-')}", name, help=f"{about}.")(command)
    return command


_EXPORT_HELP = f"""Export events, installs, counts or a report to a file. The server may keep running.

WHAT is a stored dataset: {", ".join(EXPORTED)}. Or it is a report, which accepts the options after `--output` and covers the last {DAYS} days by
default: {", ".join(QUESTIONS)}.

Installs and sessions are hashes, times are in UTC. In CSV, a cell that a spreadsheet would treat as a formula gets a leading apostrophe;
`footfall import` removes it.
"""


@click.command(name="export", help=_EXPORT_HELP)
@click.argument("what", type=click.Choice([*EXPORTED, *QUESTIONS]), metavar="WHAT")
@_PROJECT
@click.option("--from", "first", type=_Time(), help="The start of the period, inclusive. A date means midnight UTC.")
@click.option("--to", "end", type=_Time(), help="The end of the period, exclusive.")
@click.option("--format", "form", type=click.Choice(list(FORMATS)), help="Defaults to the suffix of the file name, or jsonl.")
@click.option(
    "--output", "-o", type=click.Path(dir_okay=False, path_type=Path), default=Path("-"), help="The output file; - is standard output."
)
@_words
def export_command(what: str, slug: str, first: int | None, end: int | None, form: str | None, output: Path, **words: str | None) -> None:
    chosen = form or _SUFFIXES.get(output.suffix.lower(), "jsonl")
    parameters = {name: text for name, text in words.items() if text}
    if what in QUESTIONS:
        parameters |= {name: iso(moment) for name, moment in (("from", first), ("to", end)) if moment is not None}
        written = run(slug, lambda opened: _answer(opened, QUESTIONS[what], parameters, chosen, output))
        succeed(f"{written:,} rows of {what} of {slug}", err)
        return
    if parameters:
        fail(f"--{next(iter(parameters)).replace('_', '-')} only applies to reports, and {what} is a dataset")
    span = Span(first if first is not None else 0, end if end is not None else Span().end)
    written = run(slug, lambda opened: _export(opened, what, span, chosen, output))
    succeed(f"{written:,} rows of {what} of {slug}", err)


async def _export(opened: Opened, what: str, span: Span, form: str, output: Path) -> int:
    encoder = encoder_for(what, form)
    low, high = await id_bounds(opened.store, span) if what == "events" else (0, 0)
    written = 0
    with _bar() as bar:
        task = bar.add_task(f"exporting {what}", total=(high - low + 1) if high else None, rows=0)

        def progress(rows: int, last: int) -> None:
            nonlocal written
            written = rows
            bar.update(task, completed=max(0, last - low) if high else rows, rows=rows)

        with _written(output) as file:
            async for part in export(opened.store, what, opened.project.id, span, encoder, progress=progress):
                file.write(part)
        bar.update(task, total=1, completed=1, rows=written)
    return written


async def _answer(opened: Opened, question: Question, words: dict[str, str], form: str, output: Path) -> int:
    async with opened.history() as history:
        rows = await answer(opened.store, question, parse_request(question, opened.project.id, words, now=epoch_ms()), history)
    body = table(rows, form)
    with _written(output) as file:
        file.write(body)
    return len(rows)


@contextlib.contextmanager
def _written(output: Path) -> Any:
    """Open the output file. It appears under its name once it is complete."""
    if str(output) == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    draft = output.with_name(f".{output.name}.part")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            yield file
        draft.replace(output)
    finally:
        draft.unlink(missing_ok=True)


@click.command(name="import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_PROJECT
@click.option("--format", "form", type=click.Choice(["auto", *FORMS]), default="auto", show_default=True)
def import_command(file: Path, slug: str, form: str) -> None:
    """Import events, installs or counts from a file into a project. The server may keep running.

    Accepted are exports of events or installs by `footfall export`, the key-value dump of a downloads collector (`dl:PACK:DATE` and
    `dl:PACK:total`, as JSON or as lines), exports of events by PostHog, Segment, RudderStack, Amplitude, Aptabase, Umami, OpenPanel and OpenTelemetry's file
    exporter (docs/moving.md), and events in the format of `POST /v1/events` with a `timestamp`, for
    data of any other collector. Files may be compressed with gzip.

    A file may be imported twice, and an interrupted import may be started again: each row counts once. Events keep their times. Events older
    than the project's retention are counted and then deleted. A newer downloads dump adds only the difference to the last one.

    Do not import an export into the server it came from once retention has deleted its events there: they would count twice.
    """
    summary = run(slug, lambda opened: _import(opened, file, None if form == "auto" else form), creates=True)
    for line in _summary_lines(summary):
        err.print(line, soft_wrap=True, markup=False)
    succeed(f"{summary.rows:,} rows read", err)


async def _import(opened: Opened, file: Path, form: str | None) -> Summary:
    importer = Importer(ImportStore(opened.store), opened.privacy(), opened.project)
    with Source(file) as source, _bar() as bar:
        task = bar.add_task(f"importing {file.name}", total=max(1, source.size), rows=0)
        summary = await importer.run(source, form, progress=lambda so_far: bar.update(task, completed=source.done, rows=so_far.rows))
        bar.update(task, completed=max(1, source.size))
    return summary


def _summary_lines(summary: Summary) -> list[str]:
    lines = [
        f"  {count:,} {what}"
        for count, what in (
            (summary.stored, "events imported"),
            (summary.duplicates, "events already present"),
            (summary.installs, "installs"),
            (summary.counts, "counts of packs"),
        )
        if count
    ]
    lines += [f"  {count:,} {name} skipped: no usage" for name, count in summary.skipped.most_common()]
    if summary.bad:
        lines += [f"  {summary.bad:,} invalid rows", *(f"    {named}" for named in summary.named)]
    return lines


@click.group(name="install")
def install_group() -> None:
    """Manage installs: show the data of one install, or erase it."""


_RAW = click.argument("raw_id", required=False)
_HASH = click.option("--hash", "hash_", metavar="HEX", help="The install's hash as in exports, if its id is unknown.")


@install_group.command(name="show")
@_RAW
@_HASH
@_PROJECT
@click.option(
    "--events",
    "most",
    type=click.IntRange(1),
    default=install_data.PAGE,
    show_default=True,
    help="The maximum number of events, oldest first.",
)
def install_show(raw_id: str | None, hash_: str | None, slug: str, most: int) -> None:
    """Show all data of an install as JSON. RAW_ID is the id that its client sends; - reads it from standard input."""

    async def work(opened: Opened) -> install_data.InstallHeld | None:
        return await install_data.show(opened.store, opened.project.id, _number(opened, raw_id, hash_), most=most)

    held = run(slug, work)
    if held is None:
        fail(f"no data of this install in {slug}")
    click.echo(msgspec.json.format(msgspec.json.encode(held), indent=2).decode())


@install_group.command(name="erase")
@_RAW
@_HASH
@_PROJECT
@click.option("--rewrite", is_flag=True, help="Rewrite the database file afterwards, so that its unused bytes contain no trace either.")
def install_erase(raw_id: str | None, hash_: str | None, slug: str, rewrite: bool) -> None:
    """Erase an install: its events, its days of activity and its row. Counts stay; they contain nothing that identifies an install.

    Active installs are counted from days of activity, so those numbers drop by one. Backups and exports made earlier contain the install
    until they are deleted.

    Deleted data is overwritten, in the file and in its log. Copies that SQLite left when it moved rows between pages can remain in unused
    bytes, unreachable by queries, until SQLite reuses those bytes; --rewrite removes them at once. It needs as much free space as the store
    occupies, and blocks writes for some seconds per gigabyte.

    RAW_ID is the id that its client sends; - reads it from standard input.
    """

    async def work(opened: Opened) -> install_data.InstallErased | None:
        async with opened.history() as history:
            erased = await install_data.erase(history, opened.project.id, _number(opened, raw_id, hash_))
        if erased is not None and rewrite:
            erased.purged = await erasure.rewrite(opened.store)
        return erased

    erased = run(slug, work)
    if erased is None:
        fail(f"no data of this install in {slug}")
    succeed(f"erased: {erased.events:,} events, {erased.days:,} days of activity, {erased.errors:,} days with an error", err)
    if not erased.purged:
        warn("the store was busy: its log keeps older copies until the next checkpoint, or until the server stops")


def _number(opened: Opened, raw_id: str | None, hash_: str | None) -> int:
    if (raw_id is None) == (hash_ is None):
        raise ProjectError("give either RAW_ID or --hash")
    if hash_ is not None:
        try:
            return from_hexadecimal(hash_.strip().lower())
        except ValueError:
            raise ProjectError("--hash must be 16 hexadecimal digits, as in exports") from None
    assert raw_id is not None
    usable = identifier(sys.stdin.readline() if raw_id == "-" else raw_id)
    if usable is None:
        raise ProjectError("RAW_ID is a placeholder for a missing id")
    return opened.privacy().install(opened.project.id, usable)


COMMANDS: tuple[click.Command, ...] = (ask_command, question_group, export_command, import_command, install_group)
