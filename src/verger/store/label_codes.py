"""The labels of all photos of a table, as numbers, in the order of its rows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from verger.store.tables import Table

NO_LABEL = -1


class Labels(NamedTuple):
    """The L labels, sorted, and for each of n photos the place of its own there, or −1: int64."""

    names: tuple[str, ...]
    codes: npt.NDArray[np.int64]


def labels_of(table: Table) -> Labels:
    """Read the labels of a table, and no other column."""
    return encoded(table.column("label"))


def encoded(labels: pa.ChunkedArray) -> Labels:
    """Number labels in the order of their names."""
    encoded = labels.dictionary_encode().unify_dictionaries()
    if not encoded.num_chunks:
        return Labels((), np.zeros(0, np.int64))
    found = encoded.chunk(0).dictionary.to_pylist()
    order = sorted(range(len(found)), key=lambda at: found[at])
    place = np.empty(len(found) + 1, np.int64)
    place[order] = np.arange(len(found))
    place[-1] = NO_LABEL
    codes = [np.asarray(chunk.indices.cast(pa.int64()).fill_null(-1)) for chunk in encoded.chunks]
    return Labels(tuple(found[at] for at in order), place[np.concatenate(codes)])
