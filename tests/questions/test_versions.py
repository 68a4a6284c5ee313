"""Ranges of versions."""

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
