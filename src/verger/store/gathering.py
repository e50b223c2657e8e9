"""What is taken along while features are read for the matrix, for all that comes after it.

The gallery needs the projected vector of each photo, the report sizes and small pictures of all and
the features of a sample, the validation those of another. Whoever reads the features for the matrix
writes this beside it, in the work folder, and features are not read again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from verger.storage.place import Place
from verger.store.tables import TableWriter, batches

Ints = npt.NDArray[np.int64]
Take = Callable[[pa.Table, Ints], None]

_ROWS_A_GROUP = 4_096
_ALWAYS = [("row", pa.int64()), ("path", pa.string()), ("label", pa.string())]
_HEAVY = {"features": pa.list_(pa.field("element", pa.float32())), "thumbnail": pa.binary()}


class Taker(Protocol):
    """Takes some values of each photo. It goes to workers."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a table of features that it reads."""

    @property
    def fields(self) -> dict[str, pa.DataType]:
        """What it gives, by name."""

    def __call__(self, rows: pa.Table) -> dict[str, pa.Array]:
        """Return `fields` of a block of rows."""


@dataclass(frozen=True, slots=True)
class Gathering:
    """What is taken, and the place whose work folder it goes to.

    takers: what takes little of each photo, beside its row in the table, its path and its label
    rows:   the rows of which the columns `heavy` (features, thumbnail) are kept, ascending
    """

    place: Place
    takers: tuple[Taker, ...]
    rows: Ints
    heavy: tuple[str, ...]

    @property
    def columns(self) -> list[str]:
        """The columns of the table that are read for it."""
        return ["path", "label", *self.heavy, *chain(*(taker.columns for taker in self.takers))]

    @contextmanager
    def into(self, light: str, heavy: str) -> Iterator[Take]:
        """Give what takes from blocks of rows, with their numbers, and writes to two files."""
        given = chain(*(taker.fields.items() for taker in self.takers))
        of_all = pa.schema([*_ALWAYS, *given])
        of_some = pa.schema([("row", pa.int64()), *((name, _HEAVY[name]) for name in self.heavy)])
        with (
            self.place.incoming(light) as light_file,
            self.place.incoming(heavy) as heavy_file,
            TableWriter(light_file, of_all, _ROWS_A_GROUP) as light_rows,
            TableWriter(heavy_file, of_some) as heavy_rows,
        ):

            def take(block: pa.Table, numbers: Ints) -> None:
                values: dict[str, Any] = {"row": numbers, "path": block["path"]}
                values["label"] = block["label"]
                for taker in self.takers:
                    values |= taker(block)
                _add(light_rows, values, of_all)
                mine = np.flatnonzero(np.isin(numbers, self.rows))
                if len(mine):
                    some = block.take(pa.array(mine))
                    kept = {name: some[name] for name in self.heavy}
                    _add(heavy_rows, {"row": numbers[mine], **kept}, of_some)

            yield take


class Gathered(NamedTuple):
    """What was taken: of all `photos` of a table, and of some. Files are in no order."""

    place: Place
    photos: int
    light: list[str]
    heavy: list[str]

    def of_all(self, *columns: str) -> Iterator[tuple[Ints, pa.RecordBatch]]:
        """Read columns of all photos, with the numbers of their rows, a block at a time."""
        yield from self._read(self.light, columns)

    def of_some(self, rows: Ints, *columns: str) -> Iterator[tuple[Ints, pa.RecordBatch]]:
        """Read heavy columns of some of the photos that were kept, and where each is in `rows`."""
        for numbers, batch in self._read(self.heavy, columns):
            mine = np.flatnonzero(np.isin(numbers, rows))
            if len(mine):
                yield np.searchsorted(rows, numbers[mine]), batch.take(pa.array(mine))

    def features(self, rows: Ints, width: int) -> npt.NDArray[np.float32]:
        """Return the features of some of the photos that were kept: float32 (m, width)."""
        out = np.zeros((len(rows), width), np.float32)
        for at, batch in self.of_some(rows, "features"):
            out[at] = np.asarray(batch.column("features").flatten()).reshape(len(batch), width)
        return out

    def in_order(self, column: str) -> pa.ChunkedArray:
        """Return a column of all photos, in the order of the table."""
        numbers, values = [np.zeros(0, np.int64)], []
        for rows, batch in self.of_all(column):
            numbers.append(rows)
            values.append(batch.column(column))
        order = np.argsort(np.concatenate(numbers))
        return pa.chunked_array(values, pa.string()).take(pa.array(order))

    def _read(
        self, files: list[str], columns: tuple[str, ...]
    ) -> Iterator[tuple[Ints, pa.RecordBatch]]:
        for file in files:
            for batch in batches(self.place, file, ["row", *columns]):
                yield np.asarray(batch.column("row")), batch


def packed(rows: npt.NDArray[Any]) -> pa.Array:
    """Lay the rows of an array (n, k) out as binary values."""
    size = rows.shape[1] * rows.itemsize
    ends = np.arange(len(rows) + 1, dtype=np.int32) * np.int32(size)
    content = pa.py_buffer(np.ascontiguousarray(rows))
    return pa.BinaryArray.from_buffers(pa.binary(), len(rows), [None, pa.py_buffer(ends), content])


def unpacked(column: pa.Array, dtype: Any, width: int) -> npt.NDArray[Any]:
    """Return what was `packed` as an array (n, width) again."""
    return np.frombuffer(b"".join(column.to_pylist()), dtype).reshape(len(column), width)


def _add(out: TableWriter, values: dict[str, Any], schema: pa.Schema) -> None:
    columns = [_array(values[field.name], field.type) for field in schema]
    out.add(pa.RecordBatch.from_arrays(columns, schema=schema))


def _array(values: Any, kind: pa.DataType) -> pa.Array:
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    return values.cast(kind) if isinstance(values, pa.Array) else pa.array(values, kind)
