"""The labels of all photos of a table, as numbers, in the order of its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from verger.storage.place import Place
from verger.store.tables import TableWriter, batches

NO_LABEL = -1
Note = Callable[[int, int, pa.Array], None]

_NOTED = pa.schema([("row", pa.int64()), ("label", pa.string())])


class Labels(NamedTuple):
    """The L labels, sorted, and for each of n photos the place of its own there, or −1: int64."""

    names: tuple[str, ...]
    codes: npt.NDArray[np.int64]


class LabelNotes(NamedTuple):
    """Where tasks that read features for another reason note the labels that they meet.

    starts: for each file of the table, the number of its first row
    """

    place: Place
    folder: str
    starts: list[int]

    @contextmanager
    def noting(self, task: int) -> Iterator[Note]:
        """Give what notes labels of a file, those from a row on.

        A task that is tried twice writes the same twice.
        """
        to = f"{self.folder}/{task:05d}.parquet"
        with self.place.incoming(to) as file, TableWriter(file, _NOTED) as out:

            def note(number: int, row: int, labels: pa.Array) -> None:
                rows = pa.array(np.arange(len(labels)) + (self.starts[number] + row))
                columns = [rows, labels.cast(pa.string())]
                out.add(pa.RecordBatch.from_arrays(columns, schema=_NOTED))

            yield note

    def read(self) -> Labels:
        """Return what all tasks noted."""
        rows, labels = [np.zeros(0, np.int64)], []
        for file in self.place.files(self.folder, ".parquet"):
            for batch in batches(self.place, file):
                rows.append(np.asarray(batch.column("row")))
                labels.append(batch.column("label"))
        order = pa.array(np.argsort(np.concatenate(rows)))
        return encoded(pa.chunked_array(labels, pa.string()).take(order))


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
