"""Every card of the dashboard opens in Explore with the same figures, or is listed here with the reason why it is not a question."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("dashboard")]

# Cards without a link to Explore, by a pattern of their title.
NO_QUESTION = {
    "Known installs|Known people": "counts installs of all time, of which only some were active in the period",
    "Versions over time": "counts an install once in each step, under the last version that it ran; questions count it under each version",
    "Installs|Latest failures|Samples|Recently rejected|Audit log": "lists single rows",
    "All time": "counts from the first event on, whatever the period",
    "Trending": "scores that a job computes",
    "Live events": "events as they arrive",
    "Received events by result|Events not stored|Reasons|Limited addresses": "counts of the ledger, in which most events are not stored",
    "Server|Jobs": "state of the server",
}
METRICS = ("?metric=new", "?metric=events", "?metric=success", "?metric=duration", "?metric=installs")
PAGES = (
    "?",
    "/installs?",
    "/usage?",
    "/funnel?step=init&step=build&step=deploy&by=os",
    "/errors?error=ConfigError",
    "/downloads?",
    "/live?",
    "/health?",
    "/settings?",
)
ALL_CARDS = 100  # of each kind
CHANGED = ("?versions=minor", "/installs?by=os&cohorts=day", "/usage?times=lint", "/errors?error=", "/downloads?type=pack&count=events")
VIEWS = (
    (PAGES, "", 1),
    pytest.param(PAGES, "", ALL_CARDS, marks=pytest.mark.slow),
    pytest.param(METRICS + CHANGED, "", ALL_CARDS, marks=pytest.mark.slow),
    pytest.param(PAGES + CHANGED, "&range=7d&who=people&os=linux", ALL_CARDS, marks=pytest.mark.slow),
    pytest.param(("?", "/installs?"), "&range=today", ALL_CARDS, marks=pytest.mark.slow),
)

# Keeps what cards save instead of a download.
KEEP_SAVED = """
URL.createObjectURL = (blob) => (window.saved = blob.text(), "data:,");
const click = HTMLAnchorElement.prototype.click;
HTMLAnchorElement.prototype.click = function () { if (!this.download) click.call(this); };
"""
READ_CARDS = """async () => {
  const textOf = (item, selector) => (item.querySelector(selector)?.innerText ?? "").replaceAll(/\\s*\\n\\s*/g, " ");
  const cards = [];
  for (const card of document.querySelectorAll("section.card[aria-label]")) {
    const button = [...card.querySelectorAll(":scope > header button")].find(({ textContent }) => textContent.trim() === "Save as CSV");
    window.saved = null;
    button?.click();
    while (button && window.saved === null) await new Promise((resolve) => setTimeout(resolve, 5));
    const link = card.querySelector(":scope > header a.explore-link");
    const items = card.querySelectorAll(":scope > .bars > li, :scope > .rows > li:has(.row-figure)");
    cards.push({
      title: card.getAttribute("aria-label"),
      link: link && link.getAttribute("href"),
      csv: button ? await window.saved : "",
      shown: [...items].map((item) => [textOf(item, ".bar-label, b"), textOf(item, ".bar-figure, .row-figure")]),
      text: card.innerText,
    });
  }
  for (const card of document.querySelectorAll(".totals .figure-card")) {
    cards.push({ title: `total: ${textOf(card, "h2")}`, link: null, csv: "", shown: [], text: textOf(card, ".big") });
  }
  return cards;
}"""


class Card(NamedTuple):
    title: str
    link: str | None
    columns: list[str]
    rows: list[list[str]]
    shown: dict[str, float]  # bars that are visible; the file may have more
    text: str

    def column(self, name: str | int) -> dict[str, float]:
        """A column of the file by the labels of its rows. No value counts as 0, which bars and stacked charts draw for it."""
        place = name if isinstance(name, int) else self.columns.index(name)
        return {_label(row[0]): float(row[place] or 0) for row in self.rows}


Cards = dict[str, Card]


def _label(text: str) -> str:
    """The label of a group, which cards write differently."""
    return "(none)" if text in ("not reported", "No error type") else text.rpartition(" · ")[2]


def read(tab: Any, path: str) -> list[Card]:
    found = []
    for each in tab.go(path).evaluate(READ_CARDS):
        rows = list(csv.reader(each["csv"].splitlines()))
        shown = {_label(label): float(figure.replace(",", "")) for label, figure in each["shown"] if re.fullmatch(r"[\d,]+", figure)}
        found.append(Card(each["title"], each["link"], rows[0] if rows else [], rows[1:], shown, each["text"]))
    return found


def same_lines(card: Card, explored: Cards) -> None:
    """Compare a chart over time with charts of Explore."""

    def of(title: str, label: str | None = None) -> dict[str, float]:
        chart = explored[title]
        place = chart.columns.index(label) if label in chart.columns else 1
        return chart.column(place) if label is None or label in chart.columns else dict.fromkeys(chart.column(1), 0)

    title = card.title.replace(" people", " installs")
    if title == "Events by outcome":
        expected = {line: of("Events", word) for line, word in (("Failure", "Failure"), ("Success", "Success"), ("No outcome", "None"))}
    elif title == "New and returning":
        installs, new = of("Installs"), of("New installs")
        expected = {"New": new, "Returning": {start: count - new[start] for start, count in installs.items()}}
    elif title == "Active in 1, 7 and 30 days":
        expected = {"1 day": of("Installs")}  # longer windows overlap, which the steps of a question do not
    elif title == "Success rate":
        failed = explored["Failure rate"]
        ended = {row[0]: row[1] != "" for row in failed.rows}
        expected = {"Current period": {start: 1 - rate if ended[start] else 0 for start, rate in failed.column(1).items()}}
    else:
        expected = {"Current period": of("Installs" if title == "Active installs" else title)}
    near = 0.02 if title == "Median duration" else 1e-9  # the chart is from histograms, and says so
    for line, values in expected.items():
        assert card.column(line) == pytest.approx(values, rel=near), line


def same_bars(card: Card, explored: Cards) -> None:
    """Compare bars with the first card of Explore: it has no other figures than the card's file, and each visible bar.

    Groups of equal size may be in another order, so that the last ones differ.
    """
    answer = next(each for title, each in explored.items() if title.startswith(("Events", "Installs")))
    counted, listed, shown = (
        {label: count for label, count in counts.items() if count and label not in ("(other)", "(none)")}
        for counts in (answer.column(1), card.column(1), card.shown)
    )
    assert counted.items() <= listed.items()
    missing = shown.items() - counted.items()
    assert all(count == min(counted.values()) and label not in counted for label, count in missing), missing


def same_usage(card: Card, explored: Cards) -> None:
    columns = {"events": "Events", "p50 ms": "Median duration", "p75 ms": "p75 of durations", "p95 ms": "p95 of durations"}
    for column, title in {**columns, "p99 ms": "p99 of durations"}.items():
        assert card.column(column).items() <= explored[title].column(1).items(), column
    successes, failures = card.column("successes"), card.column("failures")
    rates = {label: count / ((successes[label] + count) or 1) for label, count in failures.items()}
    shown = explored["Failure rate"].column(1)
    assert {label: shown[label] for label in rates} == pytest.approx(rates)


def same_errors(card: Card, explored: Cards) -> None:
    """Compare error types. Events with a type that did not fail are a segment of their own."""
    for place, name in enumerate(("Events", "Installs")):
        parts = [each.column(1) for title, each in explored.items() if title.partition(":")[0] == name]
        assert parts
        added = {label: sum(part.get(label, 0) for part in parts) for label in parts[0]}
        only = {label for label in added if name == "Events" or sum(part.get(label, 0) > 0 for part in parts) == 1}
        listed = card.column(name.lower()) if card.rows else card.shown if place == 0 else {}
        if card.rows:
            assert listed.keys() - added.keys() == set()
        compared = {label: count for label, count in listed.items() if label in only}
        assert compared.items() <= added.items(), name
        assert len(compared) > 0 or not listed


def same_table(card: Card, explored: Cards) -> None:
    assert (explored[card.title].columns, explored[card.title].rows) == (card.columns, card.rows)


def same_mean(card: Card, explored: Cards) -> None:
    """Compare a histogram with the mean of Explore: its bars are not part of a question."""
    assert f"mean {explored['total: Mean duration'].text}" in card.text


def same_nothing(card: Card, explored: Cards) -> None:
    assert not any(count for column in range(1, len(card.columns)) for count in card.column(column).values())
    assert not card.shown


COMPARISONS: dict[str, Callable[[Card, Cards], None]] = {
    r"Retention.*|Funnel|By .* system": same_table,
    r"Errors|By type": same_errors,
    r"Commands and other events": same_usage,
    r"Durations of .*": same_mean,
}


def kind_of(card: Card) -> str:
    """The title of a chart over time, whose comparisons differ, a pattern of titles with a comparison of their own, or "bars"."""
    if "p50 ms" in card.columns:
        return "usage"
    found = next((pattern for pattern in COMPARISONS if re.fullmatch(pattern, card.title)), None)
    return found or (card.title if card.columns[0].startswith("from") else "bars")


def comparison_of(card: Card, explored: Cards) -> Callable[[Card, Cards], None]:
    if "No events match" in explored:
        return same_nothing
    kind = kind_of(card)
    if kind == "usage":
        return same_usage
    return COMPARISONS.get(kind, same_bars if kind == "bars" else same_lines)


@pytest.mark.parametrize(("paths", "view", "most"), VIEWS)
def test_every_card_opens_in_explore_with_the_same_figures(visit: Callable[..., Any], paths: tuple[str, ...], view: str, most: int) -> None:
    """Every card has a link or a reason. Up to `most` cards of each kind are opened."""
    tab = visit()
    tab.page.add_init_script(KEEP_SAVED)
    answers: dict[str, Cards] = {}
    kinds: Counter[str] = Counter()
    for path in paths:
        for card in read(tab, f"/d/demo{path}{view}"):
            reasons = [reason for pattern, reason in NO_QUESTION.items() if re.fullmatch(pattern, card.title)]
            if card.link is None:
                assert reasons or card.title.startswith("total"), f"{card.title} of {path} does not open in Explore"
                continue
            kinds[kind_of(card)] += 1
            if kinds[kind_of(card)] > most:
                continue
            if card.link not in answers:
                answers[card.link] = {each.title: each for each in read(tab, card.link)}
            try:
                comparison_of(card, answers[card.link])(card, answers[card.link])
            except (AssertionError, KeyError, StopIteration) as error:
                raise AssertionError(f"{card.title} of {path}{view}, opened as {card.link}: {error}") from error
