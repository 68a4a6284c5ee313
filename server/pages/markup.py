"""HTML from text, values and code. Inputs are escaped; outputs are HTML."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable
from typing import Any

_WIDTH = 60  # characters of JSON on a line

_ABSOLUTE = re.compile(r'\b(href|src|action)="/')
_CODE = re.compile(r"`([^`]+)`")
_STRONG = re.compile(r"\*\*(.+?)\*\*")
# A token of JSON: a name, a string, a word or a number. Its quotes are escaped.
_JSON = re.compile(r"(&quot;(?:[^&\\]|\\.|&(?!quot;))*&quot;)(\s*:)?|\b(true|false|null)\b|(-?\b\d+(?:\.\d+)?(?:[eE][+-]?\d+)?\b)")


def escape(text: object) -> str:
    """Escape a text for elements and quoted attributes."""
    return html.escape(str(text), quote=True)


def inline(text: str) -> str:
    """Render a text with `code` and **emphasis**."""
    return _STRONG.sub(r"<strong>\1</strong>", _CODE.sub(r"<code>\1</code>", escape(text)))


def prose(text: str, *, heading: str = "h2") -> str:
    """Render the subset of CommonMark that our descriptions use: paragraphs, `-` lists, `## headings` with an anchor, code, emphasis."""
    return "\n".join(_block(block, heading) for block in re.split(r"\n{2,}", text.strip()) if block)


def _block(block: str, heading: str) -> str:
    if block.startswith("## "):
        title = block.removeprefix("## ")
        return f'<{heading} id="{slug(title)}">{inline(title)}</{heading}>'
    if block.startswith("- "):
        items = re.split(r"\n- ", block.removeprefix("- "))
        return "<ul>" + "".join(f"<li>{inline(' '.join(item.split()))}</li>" for item in items) + "</ul>"
    return f"<p>{inline(' '.join(block.split()))}</p>"


def slug(*words: str) -> str:
    """Build an anchor from words."""
    return "-".join(part for word in words for part in re.split(r"[^a-z0-9]+", word.lower()) if part)


def pretty(value: Any) -> str:
    """Format JSON with small objects and arrays on one line."""
    return _pretty(value, "")


def _pretty(value: Any, indent: str, before: int = 0) -> str:
    """Format a value; `before` is the number of characters before it on its line."""
    short = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or not value or before + len(short) <= _WIDTH:
        return short
    inner = indent + "  "
    if isinstance(value, list):
        return "[\n" + ",\n".join(inner + _pretty(item, inner, len(inner)) for item in value) + f"\n{indent}]"
    members = []
    for name, item in value.items():
        start = f"{inner}{json.dumps(name, ensure_ascii=False)}: "
        members.append(start + _pretty(item, inner, len(start)))
    return "{\n" + ",\n".join(members) + f"\n{indent}}}"


def colored(text: str) -> str:
    """Highlight JSON, also within a command, with a class for each type of token."""
    return _JSON.sub(_color, escape(text))


def _color(match: re.Match[str]) -> str:
    string, colon, word, number = match.groups()
    if string is not None:
        return f'<span class="{"key" if colon else "str"}">{string}</span>{colon or ""}'
    return f'<span class="{"word" if word else "num"}">{word or number}</span>'


def figure(caption: str, code: str, kind: str, *, copy: bool = False) -> str:
    """Render code (HTML) with a caption (HTML). `copy` adds a copy button."""
    attribute = " data-copy" if copy else ""
    return f'<figure class="code {kind}"{attribute}><figcaption>{caption}</figcaption><pre tabindex="0"><code>{code}</code></pre></figure>'


def table(heads: Iterable[str], rows: Iterable[Iterable[str]], kind: str) -> str:
    """Render a table of HTML cells that scrolls horizontally."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in heads)
    body = "\n".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="scroll" tabindex="0"><table class="{kind}"><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>'


def with_base_path(page: str, base: str) -> str:
    """Prefix absolute links, files and forms with a base path. Text cannot match, because its quotes are escaped."""
    return _ABSOLUTE.sub(rf'\1="{base}/', page) if base else page
