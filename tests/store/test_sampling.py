"""Samples do not depend on the order of the rows, and are even over labels."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from verger.store.sampling import keys_of, stratified

LABELS = st.lists(st.integers(-1, 6), min_size=1, max_size=120)


def drawn(paths: list[str], codes: list[int], most: int) -> list[int]:
    column = pa.chunked_array([paths[:7], paths[7:]], pa.string())
    return [int(row) for row in stratified(np.array(codes), most, lambda: keys_of(column))]


def named(count: int) -> list[str]:
    return [f"pommes/été/{number}.jpg" for number in range(count)]


@given(LABELS, st.integers(1, 60))
def test_a_stratified_sample_is_even_over_labels(labels: list[int], most: int) -> None:
    rows = drawn(named(len(labels)), labels, most)
    assert len(rows) == len(set(rows)) <= most
    assert sorted(rows) == rows
    if len(labels) <= most:
        assert len(rows) == len(labels)
        return
    codes = np.array(labels)
    names, counts = np.unique(codes, return_counts=True)
    if len(names) > most:
        assert len(rows) == most
        return
    taken = np.array([(codes[rows] == name).sum() for name in names])
    level = taken.max()
    assert (taken == np.minimum(counts, level)).all()
    assert np.minimum(counts, level + 1).sum() > most  # one more of each would not have fitted


@given(LABELS, st.integers(1, 60), st.randoms(use_true_random=False))
def test_whatever_the_order_of_the_rows_the_sample_is_the_same(
    labels: list[int], most: int, random: object
) -> None:
    paths = named(len(labels))
    order = list(range(len(labels)))
    random.shuffle(order)  # type: ignore[attr-defined]
    rows = drawn([paths[at] for at in order], [labels[at] for at in order], most)
    assert sorted(order[row] for row in rows) == drawn(paths, labels, most)


def test_small_tables_are_taken_whole_without_reading_paths() -> None:
    assert stratified(np.zeros(5, np.int64), 5, lambda: 1 / 0).tolist() == [0, 1, 2, 3, 4]  # type: ignore[arg-type,return-value]
