"""Carrying a matrix on with a projection that is held: rows that stay are taken from the matrix.

What has changed is read of the features, projected, and written beside it; then both are merged in
order of path. Rows that have gone, or are not what they were, are left out of what there was.

A file of the matrix between whose paths nothing has changed stays. What takes the place of another
has its name, but for the end of it, so that in order of name files are in order of path.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from verger.projections.pca import PCA
from verger.storage.place import Place
from verger.store.gathering import Taker
from verger.store.kept_moments import Changed
from verger.store.matrix import (
    SCHEMA,
    Group,
    Range,
    in_order,
    projected,
    ranges,
    reader,
    rows_a_group,
)
from verger.store.tables import Table, TableWriter, batches

_PATH = pa.schema([("path", pa.string())])


class ChangedFiles(NamedTuple):
    """What one task writes.

    now:  rows that are there now: those of the matrix, and what was taken of them besides
    gone: the paths of rows that are there no longer, or not as they were
    """

    now: str
    gone: str


def write_changed(
    place: Place, changed: Iterable[Changed], pca: PCA, taker: Taker, to: ChangedFiles
) -> None:
    """Project what has changed, and write it."""
    schema = pa.schema([*SCHEMA, *taker.fields.items()])
    with (
        place.incoming(to.now) as now_file,
        place.incoming(to.gone) as gone_file,
        TableWriter(now_file, schema) as now,
        TableWriter(gone_file, _PATH) as gone,
    ):
        for more, fewer in changed:
            gone.add(fewer.select(["path"]).cast(_PATH))
            if len(more):
                rows = pa.Table.from_batches([more])
                made = projected(rows, pca)
                for name, values in taker(rows).items():
                    made = made.append_column(name, values)
                for batch in made.cast(schema).combine_chunks().to_batches():
                    now.add(batch)


class Stretch(NamedTuple):
    """The paths from the first of a file of the matrix that there was, up to that of the next one.

    file, rows: which of the files, and how many rows it has
    spans:      the ranges whose files take its place; none where it stays as it is
    """

    file: int
    rows: int
    spans: list[Range]


def stretches(groups: list[Group], before: int, changed: list[str], k: int) -> list[Stretch]:
    """Say which files of a matrix stay, and what takes the place of the others.

    groups:  of the files of the matrix that there was, `before` of them, in order of path; and of
             those of rows that have changed
    changed: the paths of all rows that have come, gone or changed, ascending
    """
    old = [[group for group in groups if group.file == file] for file in range(before)]
    there = [mine for mine in old if mine]
    starts = ["", *(min(group.first for group in mine) for mine in there[1:])]
    made = []
    for mine, start, stop in zip(there, starts, [*starts[1:], None], strict=True):
        until = len(changed) if stop is None else bisect_left(changed, stop)
        spans = []
        if bisect_left(changed, start) < until:
            here = [g for g in groups if g.last >= start and (stop is None or g.first < stop)]
            spans = ranges(here, k, 1, start, stop)
        made.append(Stretch(mine[0].file, sum(group.rows for group in mine), spans))
    return made


def paths_of(place: Place, files: Iterable[str]) -> pa.Array:
    """Read the paths of some files."""
    paths = [batch.column("path") for file in files for batch in batches(place, file, ["path"])]
    return pa.chunked_array(paths, pa.string()).combine_chunks()


def write_carried(rows: Table, before: int, gone: list[str], span: Range, k: int, to: str) -> int:
    """Write one file of the matrix; return its rows. Holds few groups of rows at a time.

    rows: the files of the matrix that there was, `before` of them, and those of what has changed
    gone: the files of paths to leave out of the first
    """
    place, left_out = rows.place, paths_of(rows.place, gone)
    read = reader(rows, SCHEMA.names)

    def of(group: Group) -> pa.Table:
        blocks = (block.select(SCHEMA.names).cast(SCHEMA) for block, _ in read(group, span))
        mine = pa.concat_tables([SCHEMA.empty_table(), *blocks])  # there may be none in the range
        if group.file < before:
            mine = mine.filter(pc.invert(pc.is_in(mine["path"], left_out)))
        return mine

    with place.incoming(to) as file, TableWriter(file, SCHEMA, rows_a_group(k)) as out:
        for block in in_order(span.groups, of):
            for batch in block.to_batches():
                out.add(batch)
    return out.rows
