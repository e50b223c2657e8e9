"""Moments on their way between tasks. No Spark session."""

from __future__ import annotations

import numpy as np
import pytest

from verger.errors import EngineError
from verger.projections.moments import Moments
from verger.spark.moment_chunks import _chunks, _merged

ROWS = np.random.default_rng(0).normal(size=(50, 1100)).astype(np.float32)
LABELS = ["a", "é", None, "b", "b"] * 10


def rows_of(parts: dict[str, Moments]) -> list[dict[str, object]]:
    return [row for batch in _chunks(parts) for row in batch.to_pylist()]


def test_moments_arrive_as_they_left() -> None:
    sent = {"raw": Moments.of(ROWS), "unit": Moments.of(ROWS, LABELS)}
    rows = rows_of(sent)
    assert len(rows) > 1
    got, parts = _merged(reversed(rows))
    assert parts == 1
    for space, moments in sent.items():
        np.testing.assert_array_equal(got[space].scatter, moments.scatter)
        np.testing.assert_array_equal(got[space].mean, moments.mean)
        np.testing.assert_array_equal(got[space].label_means, moments.label_means)
        assert (got[space].n, got[space].labels) == (moments.n, moments.labels)


def test_a_chunk_that_is_lost_is_an_error() -> None:
    rows = rows_of({"raw": Moments.of(ROWS)})
    with pytest.raises(EngineError, match="lost on their way"):
        _merged(rows[:-1])


def test_moments_of_nothing_are_a_part_too() -> None:
    assert _merged(rows_of({})) == ({}, 1)
