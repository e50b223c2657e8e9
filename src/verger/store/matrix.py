"""The matrix: features projected, in order of path, cut into files. No Spark.

The footers of a table say which paths each of its groups of rows spans. So the paths are cut into
ranges, one a task, which reads the groups that its range touches: nothing has to be sorted between
tasks, and where files follow one another, as after a first run, each group is read once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import accumulate, chain
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from verger.projections.pca import PCA
from verger.store.blocks import matrix
from verger.store.defects import damage_told
from verger.store.gathering import Gathering, Ints
from verger.store.tables import ROWS_A_GROUP, Table, TableWriter, opened, there

SCHEMA = pa.schema(
    [
        ("path", pa.string()),
        ("label", pa.string()),
        ("components", pa.list_(pa.field("element", pa.float32()))),
    ]
)
_COLUMNS = ["path", "label", "features"]
_BYTES_A_FILE, _BYTES_A_GROUP = 128 * 2**20, 16 * 2**20
_LEAST_ROWS = 2_048  # of a file, where there are more cores than large files
_FOOTERS_AT_ONCE, _FILES_OPEN = 16, 16


class Group(NamedTuple):
    """A group of rows of a table.

    file, number: which of its files, and which group there
    start, rows:  the number of its first row in the table, and how many there are
    first, last:  the least and the greatest of their paths
    """

    file: int
    number: int
    start: int
    rows: int
    first: str
    last: str


class Range(NamedTuple):
    """The rows from path `start` up to, not including, `stop`, and the groups that hold some."""

    groups: list[Group]
    start: str
    stop: str | None


ALL = Range([], "", None)


class Files(NamedTuple):
    """What one task writes: a file of the matrix, and what is gathered; and the rows of each."""

    matrix: str
    light: str
    heavy: str
    rows: int = 0


def groups_of(table: Table) -> list[Group]:
    """Read from the footers which rows lie where."""
    with ThreadPoolExecutor(_FOOTERS_AT_ONCE) as pool:
        of_files = pool.map(lambda number: _groups_of_file(table, number), range(len(table.files)))
        groups = list(chain.from_iterable(of_files))
    starts = accumulate((group.rows for group in groups), initial=0)
    return [group._replace(start=start) for group, start in zip(groups, starts, strict=False)]


def rows_of_files(groups: list[Group], files: int) -> list[int]:
    """Return how many rows each of so many files has."""
    rows = [0] * files
    for group in groups:
        rows[group.file] += group.rows
    return rows


def ranges(
    groups: list[Group], k: int, cores: int, begin: str = "", end: str | None = None
) -> list[Range]:
    """Cut a table into ranges of paths, one a file of the matrix: some 128 MB each, or one a core.

    Ranges begin where a group does, so that of files that follow one another none is read twice.
    Of all paths, those from `begin` up to, not including, `end` are cut.
    """
    rows = sum(group.rows for group in groups)
    files = max(1, round(rows * (4 * k + 64) / _BYTES_A_FILE), min(cores, rows // _LEAST_ROWS))
    starts, taken = [begin], 0
    for group in sorted(groups, key=lambda group: group.first):
        inside = group.first > starts[-1] and (end is None or group.first < end)
        if inside and taken * files >= rows * len(starts):
            starts.append(group.first)
        taken += group.rows
    spans = []
    for start, stop in zip(starts, [*starts[1:], end], strict=True):
        mine = [g for g in groups if g.last >= start and (stop is None or g.first < stop)]
        spans.append(Range(mine, start, stop))
    return spans


def rows_a_group(k: int) -> int:
    """Return how many rows of k components make a group of a file."""
    return max(1, _BYTES_A_GROUP // (4 * k + 64))


def write_range(features: Table, span: Range, pca: PCA, gathering: Gathering, to: Files) -> Files:
    """Write one file of the matrix, and what is gathered of its rows, which are counted.

    Holds few groups of rows at a time.
    """
    with (
        features.place.incoming(to.matrix) as file,
        TableWriter(file, SCHEMA, rows_a_group(pca.k)) as out,
        gathering.into(to.light, to.heavy) as take,
    ):
        read = reader(features, [*_COLUMNS, *gathering.columns])

        def rows(group: Group) -> pa.Table:
            made = [SCHEMA.empty_table()]
            for block, numbers in read(group, span):
                take(block, numbers)
                made.append(projected(block, pca))
            return pa.concat_tables(made)

        for block in in_order(span.groups, rows):
            for batch in block.to_batches():
                out.add(batch)
    return to._replace(rows=out.rows)


def reader(
    features: Table, columns: list[str]
) -> Callable[[Group, Range], Iterator[tuple[pa.Table, Ints]]]:
    """Return what reads a group's rows within a range, a block at a time, with their numbers."""
    wanted = list(dict.fromkeys(columns))

    @lru_cache(_FILES_OPEN)
    def open_(file: int) -> pq.ParquetFile:
        return opened(features.place, features.files[file], wanted, pre_buffer=True)

    def read(group: Group, span: Range) -> Iterator[tuple[pa.Table, Ints]]:
        with damage_told(features.place, features.files[group.file]):
            parquet = open_(group.file)
            rows = parquet.read_row_group(group.number, there(parquet, wanted))
        numbers = group.start + np.arange(len(rows))
        if group.first < span.start or (span.stop is not None and group.last >= span.stop):
            inside = pc.greater_equal(rows["path"], span.start)
            if span.stop is not None:
                inside = pc.and_(inside, pc.less(rows["path"], span.stop))
            rows, numbers = rows.filter(inside), numbers[np.asarray(inside)]
        for at in range(0, len(rows), ROWS_A_GROUP):
            yield rows.slice(at, ROWS_A_GROUP), numbers[at : at + ROWS_A_GROUP]

    return read


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
    values = pca.transform(matrix(rows["features"], len(pca.mean)))
    offsets = np.arange(len(rows) + 1, dtype=np.int32) * np.int32(pca.k)
    components = pa.ListArray.from_arrays(
        pa.array(offsets), pa.array(values.ravel()), type=SCHEMA.types[2]
    )
    return pa.Table.from_arrays([rows["path"], rows["label"], components], schema=SCHEMA)


def _groups_of_file(table: Table, number: int) -> list[Group]:
    groups = []
    place, path = table.place, table.files[number]
    with damage_told(place, path), opened(place, path, ["path"]) as file:
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
                groups.append(Group(number, at, 0, group.num_rows, *span))
    return groups


def _sorted(rows: pa.Table) -> pa.Table:
    return rows.take(pc.sort_indices(rows["path"]))


def _last(rows: pa.Table) -> str:
    return str(rows["path"][-1].as_py())


def _true(values: pa.ChunkedArray) -> int:
    return int(pc.sum(values).as_py() or 0)
