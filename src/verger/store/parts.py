"""Parts: what one task leaves, a Parquet file of features and, if it must, one of rejects.

A part appears whole or not at all, and its features last: where they are, the task is done. A task
that is tried twice writes the same part twice. Rows are in order of path, in each file.
"""

from __future__ import annotations

import heapq
import operator
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from verger.embed.features import DENIED, Embedded, features_schema, rejects_schema
from verger.photos.small import small_picture
from verger.storage.place import Place
from verger.store.layout import FEATURES, REJECTS
from verger.store.tables import ROWS_A_GROUP, TableWriter, batches, rows_of

# Rows of a file of features, with the default backbone 8 MB and 128 MB; and how many small files
# may lie in a STORE before they are merged.
SMALL, LARGE, MOST_SMALL = 1_600, 25_000, 32
_FILES_AT_ONCE, _ROWS_AT_ONCE = 128, 64  # held open, and read of each, while merging
SCHEMAS = {FEATURES: features_schema(), REJECTS: rejects_schema()}
# For one file: the paths whose rows go, and the new labels of others.
Edits = tuple[set[str], dict[str, str | None]]


def no_edits(_file: str) -> Edits:
    """Have nothing changed in a file."""
    return set(), {}


class Done(NamedTuple):
    """What a task did: photos embedded, reused ones among them, and photos rejected."""

    embedded: int
    rejected: int
    reused: int = 0


def write_part(place: Place, folder: str, name: str, photos: Iterable[Embedded]) -> Done:
    """Write what came of a task's photos to `folder`/features/ and `folder`/rejects/."""
    features, rejects = f"{folder}/{FEATURES}/{name}", f"{folder}/{REJECTS}/{name}"
    reused = 0
    with place.incoming(features) as features_file:
        rejected: list[pa.RecordBatch] = []  # paths and reasons only: small, and mostly none
        with TableWriter(features_file, SCHEMAS[FEATURES]) as table:
            for some in photos:
                table.add(some.features)
                reused += some.reused
                if len(some.rejects):
                    rejected.append(some.rejects)
        if rejected:
            with place.incoming(rejects) as file, TableWriter(file, SCHEMAS[REJECTS]) as lost:
                for batch in rejected:
                    lost.add(batch)
        else:
            place.delete(rejects)  # of a try that was killed, which could not read a photo
    return Done(table.rows, sum(len(batch) for batch in rejected), reused)


def rewrite_part(
    place: Place, paths: Iterable[str], to: str, edits: Callable[[str], Edits]
) -> Done:
    """Merge tables of features into one, in order of path, with what `edits` gives for each.

    Holds few rows of each at a time. Returns how many rows are left as embedded.
    """
    streams = [_found(place, path, *edits(path)) for path in paths]
    with place.incoming(to) as file, TableWriter(file, SCHEMAS[FEATURES]) as table:
        for row in heapq.merge(*streams, key=operator.attrgetter("path")):
            table.add(row.batch.slice(row.at, 1))
    return Done(table.rows, 0)


class _Found(NamedTuple):
    """A row: its path, and where it stands."""

    path: str
    batch: pa.RecordBatch
    at: int


def _found(
    place: Place, path: str, dropped: set[str], labels: dict[str, str | None]
) -> Iterator[_Found]:
    for batch in batches(place, path, rows=_ROWS_AT_ONCE):
        left = edited(_with_all_columns(batch), dropped, labels)
        for at, name in enumerate(left.column("path").to_pylist()):
            yield _Found(name, left, at)


def _with_all_columns(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Give rows of features the columns that their format did not have yet."""
    for field in SCHEMAS[FEATURES]:
        if field.name in batch.schema.names:
            continue
        values = pa.nulls(len(batch), field.type)
        if field.name == "picture":
            thumbnails = batch.column("thumbnail").to_pylist()
            values = pa.array([small_picture(one or b"") for one in thumbnails], field.type)
        batch = batch.append_column(field, values)
    return batch.select(SCHEMAS[FEATURES].names)


def too_small(place: Place, files: list[str]) -> list[list[str]]:
    """Return the files of features that are better merged, in groups of one new file each.

    A STORE that grows daily gets small files each day. There are none to merge until they are many.
    """
    if len(files) <= MOST_SMALL:
        return []
    rows = {file: rows_of(place, [file]) for file in files}
    small = [file for file in files if rows[file] < SMALL]
    if len(small) <= MOST_SMALL:
        return []
    groups: list[list[str]] = [[]]
    held = 0
    for file in small:
        if held + rows[file] > LARGE or len(groups[-1]) == _FILES_AT_ONCE:
            groups.append([])
            held = 0
        groups[-1].append(file)
        held += rows[file]
    return [group for group in groups if len(group) > 1]


def merge_rejects(
    place: Place, paths: Iterable[str], to: str, edits: Callable[[str], Edits]
) -> dict[str, int]:
    """Merge tables of rejects into one, in order of path, with what `edits` gives for each.

    Returns how many there are by reason, the most frequent first.
    """
    streams = [_rows(place, path, *edits(path)) for path in paths]
    counts: dict[str, int] = {}
    merged = heapq.merge(*streams, key=operator.itemgetter("path"))
    with place.incoming(to) as file, TableWriter(file, SCHEMAS[REJECTS]) as table:
        while some := list(islice(merged, ROWS_A_GROUP)):
            table.add(pa.RecordBatch.from_pylist(some, SCHEMAS[REJECTS]))
            for row in some:
                counts[row["reason"]] = counts.get(row["reason"], 0) + 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def all_denied(place: Place, rejects: str) -> bool:
    """Say whether every photo of a file of rejects is one that might not be read."""
    for batch in batches(place, rejects, ["detail"]):
        if not pc.all(pc.equal(batch.column("detail"), DENIED)).as_py():
            return False
    return True


def _rows(
    place: Place, path: str, dropped: set[str], labels: dict[str, str | None]
) -> Iterator[dict[str, Any]]:
    for batch in batches(place, path):
        yield from edited(batch, dropped, labels).to_pylist()


def empty_table(place: Place, path: str) -> str:
    """Write a table of features that has no row, which readers take for one; return its path."""
    with place.incoming(path) as file, TableWriter(file, SCHEMAS[FEATURES]):
        return path


def edited(
    batch: pa.RecordBatch, dropped: set[str], labels: dict[str, str | None]
) -> pa.RecordBatch:
    """Leave out the rows of some paths, and give others a new label."""
    paths = batch.column("path").to_pylist()
    if labels and not labels.keys().isdisjoint(paths):
        old = batch.column("label").to_pylist()
        new = [labels.get(path, label) for path, label in zip(paths, old, strict=True)]
        at = batch.schema.get_field_index("label")
        batch = batch.set_column(at, batch.schema.field(at), pa.array(new, pa.string()))
    if dropped and not dropped.isdisjoint(paths):
        batch = batch.filter(pa.array([path not in dropped for path in paths]))
    return batch
