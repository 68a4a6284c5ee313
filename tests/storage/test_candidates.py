"""New words that wait for a second sender."""

from __future__ import annotations

from server.storage.commit.candidates import OF_ONE, Candidates, Sight

PLACE = "event_name"


def test_the_number_of_waiting_words_of_one_sender_is_bounded() -> None:
    words = Candidates()
    assert [words.see(PLACE, number, 1) for number in range(OF_ONE)] == [Sight.FIRST] * OF_ONE
    assert words.see(PLACE, "next", 1) is Sight.AGAIN


def test_the_confirmed_words_of_an_office_make_room_for_its_next_ones() -> None:
    words = Candidates()
    for number in range(3 * OF_ONE):
        assert words.see(PLACE, number, 1) is Sight.FIRST
        assert words.see(PLACE, number, 2) is Sight.CONFIRMED


def test_a_repeated_transaction_finds_its_words_confirmed() -> None:
    words = Candidates()
    words.see(PLACE, "build", 1)
    assert [words.see(PLACE, "build", 2) for _ in range(2)] == [Sight.CONFIRMED, Sight.CONFIRMED]
    assert words.see(PLACE, "build", 1) is Sight.CONFIRMED
