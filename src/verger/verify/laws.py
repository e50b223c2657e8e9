"""What holds between the parts of a sound STORE: each law gives what breaks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from verger.gallery import Gallery
from verger.gallery.gallery import at_hand
from verger.projections.pca import load_pca
from verger.store.blocks import matrix
from verger.store.defects import Finding, finding
from verger.store.kept_moments import KeptMoments
from verger.store.label_codes import labels_of
from verger.store.layout import FEATURES, GALLERY, MATRIX, MOMENTS, PROJECTION, RECORD, REJECTS
from verger.store.matrix import ALL, SCHEMA, groups_of, in_order, projected, reader
from verger.store.record_file import Record
from verger.store.store import Store
from verger.store.tables import Table, batches, rows_of
from verger.texts.numbers import plural

Floats = npt.NDArray[np.float64]

_MOMENTS_OFF = 1e-9  # beside the length of a feature's values
TOLERANCE = 1e-4  # of a value of the matrix, beside the largest of its neighbours, or 1
_NAMED = 5  # paths at most of one kind


def of_counts(store: Store, record: Record) -> Iterator[Finding]:
    """Each photo listed is embedded or rejected, and the tables hold as many rows."""
    counts = record["counts"]
    listed, embedded, rejected = (counts[name] for name in ("listed", "embedded", "rejected"))
    if listed != embedded + rejected:
        what = f"says {listed} listed, {embedded} embedded and {rejected} rejected"
        yield finding(RECORD, what)
    for table, wanted in ((FEATURES, embedded), (REJECTS, rejected), (MATRIX, embedded)):
        rows = rows_of(store.place, store.table(table))
        if rows != wanted:
            yield finding(
                f"{table}/", f"has {rows} row{plural(rows)}, where {RECORD} says {wanted}"
            )


def of_paths(store: Store) -> Iterator[Finding]:
    """No path is there twice: in features, in rejects, or in both."""
    features, rejects = (_paths(store, table) for table in (FEATURES, REJECTS))
    for table, paths in ((FEATURES, features), (REJECTS, rejects)):
        counts = pc.value_counts(paths)
        twice = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
        for path in twice.slice(0, _NAMED).to_pylist():
            yield finding(f"{table}/", f"has more than one row of {path}")
    both = features.filter(pc.is_in(features, rejects))
    for path in both.slice(0, _NAMED).to_pylist():
        yield finding(f"{REJECTS}/", f"has {path}, which is embedded as well")


def of_matrix(
    store: Store, take: Callable[[pa.Table], None], columns: list[str]
) -> Iterator[Finding]:
    """The matrix is features × projection, row by row, in order of path.

    `take` is given all rows of features that were compared, with `columns` of them.
    """
    with at_hand(store.place, store.root, [PROJECTION]) as folder:
        pca = load_pca(folder / PROJECTION)
    width, theirs = len(pca.mean), _Tape(store)
    wrong, worst, largest = 0, "", 0.0
    for block in _in_order(store, columns):
        wide = pc.equal(pc.list_value_length(block["features"]), width)
        if wide.null_count or not pc.all(wide).as_py():
            yield finding(f"{FEATURES}/", f"has rows that are not {width} features")
            return
        mine, there = projected(block, pca), theirs.take(len(block))
        if any(not mine[name].equals(there[name]) for name in ("path", "label")):
            what = f"has other photos or labels than {FEATURES}/, from {block['path'][0]} on"
            yield finding(f"{MATRIX}/", what)
            return
        off = _off(mine, there)
        wrong += int((~(off <= TOLERANCE)).sum())  # what is no number is wrong, too
        at = int(np.nan_to_num(off, nan=np.inf).argmax())
        if not off[at] <= max(largest, TOLERANCE):
            largest, worst = float(off[at]), str(block["path"][at])
        take(block)
    if wrong:
        what = (
            f"has {wrong} row{plural(wrong)} {plural(wrong, 'that is', 'that are')} not features × "
            f"projection: {worst} is off the most"
        )
        yield finding(f"{MATRIX}/", f"{what}, by {largest:.2g}")


class Sums:
    """Sums of features, and of their squares: float64 (d,)."""

    def __init__(self) -> None:
        self.rows = 0
        self.values: npt.NDArray[np.float64] = np.zeros(0)
        self.squares: npt.NDArray[np.float64] = np.zeros(0)

    def take(self, block: pa.Table) -> None:
        """Add rows of a table of features."""
        rows = matrix(block["features"]).astype(np.float64)
        self.values = rows.sum(axis=0) + (self.values if self.rows else 0)
        self.squares = (rows**2).sum(axis=0) + (self.squares if self.rows else 0)
        self.rows += len(rows)


def of_moments(store: Store, sums: Sums) -> Iterator[Finding]:
    """The moments that are kept, if they are of these files of features, are those of their rows.

    Their mean and their variances are compared; the rest is under the same checksum.
    """
    files = store.table(FEATURES)
    kept = KeptMoments.read(store.place, len(sums.values)) if sums.rows else None
    if kept is None or kept.files.keys() != {file.rpartition("/")[2] for file in files}:
        return  # of other files: a run looks at that for itself
    raw, scale = kept.moments.raw, np.sqrt(sums.squares / sums.rows)
    variances = sums.squares / sums.rows - (sums.values / sums.rows) ** 2
    off = max(
        _most_off(raw.mean, sums.values / sums.rows, scale),
        _most_off(np.diagonal(raw.scatter) / sums.rows, variances, scale**2),
    )
    if raw.n != sums.rows or not off <= _MOMENTS_OFF:
        yield finding(MOMENTS, f"are not the moments of {FEATURES}/")
    counts = dict(zip(kept.moments.unit.labels, kept.moments.unit.label_counts, strict=True))
    labels = labels_of(Table(store.place, files))
    if counts != dict(zip(labels.names, np.bincount(labels.codes[labels.codes >= 0]), strict=True)):
        yield finding(MOMENTS, f"has different labels from {FEATURES}/")


def _most_off(mine: Floats, there: Floats, scale: Floats) -> float:
    return float(np.abs((mine - there) / np.where(scale > 0, scale, 1)).max(initial=0))


def of_gallery(store: Store) -> Iterator[Finding]:
    """The gallery is of this projection and of these files of features."""
    gallery = Gallery.open(str(store.place))  # which looks at its files and its projection
    files = store.table(FEATURES)
    there = {file.rpartition("/")[2]: rows_of(store.place, [file]) for file in files}
    if dict(gallery.tables) != there:
        yield finding(f"{GALLERY}/", f"was made of other files than those of {FEATURES}/")


def _paths(store: Store, table: str) -> pa.Array:
    files = store.table(table)
    some = chain.from_iterable(batches(store.place, file, ["path"]) for file in files)
    return pa.chunked_array([batch.column(0) for batch in some], pa.string()).combine_chunks()


def _in_order(store: Store, columns: list[str]) -> Iterator[pa.Table]:
    """Read features in order of path, a block at a time."""
    table = Table(store.place, store.table(FEATURES))
    read = reader(table, ["path", "label", "features", *columns])
    groups = groups_of(table)
    return in_order(groups, lambda group: pa.concat_tables(rows for rows, _ in read(group, ALL)))


class _Tape:
    """The matrix, read in order, so many rows at a time."""

    def __init__(self, store: Store) -> None:
        files = store.table(MATRIX)
        every = (batches(store.place, file, SCHEMA.names) for file in files)
        self._batches = chain.from_iterable(every)
        self._held = SCHEMA.empty_table()

    def take(self, rows: int) -> pa.Table:
        while len(self._held) < rows and (batch := next(self._batches, None)) is not None:
            more = pa.Table.from_batches([batch]).cast(SCHEMA)
            self._held = pa.concat_tables([self._held, more])
        taken, self._held = self._held.slice(0, rows), self._held.slice(rows)
        return taken


def _off(mine: pa.Table, there: pa.Table) -> npt.NDArray[np.float64]:
    """Return how far each of n rows of the matrix is off, (n,), beside the largest value, or 1."""
    columns = (rows["components"].combine_chunks().flatten() for rows in (mine, there))
    ours, theirs = (np.asarray(column, dtype=np.float64) for column in columns)
    if len(ours) != len(theirs):
        return np.full(len(mine), np.inf)
    scale = max(1.0, float(np.abs(ours).max(initial=0)))
    off = np.abs(ours - theirs).reshape(len(mine), -1) if len(ours) else np.zeros((len(mine), 1))
    return np.asarray(off.max(axis=1) / scale)
