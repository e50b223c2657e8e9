"""The matrix: features projected, in order of path, cut into files. No Spark.

The footers of a table say which paths each of its groups of rows spans. So the paths are cut into
ranges, one a task, which reads the groups that its range touches: nothing has to be sorted between
tasks, and where files follow one another, as after a first run, each group is read once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from verger.projections.pca import PCA
from verger.store.tables import ROWS_A_GROUP, Table, TableWriter

SCHEMA = pa.schema(
    [
        ("path", pa.string()),
        ("label", pa.string()),
        ("components", pa.list_(pa.field("element", pa.float32()))),
    ]
)
_COLUMNS = ["path", "label", "features"]
_BYTES_A_FILE, _BYTES_A_GROUP = 128 * 2**20, 16 * 2**20
_LEAST_ROWS = 8_192  # of a file, where there are more cores than large files
_FOOTERS_AT_ONCE, _FILES_OPEN = 16, 16


class Group(NamedTuple):
    """A group of rows of a table: of which of its files, which there, how many, and their paths."""

    file: int
    number: int
    rows: int
    first: str
    last: str


class Range(NamedTuple):
    """The rows from path `start` up to, not including, `stop`, and the groups that hold some."""

    groups: list[Group]
    start: str
    stop: str | None


def groups_of(table: Table) -> list[Group]:
    """Read from the footers which rows lie where."""
    with ThreadPoolExecutor(_FOOTERS_AT_ONCE) as pool:
        of_files = pool.map(lambda number: _groups_of_file(table, number), range(len(table.files)))
        return list(chain.from_iterable(of_files))


def ranges(groups: list[Group], k: int, cores: int) -> list[Range]:
    """Cut a table into ranges of paths, one a file of the matrix: some 128 MB each, or one a core.

    Ranges begin where a group does, so that of files that follow one another none is read twice.
    """
    rows = sum(group.rows for group in groups)
    files = max(1, round(rows * (4 * k + 64) / _BYTES_A_FILE), min(cores, rows // _LEAST_ROWS))
    starts, taken = [""], 0
    for group in sorted(groups, key=lambda group: group.first):
        if taken * files >= rows * len(starts) and group.first > starts[-1]:
            starts.append(group.first)
        taken += group.rows
    spans = []
    for start, stop in zip(starts, [*starts[1:], None], strict=True):
        mine = [g for g in groups if g.last >= start and (stop is None or g.first < stop)]
        spans.append(Range(mine, start, stop))
    return spans


def write_range(features: Table, span: Range, pca: PCA, to: str) -> int:
    """Write one file of the matrix; return its rows. Holds few groups of rows at a time."""

    @lru_cache(_FILES_OPEN)
    def opened(file: int) -> pq.ParquetFile:
        return pq.ParquetFile(features.place.open(features.files[file]), pre_buffer=True)

    def rows(group: Group) -> pa.Table:
        return projected(_within(opened(group.file), group, span), pca)

    a_group = max(1, _BYTES_A_GROUP // (4 * pca.k + 64))
    with features.place.incoming(to) as file, TableWriter(file, SCHEMA, a_group) as out:
        for block in in_order(span.groups, rows):
            for batch in block.to_batches():
                out.add(batch)
    return out.rows


def in_order(groups: list[Group], rows: Callable[[Group], pa.Table]) -> Iterator[pa.Table]:
    """Give the rows of groups in order of path, a block at a time.

    `rows` reads those of one group, in any order; it is asked when their turn has come.
    """
    waiting = sorted(groups, key=lambda group: group.first, reverse=True)
    held: list[pa.Table] = []  # each in order, and not empty
    while waiting or held:
        until = min((_last(block) for block in held), default=None)
        if waiting and (until is None or waiting[-1].first <= until):
            held += [block for block in [_sorted(rows(waiting.pop()))] if len(block)]
            continue
        counts = [_true(pc.less_equal(block["path"], until)) for block in held]
        yield _sorted(pa.concat_tables(b.slice(0, n) for b, n in zip(held, counts, strict=True)))
        held = [b.slice(n) for b, n in zip(held, counts, strict=True) if n < len(b)]


def projected(rows: pa.Table, pca: PCA) -> pa.Table:
    """Project rows of features onto principal components: rows of the matrix."""
    values = [np.zeros((0, pca.k), np.float32)]
    for batch in rows.to_batches(max_chunksize=ROWS_A_GROUP):
        block = np.asarray(batch.column("features").flatten())
        values.append(pca.transform(block.reshape(len(batch), len(pca.mean))))
    offsets = np.arange(len(rows) + 1, dtype=np.int32) * np.int32(pca.k)
    components = pa.ListArray.from_arrays(
        pa.array(offsets), pa.array(np.concatenate(values).ravel()), type=SCHEMA.types[2]
    )
    return pa.Table.from_arrays([rows["path"], rows["label"], components], schema=SCHEMA)


def _within(file: pq.ParquetFile, group: Group, span: Range) -> pa.Table:
    """Read those rows of a group that lie within a range."""
    rows = file.read_row_group(group.number, _COLUMNS)
    if group.first < span.start:
        rows = rows.filter(pc.greater_equal(rows["path"], span.start))
    if span.stop is not None and group.last >= span.stop:
        rows = rows.filter(pc.less(rows["path"], span.stop))
    return rows


def _groups_of_file(table: Table, number: int) -> list[Group]:
    groups = []
    with pq.ParquetFile(table.place.open(table.files[number])) as file:
        at_path = file.schema_arrow.get_field_index("path")
        for at in range(file.num_row_groups):
            group = file.metadata.row_group(at)
            known = group.column(at_path).statistics
            if known is not None and known.has_min_max:
                span = known.min, known.max
            else:  # Parquet leaves out what is long
                paths = file.read_row_group(at, ["path"])["path"]
                span = pc.min(paths).as_py(), pc.max(paths).as_py()
            if group.num_rows:
                groups.append(Group(number, at, group.num_rows, *span))
    return groups


def _sorted(rows: pa.Table) -> pa.Table:
    return rows.take(pc.sort_indices(rows["path"]))


def _last(rows: pa.Table) -> str:
    return str(rows["path"][-1].as_py())


def _true(values: pa.ChunkedArray) -> int:
    return int(pc.sum(values).as_py() or 0)
