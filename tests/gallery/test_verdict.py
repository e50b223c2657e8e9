"""What is claimed, and which doubt there is: decided from a few numbers."""

from __future__ import annotations

import pytest

from verger.gallery.verdict import Bounds, Odds, Verdict, confidence_of, decide

BOUNDS = Bounds(variety=0.7, group=0.6, unlike=-5.0)


@pytest.mark.parametrize(
    ("odds", "verdict", "sure"),
    [
        (Odds(0.8, 0.9, 0.9, 0.0, single=False), Verdict.VARIETY, 0.8),
        (Odds(0.5, 0.9, 0.9, 0.0, single=False), Verdict.GROUP, 0.9),
        # Of a species with one label here, the label is named where the species may be.
        (Odds(0.65, 0.65, 0.9, 0.0, single=True), Verdict.VARIETY, 0.65),
        # Were the photo like others, it would be named: what is missing is familiarity.
        (Odds(0.4, 0.4, 0.8, -3.0, single=True), Verdict.UNFAMILIAR, 0.4),
        (Odds(0.4, 0.4, 0.45, 0.5, single=False), Verdict.AMBIGUOUS, 0.7),
        (Odds(0.9, 0.9, 0.99, -5.5, single=True), Verdict.UNKNOWN, 0.0),
    ],
)
def test_each_verdict_has_its_case(odds: Odds, verdict: Verdict, sure: float) -> None:
    assert decide(odds, BOUNDS) == (verdict, False)
    assert confidence_of(verdict, odds, [odds.group, 0.3]) == pytest.approx(sure)


@pytest.mark.parametrize(
    "odds",
    [
        Odds(0.69, 0.9, 0.9, 0.0, single=False),
        Odds(0.71, 0.9, 0.9, 0.0, single=False),
        Odds(0.59, 0.59, 0.9, 0.0, single=True),
        Odds(0.3, 0.3, 0.61, 0.0, single=True),
        Odds(0.9, 0.9, 0.9, -5.05, single=False),
        Odds(0.9, 0.9, 0.9, -4.95, single=False),
    ],
)
def test_what_is_close_to_a_bound_is_called_close(odds: Odds) -> None:
    assert decide(odds, BOUNDS)[1]


def test_a_variety_that_cannot_be_claimed_is_not_close_where_there_is_one_label() -> None:
    assert decide(Odds(0.7, 0.7, 0.9, 0.0, single=True), BOUNDS) == (Verdict.VARIETY, False)
