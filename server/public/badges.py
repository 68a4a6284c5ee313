"""Badges with the downloads of a pack: as an SVG image, and as JSON for shields.io."""

from __future__ import annotations

import re
from typing import Annotated, Any
from xml.sax.saxutils import escape

import msgspec
from litestar import Response, get
from litestar.openapi import ResponseSpec
from litestar.params import FromPath

from server.analytics.pack_downloads import PackCounts, pack_counts
from server.clock import epoch_ms
from server.event import DAY, FieldError
from server.problems import BadQuery, NotFound
from server.public.cors import CROSS_ORIGIN
from server.public.download_counts import NOT_MODIFIED, counts_of_one
from server.public.public_access import AnyRequest, readable_project
from server.public.query_parameters import TEXT, parse_choice, parse_text, query_parameter, reject_unknown_parameters
from server.public.response_cache import Content, cached, json
from server.services import Services

PART = "badges"
SVG = "image/svg+xml"
METRICS = {"total": "", "last7d": "/week", "today": " today"}
LONGEST_LABEL = 60
# Parameters of shields.io about style and caching, which badge URLs often contain.
_OF_SHIELDS = ("style", "logo", "logoColor", "logoSize", "logoWidth", "labelColor", "cacheSeconds", "maxAge", "link")
# The names of shields.io, https://github.com/badges/shields/tree/master/badge-maker
COLORS = {
    "brightgreen": "#4c1", "green": "#97ca00", "yellow": "#dfb317", "yellowgreen": "#a4a61d", "orange": "#fe7d37", "red": "#e05d44",
    "blue": "#007ec6", "grey": "#555", "gray": "#555", "lightgrey": "#9f9f9f", "lightgray": "#9f9f9f", "success": "#4c1",
    "important": "#fe7d37", "critical": "#e05d44", "informational": "#007ec6", "inactive": "#9f9f9f",
}  # fmt: skip
_BRIGHT = 0.69  # brighter colors get dark text, as in shields.io
_HEX = re.compile(r"#?(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})")
_COLOR_PATTERN = f"^({'|'.join(COLORS)}|#?[0-9a-fA-F]{{3}}|#?[0-9a-fA-F]{{6}})$"
_COLOR = "A color name of shields.io, or three or six hexadecimal digits"


class Badge(msgspec.Struct, frozen=True):
    """The JSON of a shields.io endpoint badge."""

    schemaVersion: int  # noqa: N815
    label: str
    message: str
    color: str


_BADGE = ResponseSpec(
    Badge,
    generate_examples=False,
    description="For `.json`, an endpoint badge of shields.io; for `.svg`, an image.",
)


@get(
    "/badge/{file:str}",
    summary="Downloads of one pack as a badge",
    tags=["Reading"],
    responses={200: _BADGE, 304: NOT_MODIFIED},
    opt={**CROSS_ORIGIN, "ignored": _OF_SHIELDS},
    before_request=reject_unknown_parameters,
)
async def badge(
    request: AnyRequest,
    state: Services,
    file: FromPath[str],
    label: Annotated[str, query_parameter("Text on the left", maxLength=LONGEST_LABEL, pattern=TEXT, default="downloads")] = "",
    metric: Annotated[str, query_parameter("Count to show", enum=list(METRICS), default="total")] = "",
    color: Annotated[str, query_parameter(_COLOR, pattern=_COLOR_PATTERN, default="brightgreen", example="007ec6")] = "",
) -> Response[bytes]:
    """The pack's name with `.svg` for an image, or with `.json` for shields.io."""
    project = await readable_project(request, PART)
    pack, _, kind = file.rpartition(".")
    if kind not in ("svg", "json") or not pack:
        raise NotFound("A badge is the name of a pack followed by .svg or .json.")
    words = "".join(filter(str.isprintable, parse_text("label", label, most=LONGEST_LABEL, required=False))) or "downloads"
    counted = parse_choice("metric", metric, "total", METRICS)
    paint = _color(color)
    today, listed_only = epoch_ms() // DAY, project.target_rules.listed_only

    async def make() -> Content:
        counts = counts_of_one(await pack_counts(state.store, project.id, today, pack, listed_only=listed_only), pack)
        found = Badge(1, words, _message(counts, counted), color or "brightgreen")
        return json(found) if kind == "json" else Content(svg(found.label, found.message, paint).encode(), SVG)

    page = await state.response_cache.page(("badge", project.id, listed_only, today, pack, kind, words, counted, color), make)
    # Opened directly, an SVG is a document: forbid it to load or run anything.
    headers = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"} if kind == "svg" else None
    return cached(request, page, project, PART, more=headers)


