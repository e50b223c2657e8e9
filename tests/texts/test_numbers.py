"""Numbers as each language writes them."""

from __future__ import annotations

import pytest

from verger.texts.numbers import Numbers


@pytest.mark.parametrize(
    ("language", "number", "parts", "share", "size", "shift", "power"),
    [
        ("en", "1,234,567", "12,345.7", "12.3%", "1.5\u00a0MB", "+0.25", "1.1e-09"),
        ("fr", "1\u202f234\u202f567", "12\u202f345,7", "12,3\u202f%", "1,5\u00a0Mo", "+0,25",
         "1,1e-09"),
    ],
)  # fmt: skip
def test_numbers_are_written_as_the_language_writes_them(
    language: str, number: str, parts: str, share: str, size: str, shift: str, power: str
) -> None:
    say = Numbers(language)
    assert say.number(1_234_567) == number
    assert say.number(12345.67, 1) == parts
    assert say.percent(0.1234) == share
    assert say.percent(float("nan")) == "–"
    assert say.size(1_500_000) == size
    assert say.number(0.25, 2, signed=True) == shift
    assert say.power(1.1e-9) == power


@pytest.mark.parametrize(
    ("share", "written"), [(0.95, "95%"), (0.9, "90%"), (1.0, "100%"), (0.955, "95.5%")]
)
def test_a_share_that_was_asked_for_has_the_digits_it_was_asked_with(
    share: float, written: str
) -> None:
    assert Numbers("en").exact(share) == written


def test_durations_and_days_are_written_for_people() -> None:
    english, french = Numbers("en"), Numbers("fr")
    assert french.seconds(200_000) == "2,3\u00a0jours"
    assert english.seconds(100) == "2\u00a0min"
    assert english.seconds(9.46) == "9.5\u00a0s"
    assert french.day("2026-11-05T10:00:00Z") == "5 novembre 2026"
    assert english.day("yesterday") == "yesterday"
