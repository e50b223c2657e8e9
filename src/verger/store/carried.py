"""Carrying a matrix on with a projection that is held: rows that stay are taken from the matrix.

What has changed is read of the features, projected, and written beside it; then both are merged in
order of path. Rows that have gone, or are not what they were, are left out of what there was.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from verger.projections.pca import PCA
from verger.storage.place import Place
from verger.store.gathering import Taker
from verger.store.kept_moments import Changed
from verger.store.matrix import SCHEMA, Group, Range, in_order, projected, reader, rows_a_group
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


def write_carried(rows: Table, before: int, gone: list[str], span: Range, k: int, to: str) -> int:
    """Write one file of the matrix; return its rows. Holds few groups of rows at a time.

    rows: the files of the matrix that there was, `before` of them, and those of what has changed
    gone: the files of paths to leave out of the first
    """
    place = rows.place
    paths = [batch.column("path") for file in gone for batch in batches(place, file)]
    left_out = pa.chunked_array(paths, pa.string()).combine_chunks()
    read = reader(rows, SCHEMA.names)

    def of(group: Group) -> pa.Table:
        mine = pa.concat_tables(block.select(SCHEMA.names) for block, _ in read(group, span))
        if group.file < before:
            mine = mine.filter(pc.invert(pc.is_in(mine["path"], left_out)))
        return mine.cast(SCHEMA)

    with place.incoming(to) as file, TableWriter(file, SCHEMA, rows_a_group(k)) as out:
        for block in in_order(span.groups, of):
            for batch in block.to_batches():
                out.add(batch)
    return out.rows
