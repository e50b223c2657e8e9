"""Lists laid out as matrices, and rows gathered into blocks."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from verger.store.blocks import UnlikeLengths, blocks, matrix

ROWS = np.random.default_rng(0).normal(size=(50, 1100)).astype(np.float32)


@pytest.mark.parametrize("kind", [pa.list_, pa.large_list])
def test_lists_are_laid_out_as_a_matrix(kind: object) -> None:
    lists = pa.array(ROWS[:6, :4].tolist(), kind(pa.float32()))  # type: ignore[operator]
    for column in (lists, pa.chunked_array([lists[:2], lists[2:]]), lists[1:5]):
        start = 1 if len(column) == 4 else 0
        laid = matrix(column)
        np.testing.assert_array_equal(laid, ROWS[start : start + len(column), :4])
        np.testing.assert_array_equal(matrix(column, 4), laid)


def test_lists_of_unlike_lengths_are_refused() -> None:
    with pytest.raises(UnlikeLengths, match="2 and 1"):
        matrix(pa.array([[1.0, 2.0], [3.0]]))
    with pytest.raises(UnlikeLengths, match="3 and 2"):
        matrix(pa.array([[1.0, 2.0]]), 3)
    with pytest.raises(UnlikeLengths, match="2 and 4"):  # as many numbers as two rows of 3
        matrix(pa.array([[1.0, 2.0], [3.0, 4.0, 5.0, 6.0]]))


def test_a_null_in_a_list_is_nan() -> None:
    assert np.isnan(matrix(pa.array([[1.0, None]]))[0, 1])


def test_blocks_keep_all_rows_in_order() -> None:
    batches = [pa.record_batch({"row": range(at, at + 1500)}) for at in range(0, 9000, 1500)]
    tables = list(blocks([*batches, batches[0].slice(0, 0)]))
    assert [len(table) for table in tables] == [3000, 3000, 3000]
    rows = [row for table in tables for row in table["row"].to_pylist()]
    assert rows == list(range(9000))
