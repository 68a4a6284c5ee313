"""Buckets of durations, fields of installs, and ids that are times."""

from __future__ import annotations

import uuid
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from server.event import Context
from server.event_id import EPOCH, SEQUENCES, EventIds, first_id, from_uuid, received_at, to_uuid
from server.storage.commit.fold import InstallState
from server.storage.rollups import INSTALL_FIELDS, bucket_bounds, bucket_middle, duration_bucket

durations = st.integers(min_value=0, max_value=10**13)
times = st.integers(min_value=EPOCH, max_value=EPOCH + 60 * 365 * 86_400_000)


@given(durations)
def test_a_duration_lies_in_its_bucket_and_within_two_percent_of_its_middle(duration: int) -> None:
    first, end = bucket_bounds(duration_bucket(duration))
    assert first <= duration < end
    assert abs(bucket_middle(duration_bucket(duration)) - duration) <= 0.02 * duration


@given(durations, durations)
def test_a_longer_duration_is_never_in_a_lower_bucket(one: int, other: int) -> None:
    if one <= other:
        assert duration_bucket(one) <= duration_bucket(other)


def test_buckets_follow_each_other_without_a_gap() -> None:
    for bucket in range(1_300):
        assert bucket_bounds(bucket)[1] == bucket_bounds(bucket + 1)[0]


def test_each_field_of_an_install_has_the_value_of_its_context() -> None:
    state = InstallState(project=1, first_seen=0, last_seen=0)
    named: dict[str, Any] = {name: name for name in INSTALL_FIELDS}
    state.add(0, 0, Context(**named))
    assert state.fields == list(INSTALL_FIELDS)


@given(times, st.integers(min_value=0, max_value=5_000), st.integers(min_value=1, max_value=3 * SEQUENCES))
def test_ids_ascend_and_carry_the_time_of_arrival(at: int, node: int, count: int) -> None:
    ids = list(EventIds(node).take(count, at))
    assert len(set(ids)) == count
    assert ids == sorted(ids)
    assert received_at(ids[0]) == at
    assert first_id(at) <= ids[0]


def test_ids_never_repeat_when_the_clock_goes_back() -> None:
    ids = EventIds(1)
    taken = [*ids.take(5, EPOCH + 1_000), *ids.take(5, EPOCH + 500), *ids.take(SEQUENCES, EPOCH + 1_000), *ids.take(5, EPOCH + 999)]
    assert len(set(taken)) == len(taken)
    assert taken == sorted(taken)


def test_two_processes_never_give_the_same_id() -> None:
    assert not set(EventIds(1).take(3_000, EPOCH)) & set(EventIds(2).take(3_000, EPOCH))


@given(times, st.integers(min_value=0, max_value=1023))
def test_an_id_is_a_uuid_of_version_seven_and_comes_back(at: int, node: int) -> None:
    event_id = EventIds(node).take(1, at)[0]
    shown = uuid.UUID(to_uuid(event_id))
    assert shown.version == 7
    assert shown.variant == uuid.RFC_4122
    assert shown.int >> 80 == at
    assert from_uuid(str(shown)) == event_id
