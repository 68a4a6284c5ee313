"""The path of a question: few modules from the GraphQL field to the SQL, one return to a package at most, and all modules that read figures are in
docs/architecture.md.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from server.admin.auth import ALL_PROJECTS, Viewer
from server.admin.endpoint import Body, GraphQL
from server.dialects.parsing.times import iso
from server.history import History
from server.questions import reader
from server.services import Services
from server.settings import load
from server.storage.engine import Store
from server.storage.projects import Projects
from tests.questions.conftest import Filled
from tests.questions.dataset import END, START
from tests.quick import first

MOST = 8  # modules, with those of both ends
ADMIN = Viewer(kind="KEY", scopes=frozenset({"admin"}), project=ALL_PROJECTS, label="a test")
SPAN = f'period: {{from: "{iso(START)}", to: "{iso(END)}"}}'
WHERE = 'where: [{field: "os", values: ["linux"]}]'
FIELDS = {
    "ask": f'ask(question: {{{SPAN}, {WHERE}, measures: [EVENTS, INSTALLS, P90], by: [{{field: "version"}}], over: DAY, compare: PREVIOUS,'
    ' segments: [{name: "builds", where: [{field: "name", values: ["build"]}]}]}) { rows { keys figures { all } } }',
    "overview": f"overview({SPAN}, filter: {{{WHERE}}}) {{ events {{ value }} active {{ all {{ value }} }} }}",
    "breakdown": f"breakdown(by: VERSION, {SPAN}) {{ rows {{ value installs {{ all }} }} }}",
}
RUNS_SQL = {("server.storage", "rows"), ("server.storage", "rows_within"), ("server.history", "query")}


def module_of(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


async def paths_of(query: str, state: Services) -> set[tuple[str, ...]]:
    """The modules from the field, or from the task that continues its work, to each call that runs SQL."""
    found: set[tuple[str, ...]] = set()

    def profile(frame: FrameType, event: str, _: Any) -> None:
        package = ".".join(module_of(frame).split(".")[:2])
        if event != "call" or (package, frame.f_code.co_name) not in RUNS_SQL:
            return
        stack = list[str]()
        above: FrameType | None = frame
        while above is not None and not module_of(above).startswith("server.admin.endpoint"):
            if module_of(above).startswith("server."):
                stack.append(module_of(above))
            above = above.f_back
        modules = [module for module, _ in itertools.groupby(reversed(stack))]
        ends = [place for place, module in enumerate(modules) if module.startswith("server.history")]
        found.add(tuple(modules[: ends[0] + 1] if ends else modules))  # the history reads the store itself

    graphql = GraphQL()
    await graphql.run(state, ADMIN, Body(query=query))  # warm: what is read only once is not part of the path
    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        answer = await graphql.run(state, ADMIN, Body(query=query))
    finally:
        sys.setprofile(before)
    assert answer.errors == []
    return found


@pytest.mark.parametrize("source", first(["history", "store"]))
@pytest.mark.parametrize("name", FIELDS)
async def test_a_question_takes_a_short_way_to_the_sql(
    filled: Filled, full: Store, tmp_path: Path, name: str, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "HISTORY_FROM", 0)
    history = History(full, load({"FOOTFALL_DATA_DIR": str(tmp_path), "FOOTFALL_HISTORY": "on" if source == "history" else "off"}))
    await history.build(lag=0)
    projects = Projects(max_targets=filled.settings.max_targets, public=filled.settings.public)
    await projects.refresh()
    state = Services({"settings": filled.settings, "store": full, "history": history, "projects": projects})
    paths = await paths_of(f'{{ project(slug: "default") {{ {FIELDS[name]} }} }}', state)
    history.close()
    question_paths = {path for path in paths if any(module.startswith(("server.questions", "server.analytics")) for module in path)}
    assert question_paths
    assert source != "history" or any(path[-1].startswith("server.history") for path in question_paths)
    listed = (Path(__file__).parents[2] / "docs" / "architecture.md").read_text()
    for path in question_paths:
        assert len(path) <= MOST, path
        packages = [package for package, _ in itertools.groupby(module.split(".")[1] for module in path)]
        assert len(packages) - len(set(packages)) <= 1, (
            path
        )  # the cache of slow answers is in `questions`, and wraps questions of `analytics`
        read = itertools.dropwhile(lambda module: module != "server.questions.reader", path)
        missing = [module for module in read if module.startswith("server.questions") and f"{module.split('.')[-1]}.py`" not in listed]
        assert missing == [], path
