"""The mechanical part of the style guide: docstrings that stand alone, standard terms, unique module names."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PYTHON = sorted(path for room in ("server", "bench", "tests") for path in (ROOT / room).rglob("*.py"))
TEXT = sorted(
    path
    for pattern in ("*.md", "*.toml", "Makefile", "Containerfile", ".ci/run", "docs/**/*.md", "bench/*.md", "graphql/**/*", "static/src/**/*", "static/pages/*")
    for path in ROOT.glob(pattern)
    if path.is_file() and path.suffix not in {".png", ".svg"} and "generated" not in path.parts
)  # fmt: skip

# A docstring begins with a noun phrase or an imperative verb.
OPENING = re.compile(r"(What|Who|Whose|Whoever|Whom|Where|How|Which|Whether|When|Why|The same|Says|Tells)\b")
# Each with the term to use instead.
BANNED = {
    r"whoever|nobody|somebody|anybody|everybody": "name the actor: client, caller, admin, operator, writer, job, reader",
    r"mend(s|ed|ing)?": "repair, fix",
    r"wants|is wanted|wanted by": "needs, requires, accepts",
    r"is told|are told|tell(s)? of|news": "receives, reports, update",
    r"way in": "ingest",
    r"in a circle|circles": "deadlock, cycle",
}
PATTERN = re.compile("|".join(rf"\b({words})\b" for words in BANNED), re.IGNORECASE)

# Rooms that still speak the old language. Remove a line once its room passes.
NOT_YET = {
    "server/analytics",
    "bench", "tests/analytics", "tests/clients", "tests/dashboard",
    "tests/faults", "tests/jobs", "tests/operations", "tests/shipping", "tests/storage", "tests/transfer",
}  # fmt: skip
# Files that quote these words: client data, test input, a deprecated option, the list in this file.
QUOTED = {
    "tests/contracts/test_language.py",
    "static/pages/footfall.service",  # systemd: `Wants=`
    "tests/dialects/test_engagement.py",
    "server/scrubbing/patterns.py",
    "server/operations/maintenance_commands.py",
    "server/demo/scenario.py",
}

# Names that several modules share, each with its reason.
SHARED_NAMES = {
    "__init__": "Python's name for a package",
    "__main__": "Python's name for `python -m`",
    "conftest": "pytest's name for shared fixtures",
}


def done(path: Path) -> bool:
    """Return whether a file follows the guide: none of its parents, by path, is in NOT_YET."""
    parts = path.relative_to(ROOT).parts
    return not any("/".join(parts[:depth]) in NOT_YET for depth in range(1, len(parts) + 1))


def docstrings(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and (text := ast.get_docstring(node)):
            yield getattr(node, "lineno", 1), text


def test_a_docstring_begins_with_a_noun_phrase_or_a_verb() -> None:
    found = [(path, line, text) for path in PYTHON if done(path) for line, text in docstrings(path)]
    assert [f"{path.relative_to(ROOT)}:{line}: {text[:60]}" for path, line, text in found if OPENING.match(text)] == []


def test_text_uses_the_standard_terms() -> None:
    files = [path for path in [*PYTHON, *TEXT] if done(path) and str(path.relative_to(ROOT)) not in QUOTED]
    lines = [(path, number, line) for path in files for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)]
    assert [f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}" for path, number, line in lines if PATTERN.search(line)] == []


def test_a_modules_name_is_unique() -> None:
    found = defaultdict(list)
    for path in (ROOT / "server").rglob("*.py"):
        if path.stem not in SHARED_NAMES and done(path):
            found[path.stem].append(str(path.relative_to(ROOT)))
    # The engines are twins: two packages with the same files.
    twins = ("server/storage/sqlite/", "server/storage/postgres/")
    assert {name: paths for name, paths in found.items() if len(paths) > 1 and not all(path.startswith(twins) for path in paths)} == {}
