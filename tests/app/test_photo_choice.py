"""Which photos an app holds: laws, and the arithmetic of what they are kept in."""

from __future__ import annotations

import numpy as np
import pytest

from verger.app.packing import in_sixteen_bits
from verger.app.photo_choice import chosen, evenly, most_each, stands_for


@pytest.mark.parametrize("most", [0, 1, 5, 40, 1000])
def test_as_many_of_each_label_as_fit(most: int) -> None:
    rng = np.random.default_rng(most)
    label_ids = rng.integers(-1, 6, 200)
    rows = chosen(label_ids, most)
    assert len(rows) <= most
    assert (np.diff(rows) > 0).all()
    there, kept = np.bincount(label_ids + 1), np.bincount(label_ids[rows] + 1, minlength=7)
    each = most_each(there, most)
    np.testing.assert_array_equal(kept, np.minimum(there, each))
    assert np.minimum(there, each + 1).sum() > most or each == there.max()


def test_all_of_a_small_gallery() -> None:
    label_ids = np.array([2, 0, 0, 1, -1])
    np.testing.assert_array_equal(chosen(label_ids, 5), np.arange(5))
    np.testing.assert_array_equal(stands_for(label_ids, np.arange(5)), np.ones(5))
    assert len(chosen(np.zeros(0, np.int64), 5)) == 0


def test_those_that_are_there_speak_for_those_that_are_not() -> None:
    label_ids = np.repeat([0, 1, 2], [100, 10, 1])
    rows = chosen(label_ids, 21)
    speaks = stands_for(label_ids, rows)
    np.testing.assert_allclose(np.bincount(label_ids[rows], speaks), [100, 10, 1])


def test_photos_of_a_label_are_taken_all_along() -> None:
    assert evenly(np.arange(100), 4).tolist() == [0, 25, 50, 75]
    assert evenly(np.arange(3), 4).tolist() == [0, 1, 2]


def test_vectors_of_sixteen_bits_give_nearly_the_same_cosines() -> None:
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(300, 64)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    rows[7] = 0
    whole, scales = in_sixteen_bits(rows)
    back = whole * scales[:, None]
    assert np.abs(back @ rows.T - rows @ rows.T).max() < 5e-5
    lengths = np.linalg.norm(back, axis=1)
    np.testing.assert_allclose(np.delete(lengths, 7), 1, atol=1e-6)
    assert lengths[7] == 0
