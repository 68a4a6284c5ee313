"""The mechanical part of the style guide: docstrings that stand alone, standard terms, unique module names."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.xdist_group("language")  # they share what is parsed

ROOT = Path(__file__).parents[2]
PYTHON = sorted(path for folder in ("server", "bench", "tests") for path in (ROOT / folder).rglob("*.py"))
TEXT = sorted(
    path
    for pattern in ("*.md", "*.toml", "Makefile", "Containerfile", ".ci/run", "docs/**/*.md", "bench/*.md", "graphql/**/*", "static/src/**/*", "static/pages/*",
                    "static/clients/**/*", "static/public/*", "static/*.html", "static/*.mjs", "static/*.ts")
    for path in ROOT.glob(pattern)
    if path.is_file() and path.suffix not in {".png", ".svg", ".pyc"} and "generated" not in path.parts
)  # fmt: skip

# A docstring begins with a noun phrase or an imperative verb.
OPENING = re.compile(r"(What|Who|Whose|Whoever|Whom|Where|How|Which|Whether|When|Why|The same|Says|Tells)\b")
# Where a docstring could begin so: only the files that have such a text are parsed.
MAYBE = re.compile(r"[\"'][\\\s]*" + OPENING.pattern)
NAME = re.compile(r"\b(?:def|class)\s+(\w+)")
# Each with the term to use instead.
BANNED = {
    r"whoever|nobody|somebody|anybody|everybody": "name the actor: client, caller, admin, operator, writer, job, reader",
    r"mend(s|ed|ing)?": "repair, fix",
    r"wants|is wanted|wanted by": "needs, requires, accepts",
    r"is told|are told|tell(s)? of|news": "receives, reports, update",
    r"way in": "ingest",
    r"in a circle|circles": "deadlock, cycle",
    r"also (if|after|when)": "even if, even after, even when",
    r"anew|lately": "again, recently",
    r"behaviours?|colours|favourites?|honour(s|ed)?|neighbours?|normalised|serialised": "American spelling: behavior, colors, favorite, honor, …",
}
PATTERN = re.compile("|".join(rf"\b({words})\b" for words in BANNED), re.IGNORECASE)
# Not names of functions and classes: name the result, such as `message` or `summary`.
SPEECH = re.compile(r"\b(said|tell|told|heard|overheard)\b")

PROTOCOLS = {"tell"}  # of file objects

# Quotations of these words, by file: client data, test input, a deprecated option, the syntax of other programs.
QUOTED = {
    "static/pages/footfall.service": ("Wants=",),  # systemd
    "server/demo/scenario.py": ("news.ycombinator.com",),
    "server/operations/maintenance_commands.py": ("--mend",),  # the old name of --repair
    "server/scrubbing/patterns.py": ("|wants|",),  # words before a version
    "tests/dialects/test_engagement.py": ("news.example.com",),
}
THIS = Path(__file__)

# Names that several modules share, each with its reason.
SHARED_NAMES = {
    "__init__": "Python's name for a package",
    "__main__": "Python's name for `python -m`",
    "conftest": "pytest's name for shared fixtures",
}


@cache
def source(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@cache
def documented(path: Path) -> list[tuple[int, str, str]]:
    """The line, name and docstring of a module, its classes and functions. Searches statements only, since all definitions are statements."""
    found: list[tuple[int, str, str]] = []
    rest: list[Any] = [ast.parse(source(path))]
    while rest:
        node = rest.pop()
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found.append((getattr(node, "lineno", 1), getattr(node, "name", ""), ast.get_docstring(node) or ""))
        for name in ("body", "orelse", "finalbody", "handlers", "cases"):
            rest.extend(inner for inner in getattr(node, name, ()) if isinstance(inner, ast.stmt | ast.ExceptHandler | ast.match_case))
    return found


def without_quotations(path: Path) -> str:
    """The text of a file without the quotations of `QUOTED`, each of which it must contain."""
    text = source(path)
    for quotation in QUOTED.get(str(path.relative_to(ROOT)), ()):
        assert quotation in text, f"{path.relative_to(ROOT)} no longer contains {quotation!r}"
        text = text.replace(quotation, "")
    return text


def test_a_docstring_begins_with_a_noun_phrase_or_a_verb() -> None:
    found = [(path, line, text) for path in PYTHON if MAYBE.search(source(path)) for line, _, text in documented(path)]
    assert [f"{path.relative_to(ROOT)}:{line}: {text[:60]}" for path, line, text in found if OPENING.match(text)] == []


def test_text_uses_the_standard_terms() -> None:
    files = [path for path in [*PYTHON, *TEXT] if path != THIS]
    lines = [(path, number, line) for path in files for number, line in enumerate(without_quotations(path).splitlines(), 1)]
    assert [f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}" for path, number, line in lines if PATTERN.search(line)] == []


def test_names_use_the_standard_terms() -> None:
    names = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in PYTHON
        if any(PATTERN.search(name.replace("_", " ")) for name in NAME.findall(source(path)))
        for line, name, _ in documented(path)
        if PATTERN.search(words := name.replace("_", " ")) or (SPEECH.search(words) and name not in PROTOCOLS)
    ]
    assert names == []


def test_names_of_tests_name_the_actor() -> None:
    names = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for name in re.findall(r"def (test_\w+)", path.read_text(encoding="utf-8"))
        if re.match(r"test_(who|whatever|nor|its|it|they)_", name) or re.search(r"_(hears?|heard|felt)(_|$)", name)
    ]
    assert names == []


def test_a_modules_name_is_unique() -> None:
    found = defaultdict(list)
    for path in (ROOT / "server").rglob("*.py"):
        if path.stem not in SHARED_NAMES:
            found[path.stem].append(str(path.relative_to(ROOT)))
    # The engines are twins: two packages with the same files.
    twins = ("server/storage/sqlite/", "server/storage/postgres/")
    assert {name: paths for name, paths in found.items() if len(paths) > 1 and not all(path.startswith(twins) for path in paths)} == {}
