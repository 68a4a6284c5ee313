"""The reference page, generated from the OpenAPI document. `BASE` stands for the server's URL."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from server.event import Refusal
from server.pages.markup import colored, escape, figure, inline, pretty, prose, slug, table
from server.pages.problem_page import EXPLANATIONS, anchor, kinds, refusals, statuses
from server.pages.reference_entries import Document, Entry, Example, Reader
from server.pages.schema_fields import Fields, Row

_INDEX_ONLY = ("Pages",)  # families whose routes appear in a table only
_SHARED_PARAMETERS = ("Idempotency-Key",)  # parameters of every route, which the introduction explains


def reference(document: Document) -> tuple[str, str]:
    """Render the page: its navigation and its content, as HTML."""
    reader = Reader(document)
    families = [(name, about, entries) for name, about, entries in reader.families() if entries]
    description = document["info"]["description"]
    lead, _, rest = description.partition("\n\n")
    content = [
        f'<section class="about"><h1>{escape(document["info"]["title"])} reference</h1>',
        f'<p class="lead">{inline(" ".join(lead.split()))}</p><div class="columns">{_sections(rest)}</div></section>',
        *(_family(reader, *family) for family in families),
        _problems(),
    ]
    return _navigation(rest, families), "\n".join(content)


def _sections(text: str) -> str:
    """Render each `##` section in a box."""
    parts = text.split("\n\n## ")
    parts[1:] = [f"## {part}" for part in parts[1:]]
    return "".join(f"<section>{prose(part)}</section>" for part in parts)


def _navigation(about: str, families: list[tuple[str, str, list[Entry]]]) -> str:
    titles = [line.removeprefix("## ") for line in about.splitlines() if line.startswith("## ")]
    groups = [_group("About", "", ((slug(title), escape(title)) for title in titles))]
    for name, _, entries in families:
        shown = () if name in _INDEX_ONLY else entries
        groups.append(_group(name, f"family-{slug(name)}", ((entry.anchor, _route(entry)) for entry in shown)))
    groups.append(_group("Problems", "problems", ((anchor(refusal), escape(_title(refusal))) for refusal in Refusal)))
    return "\n".join(groups)


def _group(title: str, target: str, links: Iterable[tuple[str, str]]) -> str:
    head = f'<a href="#{target}">{escape(title)}</a>' if target else escape(title)
    items = "".join(f'<li><a href="#{target}">{shown}</a></li>' for target, shown in links)
    return f"<h2>{head}</h2>" + (f"<ul>{items}</ul>" if items else "")


def _route(entry: Entry) -> str:
    return f'{_method(entry.method)}<span class="path">{_path(entry.path)}</span>'


def _method(method: str) -> str:
    return f'<span class="method {escape(method.lower())}">{escape(method)}</span>'


def _path(path: str) -> str:
    """Render a path with line breaks after slashes, and with highlighted parameters."""
    return escape(path).replace("/", "/<wbr>").replace("{", "<var>{").replace("}", "}</var>")


def _family(reader: Reader, name: str, about: str, entries: list[Entry]) -> str:
    routes = _list(entries) if name in _INDEX_ONLY else "\n".join(_entry(reader, entry) for entry in entries)
    return f'<section class="family" id="family-{slug(name)}"><h2>{escape(name)}</h2><p class="lead">{inline(about)}</p>{routes}</section>'


def _list(entries: list[Entry]) -> str:
    """Render a table of routes."""
    rows = ((f'<code id="{entry.anchor}">{_path(entry.path)}</code>', inline(f"{entry.summary}. {entry.description}")) for entry in entries)
    return table(("Path", "Description"), rows, "list")


def _entry(reader: Reader, entry: Entry) -> str:
    also = f'<p class="also">Also {", ".join(f"<code>{_path(path)}</code>" for path in entry.also)}</p>' if entry.also else ""
    text = "\n".join(
        part
        for part in (
            f'<h3><a href="#{entry.anchor}">{_method(entry.method)}<code>{_path(entry.path)}</code></a></h3>',
            f'<p class="summary">{inline(entry.summary)}</p>',
            also,
            prose(entry.description) if entry.description else "",
            _parameters(reader, entry),
            _bodies(reader, entry),
            _answers(entry),
        )
        if part
    )
    examples = "\n".join(_example(example) for example in entry.examples)
    return f'<article class="route" id="{entry.anchor}"><div class="text">{text}</div><div class="examples">{examples}</div></article>'


def _parameters(reader: Reader, entry: Entry) -> str:
    fields = Fields(reader.components["schemas"])
    rows = []
    for parameter in reader.parameters(entry):
        if parameter["name"] in _SHARED_PARAMETERS:
            continue
        schema = {**parameter["schema"], "description": parameter.get("description", "")}
        row = fields.single(parameter["name"], schema, required=parameter.get("required", False))
        rows.append(row._replace(kind=escape(parameter["in"]), bounds=row.bounds if parameter["in"] != "header" else ""))
    return "<h4>Parameters</h4>" + _fields(rows, "In") if rows else ""


def _bodies(reader: Reader, entry: Entry) -> str:
    """Render the fields of the first body, and the shapes of the others, which consist of the same types."""
    if not entry.bodies:
        return ""
    fields = Fields(reader.components["schemas"])
    first, *others = entry.bodies
    parts = ["<h4>Body</h4>", _fields(list(fields.rows(first)), "Type")]
    shapes = [f"<li><code>{escape(fields.shape(other))}</code></li>" for other in others]
    if first.get("type") == "array":
        parts.insert(1, "<p>An array of these:</p>")
    if shapes:
        name = first.get("$ref", "").rpartition("/")[2].rpartition(".")[2]
        parts.append(f"<p>With this as <code>{escape(name)}</code>, the body may also be:</p><ul>{''.join(shapes)}</ul>")
    return "".join(parts)


def _fields(rows: list[Row], second: str) -> str:
    return table(("Field", second, "Meaning"), (_field(row) for row in rows), "fields")


def _field(row: Row) -> tuple[str, str, str]:
    shown = escape(row.path).replace(".", ".<wbr>")
    mark = '<span class="required">required</span>' if row.required else ""
    bounds = f'<span class="bounds">{row.bounds}</span>' if row.bounds else ""
    return f"<code>{shown}</code>{mark}", f"{row.kind}{bounds}", inline(row.meaning)


def _answers(entry: Entry) -> str:
    listed = "".join(f"<dt>{_status(status)}</dt><dd>{inline(text)}</dd>" for status, text in sorted(entry.answers.items()))
    more = " ".join(f'<li title="{escape(text)}">{_status(status)}</li>' for status, text in entry.others.items())
    also = f'<div class="others"><span>Common errors</span><ul>{more}</ul></div>' if more else ""
    return f'<h4>Answers</h4><dl class="answers">{listed}</dl>{also}'


def _status(status: int) -> str:
    """Render a status. Errors link to their explanation."""
    found = refusals(status)
    kind = "good" if status < 400 else "bad"
    shown = f'<span class="status {kind}">{status}</span>'
    return f'<a href="#{anchor(found[0])}">{shown}</a>' if found and status >= 400 else shown


def _example(example: Example) -> str:
    command = example.command.removesuffix(example.body)
    code = escape(command) + (colored(example.body) if example.body else "")
    phrase = HTTPStatus(example.status).phrase
    answer = "" if example.answer is None else colored(pretty(example.answer))
    caption = f"{_status(example.status)} {escape(phrase)}"
    reply = figure(caption, answer, "answer") if answer else f'<p class="empty">{caption}</p>'
    return figure(inline(example.title or "Request"), code, "command", copy=True) + reply


def _title(refusal: Refusal) -> str:
    return refusal.value.replace("_", " ").capitalize()


def _problems() -> str:
    """Render a section for each error type, which `Problem.type` links to."""
    intro = (
        "All errors have the same format: a problem document (RFC 9457, `application/problem+json`). Its `type` links "
        "to one of these sections. Errors never repeat the client's values."
    )
    shape: dict[str, Any] = {
        "type": "/docs#problem-invalid",
        "title": "Invalid fields",
        "status": 422,
        "detail": "1 invalid field: installation_id",
        "errors": [{"path": "installation_id", "message": "is missing"}],
    }
    example = figure("application/problem+json", colored(pretty(shape)), "answer")
    sections = "\n".join(_problem(refusal) for refusal in Refusal)
    head = f'<h2>Problems</h2><p class="lead">{inline(intro)}</p>{example}'
    return f'<section class="family" id="problems">{head}<div class="problems">{sections}</div></section>'


def _problem(refusal: Refusal) -> str:
    explanation = EXPLANATIONS[refusal]
    titles = dict.fromkeys(kind.title for kind in kinds(refusal))
    marks = "".join(f'<span class="status bad">{status}</span>' for status in statuses(refusal))
    return (
        f'<section class="problem" id="{anchor(refusal)}"><h3>{escape(_title(refusal))} {marks}</h3>'
        f'<p class="titles">{escape(" · ".join(titles))}</p>'
        f"<dl><dt>What happened</dt><dd>{inline(explanation.cause)}</dd><dt>What to do</dt><dd>{inline(explanation.fix)}</dd></dl></section>"
    )
