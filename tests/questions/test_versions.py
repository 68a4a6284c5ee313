"""Ranges and the order of versions."""

from __future__ import annotations

import pytest

from server.questions import versions

VERSIONS = (
    "2.6.9",
    "2.7.0-rc.1",
    "2.7.0",
    "2.7.4+build",
    "v2.7.5-beta",
    "2.8.0-rc.1",
    "2.8.0",
    "3.0.0-alpha",
    "3.0.0",
    "20.7.0",
    "nightly",
)


@pytest.mark.parametrize("parts", [1, 2])
def test_a_bare_version_matches_exactly_the_versions_of_its_group(parts: int) -> None:
    for group in {versions.group(version, parts) for version in VERSIONS} - {"nightly"}:
        matches = versions.matcher(group)
        assert [matches(version) for version in VERSIONS] == [versions.group(version, parts) == group for version in VERSIONS], group


def test_the_newest_version_comes_first_and_texts_that_are_none_last() -> None:
    more = ["1.2.3.10", "1.2.3.9", "0.9", "dev-7"]
    expected = [
        "20.7.0", "3.0.0", "3.0.0-alpha", "2.8.0", "2.8.0-rc.1", "v2.7.5-beta", "2.7.4+build", "2.7.0", "2.7.0-rc.1", "2.6.9",
        "1.2.3.10", "1.2.3.9", "0.9", "dev-7", "nightly",
    ]  # fmt: skip
    assert versions.newest_first(sorted([*VERSIONS, *more])) == expected
