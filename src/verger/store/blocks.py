"""Rows of a table as matrices, in blocks that are large enough for products."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa

ROWS_A_BLOCK = 2048


def blocks(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Gather batches into tables of some 2,048 rows, large enough for matrix products."""
    held: list[pa.RecordBatch] = []
    for batch in batches:
        if len(batch):
            held.append(batch)
        if sum(len(one) for one in held) >= ROWS_A_BLOCK:
            yield pa.Table.from_batches(held)
            held = []
    if held:
        yield pa.Table.from_batches(held)


class UnlikeLengths(ValueError):
    """The lists of a column are not all of one length."""

    def __init__(self, one: int, other: int) -> None:
        super().__init__(f"Rows of features differ in length: {one} and {other}.")


def matrix(column: pa.Array | pa.ChunkedArray, width: int | None = None) -> np.ndarray[Any, Any]:
    """Lay a column of lists of numbers out as a matrix (n, width), without a copy where it can be.

    `width` is that of the first list unless given. A null in a list becomes NaN. Raises
    `UnlikeLengths` for a list of another length.
    """
    lists = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    lengths = np.asarray(lists.value_lengths())
    wanted = int(lengths[0]) if width is None else width
    if (lengths != wanted).any():
        raise UnlikeLengths(wanted, int(lengths[lengths != wanted][0]))
    return np.asarray(lists.flatten()).reshape(len(lists), wanted)