def _color(text: str) -> str:
    """Return the color in SVG notation. Raises BadQuery."""
    if text and text not in COLORS and not _HEX.fullmatch(text):
        raise BadQuery(FieldError("color", "must be a color name of shields.io, or three or six hexadecimal digits"))
    return COLORS.get(text or "brightgreen") or f"#{text.removeprefix('#')}"


def _message(counts: PackCounts, metric: str) -> str:
    number: int = getattr(counts, metric)
    return short(number) + METRICS[metric]


def short(number: int) -> str:
    """Abbreviate a count: 892, 1.2k, 13k, 4.1M."""
    for unit, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        # Switch units where rounding would reach the next one: 999,950 is 1M, not 1000k.
        if number >= size - size // 2000:
            amount = number / size
            return f"{amount:.1f}".removesuffix(".0") + unit if amount < 9.95 else f"{amount:.0f}{unit}"
    return str(number)


def svg(label: str, message: str, color: str) -> str:
    """Draw a badge in the flat style of shields.io. `textLength` makes the text fit in any font. All text is escaped."""
    left, right = _width(label) + 10, _width(message) + 10
    title = _text(f"{label}: {message}")
    ink, shadow = ("#333", "#ccc") if _brightness(color) > _BRIGHT else ("#fff", "#010101")
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img" aria-label="{title}"><title>{title}</title>\
<linearGradient id="s" x2="0" y2="100%"><stop offset="0" stop-color="#bbb" stop-opacity=".1"/><stop offset="1" stop-opacity=".1"/>\
</linearGradient><clipPath id="r"><rect width="{left + right}" height="20" rx="3" fill="#fff"/></clipPath><g clip-path="url(#r)">\
<rect width="{left}" height="20" fill="#555"/><rect x="{left}" width="{right}" height="20" fill="{_text(color)}"/>\
<rect width="{left + right}" height="20" fill="url(#s)"/></g>\
<g fill="#fff" text-anchor="middle" font-family="Verdana,Geneva,DejaVu Sans,sans-serif" text-rendering="geometricPrecision" font-size="110">\
{_words(label, left / 2, left - 10)}{_words(message, left + right / 2, right - 10, ink, shadow)}</g></svg>"""


def _words(text: str, middle: float, width: int, ink: str = "#fff", shadow: str = "#010101") -> str:
    """Draw a text with its shadow. Coordinates are in tenths, so that they are whole numbers."""
    at = f'transform="scale(.1)" textLength="{width * 10}"'
    below = f'<text aria-hidden="true" x="{round(middle * 10)}" y="150" fill="{shadow}" fill-opacity=".3" {at}>{_text(text)}</text>'
    return f'{below}<text x="{round(middle * 10)}" y="140" fill="{ink}" {at}>{_text(text)}</text>'


def _brightness(color: str) -> float:
    """Return the brightness of a color, `#rgb` or `#rrggbb`, from 0 to 1.

    Source: W3C, "Techniques For Accessibility Evaluation And Repair Tools" (2000).
    """
    digits = color[1:] if len(color) == 7 else "".join(digit * 2 for digit in color[1:])
    red, green, blue = (int(digits[place : place + 2], 16) for place in (0, 2, 4))
    return (299 * red + 587 * green + 114 * blue) / 255_000


def _text(text: str) -> str:
    return escape(text, {'"': "&quot;", "'": "&#39;"})


# Approximate widths of Verdana's letters at 11 pixels.
_WIDTHS = {letter: width for letters, width in (("ijl|.,:;'!", 3.9), ('ftrI()[]{}/\\ -"*', 4.9), ("mwMW@%", 10.6)) for letter in letters}


def _width(text: str) -> int:
    """Estimate the width of a text in pixels."""
    return round(sum(_WIDTHS.get(letter, 7.7 if letter.isupper() else 6.9 if letter.isascii() else 11.0) for letter in text))


HANDLERS: tuple[Any, ...] = (badge,)
