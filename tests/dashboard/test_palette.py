"""Colors: neighbors in charts are distinguishable with any vision, forced colors keep bars and selections, and focus has a visible ring."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import combinations, pairwise
from typing import Any

import pytest

from server.settings import bundled
from tests.dashboard.colors import VISIONS, difference, lab, luminance

pytestmark = pytest.mark.xdist_group("dashboard")

STYLES = bundled("static") / "src" / "styles" / "base.css"
SERIES = tuple(f"c{number}" for number in range(1, 9))
# Adjacent colors in charts: series in order, each beside the rest (c8), and colors that pages name.
NEIGHBORS = (
    *pairwise(SERIES),
    *((name, "c8") for name in SERIES[:-2]),
    ("bad", "c2"),
    ("bad", "c3"),
    ("bad", "c8"),
    ("c2", "c3"),
    ("accent", "c3"),
    ("accent", "c4"),
)
APART, DISTINCT = 15, 8  # CIEDE2000: neighbors in a chart; any two series


def themes() -> dict[str, dict[str, str]]:
    """The colors of each theme, from the style sheet of the pages."""
    blocks = [block for block in re.findall(r"\{([^{}]*)\}", STYLES.read_text()) if "--c1:" in block]
    light, dark, preferred = (dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6})", block)) for block in blocks)
    assert dark == preferred, "the style sheet has the dark theme twice, and both must be equal"
    return {"light": light, "dark": dark}


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_the_formula_gives_what_its_authors_published() -> None:
    for one, other, value in (
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((50, -1, 2), (50, 0, 0), 2.3669),
        ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
    ):
        assert difference(one, other) == pytest.approx(value, abs=1e-4)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("vision", VISIONS)
def test_colors_of_charts_are_distinguishable(theme: str, vision: str) -> None:
    colors = {name: lab(value, vision) for name, value in themes()[theme].items()}
    close = {pair: difference(colors[pair[0]], colors[pair[1]]) for pair in NEIGHBORS}
    assert {pair: round(value, 1) for pair, value in close.items() if value < APART} == {}
    alike = {pair: difference(colors[pair[0]], colors[pair[1]]) for pair in combinations(SERIES, 2)}
    assert {pair: round(value, 1) for pair, value in alike.items() if value < DISTINCT} == {}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_focus_ring_is_seen_and_is_not_the_color_of_what_is_picked(theme: str) -> None:
    colors = themes()[theme]
    for vision in VISIONS:
        assert difference(lab(colors["ring"], vision), lab(colors["accent"], vision)) >= APART
    for ground in ("paper", "raised", "side", "sunken", "accent-soft"):
        assert contrast(colors["ring"], colors[ground]) >= 3, ground


LOOK = """(each) => { const style = getComputedStyle(each);
  return [style.backgroundColor, style.color, style.outlineStyle, style.outlineColor].join(" "); }"""


@pytest.mark.slow
def test_focus_looks_different_from_picked(visit: Callable[..., Any]) -> None:
    page = visit().open("/d/demo")
    picked = page.get_by_role("button", name="30 days")
    before = picked.evaluate(LOOK)
    page.keyboard.press("Tab")
    page.get_by_role("button", name="7 days").focus()
    focused = page.get_by_role("button", name="7 days").evaluate(LOOK)
    assert focused != before
    assert "solid rgb(26, 86, 219)" in focused


@pytest.mark.slow
def test_forced_colors_keep_bars_and_picked_states(visit: Callable[..., Any]) -> None:
    page = visit(forced_colors="active").open("/d/demo?os=linux")
    bar = page.get_by_role("region", name="Versions").locator(".bar").first
    edge, ground = bar.evaluate(
        "(each) => [getComputedStyle(each).borderBottomColor, getComputedStyle(each.closest('.card')).backgroundColor]"
    )
    assert edge != ground
    assert bar.evaluate("(each) => parseFloat(getComputedStyle(each).borderBottomWidth)") >= 4
    for name in ("30 days", "Everything"):
        picked = page.get_by_role("button", name=name, exact=True)
        others = picked.locator("xpath=../button[@aria-pressed='false']").first
        assert picked.evaluate(LOOK) != others.evaluate(LOOK), name
    systems = page.get_by_role("region", name="Operating systems")
    assert "solid" in systems.locator("button[aria-pressed='true']").evaluate(LOOK)
    assert "solid" in page.locator(".figure-card.picked").evaluate(LOOK)
    swatches = page.locator(".legend i").evaluate_all("(all) => all.map((each) => getComputedStyle(each).backgroundColor)")
    assert len(set(swatches)) == len(swatches)
