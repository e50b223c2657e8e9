"""Each photo's nearest others, kept with a report: the next one compares only what is new with all.

A row is known by its numbers, whatever its path or label is by now. What is found is what
`neighbours.nearest` finds, but for rows that lie equally near to float32's rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from verger.machine.blas import on_one_thread
from verger.report.neighbours import Neighbours, blocks_of, keep_nearest, nearest, unit
from verger.report.reading import Floats, Ints
from verger.report.table_files import UNREADABLE, read_table, write_table
from verger.storage.place import Place
from verger.store.sampling import matched

Marks = npt.NDArray[np.uint64]

_FILE = "kept-neighbours.parquet"
_SPARE = 10  # more are kept than are asked for: some of them may be gone the next time
_FEW = 1_024  # rows, below which all are compared anew
_HELD = 0.5  # of the rows, from which on only the others are


@dataclass(frozen=True, slots=True)
class KeptNeighbours:
    """The nearest others of each of m rows, as far as they are known.

    marks:    uint64 (m,), by which the rows are known
    around:   their neighbours, (m, k); behind the last that is known, -1 and -inf
    """

    marks: Marks
    around: Neighbours

    @classmethod
    def none(cls) -> KeptNeighbours:
        """Return those of no row."""
        return cls(np.zeros(0, np.uint64), Neighbours.unknown(0, 0))

    @classmethod
    def read(cls, place: Place, folder: str) -> KeptNeighbours:
        """Read what the report that is there found; nothing where that cannot be read."""
        try:
            table = read_table(place, f"{folder}/{_FILE}")
            marks = table["mark"].cast(pa.uint64()).to_numpy()
            m = len(marks)
            index = pc.list_flatten(table["index"]).cast(pa.int64()).to_numpy().reshape(m, -1)
            near = pc.list_flatten(table["similarity"]).cast(pa.float32()).to_numpy()
            known = index >= 0
            if (index >= m).any() or not np.isfinite(near.reshape(index.shape)[known]).all():
                return cls.none()
            similarity = np.where(known, near.reshape(index.shape), -np.inf).astype(np.float32)
            return cls(marks, Neighbours(np.where(known, index, -1), similarity))
        except UNREADABLE:
            return cls.none()

    def write(self, folder: Path) -> None:
        """Write them into the folder of a report."""
        m, k = self.around.index.shape
        starts = pa.array(k * np.arange(m + 1), pa.int32())
        columns = (self.around.index.astype(np.int32), self.around.similarity)
        lists = [pa.ListArray.from_arrays(starts, some.ravel()) for some in columns]
        table = pa.table({"mark": self.marks, "index": lists[0], "similarity": lists[1]})
        write_table(table, folder / _FILE, compression="none", use_dictionary=False)


def nearest_from(rows: Floats, k: int, earlier: KeptNeighbours) -> KeptNeighbours:
    """Find the k nearest others, and some to spare, of each row (m, d); fewer where m ≤ k."""
    m = len(rows)
    marks = _marks(rows)
    before = matched(marks, earlier.marks)
    if m < _FEW or (before >= 0).mean() < _HELD:
        return KeptNeighbours(marks, nearest(rows, k + _SPARE))
    return KeptNeighbours(marks, _updated(rows, k, before, earlier.around))


def _marks(rows: Floats) -> Marks:
    """Return a number for each row, (m,): different rows share one with a probability below 2⁻³².

    Multilinear hashing: D. Lemire and O. Kaser, "Strongly universal string hashing is fast", The
    Computer Journal 57, 2014. Of rows of 5 KB it takes a tenth of the time of a digest.
    """
    weights = np.random.default_rng(0).integers(0, 2**64, rows.shape[1], np.uint64)
    blocks = [rows[block].view(np.uint32) for block in blocks_of(0, len(rows))]
    parts = [block.astype(np.uint64) @ weights for block in blocks]
    return np.concatenate([np.zeros(0, np.uint64), *parts])


@on_one_thread  # as for `nearest`
def _updated(rows: Floats, k: int, before: Ints, earlier: Neighbours) -> Neighbours:
    """Take what is known of rows that were `before` (m,) among the earlier, and find the rest."""
    m = len(rows)
    wide = min(k + _SPARE, m - 1)
    index, similarity = _carried(before, earlier, wide)
    known = (index >= 0).sum(axis=1)
    # First those of which enough is known, then those that were there, then those that are new.
    order = np.lexsort((before < 0, known < min(k, m - 1)))
    first, new = int((known >= min(k, m - 1)).sum()), int((before >= 0).sum())
    place = np.append(np.argsort(order), -1)  # of -1, too
    index, similarity, scaled = place[index[order]], similarity[order], unit(rows)[order]
    index[first:], similarity[first:] = -1, -np.inf
    # Others that are no nearer than the last that is known are not all known.
    last = np.where(index >= 0, similarity, np.inf).min(axis=1, keepdims=True)
    for two in blocks_of(first, m):
        for one in (*blocks_of(0, first), *blocks_of(first, m)):
            cosines = scaled[two] @ scaled[one].T
            if one == two:
                np.fill_diagonal(cosines, -np.inf)
            keep_nearest(index[two], similarity[two], cosines, one.start)
            start = max(two.start, new)
            if one.start < first and start < two.stop:
                fresh = cosines[start - two.start :].T
                fresh = np.where(fresh > last[one], fresh, -np.inf)
                keep_nearest(index[one], similarity[one], fresh, start)
    index[np.isneginf(similarity)] = -1
    found = Neighbours(np.append(order, -1)[index], similarity).in_order()
    back = place[:-1]
    return Neighbours(found.index[back], found.similarity[back])


def _carried(before: Ints, earlier: Neighbours, wide: int) -> tuple[Ints, Floats]:
    """Return what is known of each row, (m, wide), by the places that rows have now."""
    now = np.full(len(earlier.index) + 1, -1)  # and of -1, -1
    there = np.flatnonzero(before >= 0)
    now[before[there]] = there
    index, similarity = (some[:, :wide] for some in (earlier.index, earlier.similarity))
    carried = Neighbours.unknown(len(before), wide)
    kept = slice(0, index.shape[1])
    carried.index[there, kept] = now[index[before[there]]]
    carried.similarity[there, kept] = similarity[before[there]]
    carried.similarity[carried.index < 0] = -np.inf
    ordered = carried.in_order()
    return ordered.index, ordered.similarity
