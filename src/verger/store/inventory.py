"""What a run has to do: the photos listed, beside those that the STORE knows.

Both come in order of path, so that two streams are laid side by side in constant memory, however
many photos there are. A photo is known by its path, size, time of change and, where its place gives
one, ETag.
"""

from __future__ import annotations

import datetime as dt
import heapq
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from verger.errors import StoreError
from verger.photos.reasons import Reason
from verger.photos.references import PhotoRef
from verger.storage.place import Place
from verger.store.defects import damage_told
from verger.store.layout import WORK
from verger.store.tables import batches, opened, there

EPOCH = dt.datetime.fromtimestamp(0, tz=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
_ROWS_A_GROUP = 8_192  # each task reads the footer, which lists all groups
_ROWS_AT_ONCE = 128  # of one file, as objects of Python
# Of these a later run tries the photo again, unless the listing itself says the same once more.
_AGAIN = {Reason.LEFT_OUT, *(reason for reason in Reason if reason.passes)}
_PASSING = frozenset(reason.value for reason in _AGAIN)


class Known(NamedTuple):
    """One photo that the STORE knows."""

    path: str
    label: str | None
    bytes: int
    modified: int  # microseconds since 1970
    file: str  # the Parquet file that its row lies in
    rejected: bool
    e_tag: str | None = None  # none of a folder, and none of a STORE before format 2
    passing: bool = False  # rejected for a reason that may have passed

    def is_of(self, ref: PhotoRef) -> bool:
        """Say whether the photo is still what it was. An ETag that is not known says nothing.

        An empty one means that nothing at all is known of the photo but its path.
        """
        if ref.e_tag == "":
            return True
        modified = (ref.modified - EPOCH) // _MICROSECOND
        return (self.bytes, self.modified) == (ref.bytes, modified) and (
            self.e_tag is None or ref.e_tag is None or self.e_tag == ref.e_tag
        )


@dataclass
class Tally:
    """What laying the two side by side showed, in photos.

    uncorrected: of those gone, now or before, how many had been corrected
    alike:  of those to embed, how many are as large as one whose content is known
    reused: of those to embed, how many had the content of one that was embedded before
    resumed: of those kept, how many are in no published table, but in a part of a stopped run
    """

    listed: int = 0
    new: int = 0
    changed: int = 0
    retried: int = 0
    kept: int = 0
    relabelled: int = 0
    gone: int = 0
    unlabelled: int = 0
    by_path_alone: int = 0
    uncorrected: int = 0
    alike: int = 0
    reused: int = 0
    resumed: int = 0
    bytes_to_read: int = 0
    labels: set[str] = field(default_factory=set)
    left_out: list[str] = field(default_factory=list)  # what a user is told of other files

    @property
    def to_embed(self) -> int:
        """How many photos have to be opened."""
        return self.new + self.changed + self.retried

    @property
    def is_same(self) -> bool:
        """Say whether the STORE is already what the photos make of it."""
        return not (self.to_embed or self.relabelled or self.gone or self.resumed)

    def as_record(self) -> dict[str, int]:
        """Return the counts by name."""
        names = ("new", "changed", "retried", "kept", "relabelled", "gone", "reused", "resumed")
        return {name: getattr(self, name) for name in names}


class Orders(Protocol):
    """Where `compare` writes what has to be done."""

    def embed(self, ref: PhotoRef) -> None:
        """Have a photo embedded."""

    def drop(self, row: Known) -> None:
        """Have a row taken out of its file."""

    def relabel(self, row: Known, label: str | None) -> None:
        """Have a row given another label."""


def compare(
    listed: Iterable[PhotoRef], known: Iterator[Known], orders: Orders, *, retry_rejects: bool
) -> Iterator[Tally]:
    """Lay photos listed beside photos known, and order what has to be done.

    Both are in order of path. Yields its tally after each photo listed, always the same object.
    """
    tally = Tally()
    row = next(known, None)
    last = None  # the photo that went last: one photo may have several rows
    for ref in listed:
        while row is not None and row.path < ref.path:
            orders.drop(row)
            tally.gone += row.path != last
            last = row.path
            row = next(known, None)
        same: list[Known] = []
        while row is not None and row.path == ref.path:
            same.append(row)
            row = next(known, None)
        _judge(ref, same, orders, tally, retry_rejects=retry_rejects)
        if _is_hidden(ref) and ref.path.endswith("/"):  # a folder: what it holds is as it was
            while row is not None and row.path.startswith(ref.path):
                if row.path == last:
                    orders.drop(row)
                else:
                    _keep_unseen(row, tally)
                last = row.path
                row = next(known, None)
        yield tally
    while row is not None:
        orders.drop(row)
        tally.gone += row.path != last
        last = row.path
        row = next(known, None)
    yield tally


def _is_hidden(ref: PhotoRef) -> bool:
    """Say whether the listing could not look at it this time: it may be as it was."""
    return ref.reason is not None and Reason(ref.reason).passes


def _keep_unseen(row: Known, tally: Tally) -> None:
    """Count a photo as listed and kept whose folder could not be listed."""
    tally.listed += 1
    tally.kept += 1
    if row.label is None:
        tally.unlabelled += 1
    else:
        tally.labels.add(row.label)


def _judge(
    ref: PhotoRef, same: list[Known], orders: Orders, tally: Tally, *, retry_rejects: bool
) -> None:
    tally.listed += 1
    tally.by_path_alone += ref.e_tag == "" and ref.reason is None
    if ref.label is None:
        tally.unlabelled += 1
    else:
        tally.labels.add(ref.label)
    fresh = [row for row in same if row.is_of(ref)]
    if _is_hidden(ref):
        fresh = same
    elif ref.reason is not None:  # no longer to be used, whatever it was
        fresh = [row for row in fresh if row.rejected]
    again = [row for row in fresh if row.rejected and retry_rejects]
    if ref.reason is None:  # else the listing has just tried again
        again += [row for row in fresh if row.passing]
    kept = next((row for row in fresh if row not in again), None)
    for row in same:
        if row is not kept:  # changed, tried again, or embedded twice by runs that were stopped
            orders.drop(row)
    if kept is None:
        orders.embed(ref)
        tally.bytes_to_read += ref.bytes
        tally.new += not same
        tally.retried += bool(fresh)
        tally.changed += bool(same) and not fresh
        return
    tally.kept += 1
    is_published = any(not row.file.startswith(f"{WORK}/") for row in same)
    tally.resumed += not is_published
    if kept.label != ref.label:
        orders.relabel(kept, ref.label)
        tally.relabelled += is_published


def known_photos(
    place: Place, features: Iterable[str], rejects: Iterable[str], older: set[str]
) -> Iterator[Known]:
    """Read the photos that some tables know, in order of path; of one path, the first file's first.

    Files that lack the column of ETags, as those before format 2, are added to `older`. Raises
    `StoreError` where a file is not in order of path, as every file of a STORE is.
    """
    files = [*((file, False) for file in features), *((file, True) for file in rejects)]

    def first_of(file: tuple[str, bool]) -> str:
        return _first(place, file[0])

    with ThreadPoolExecutor(place.reads_at_once) as threads:
        firsts = list(threads.map(first_of, files))
    waiting = sorted(((path, at) for at, path in enumerate(firsts)), reverse=True)
    begun: list[tuple[str, int, Known, Iterator[Known]]] = []
    # What tasks wrote covers one range of paths after another: few files are held at once.
    while waiting or begun:
        while waiting and (not begun or waiting[-1][0] <= begun[0][0]):
            _, at = waiting.pop()
            file, rejected = files[at]
            rows = _known(place, file, older, rejected=rejected)
            if row := next(rows, None):
                heapq.heappush(begun, (row.path, at, row, rows))
        if begun:
            _, at, row, rows = begun[0]
            yield row
            if after := next(rows, None):
                heapq.heapreplace(begun, (after.path, at, after, rows))
            else:
                heapq.heappop(begun)


def _first(place: Place, file: str) -> str:
    """Return a lower bound of the paths in a file, from its footer; "" where it gives none."""
    with damage_told(place, file), opened(place, file, ["path"]) as parquet:
        at = parquet.schema.names.index("path")
        said = [
            parquet.metadata.row_group(group).column(at).statistics
            for group in range(parquet.num_row_groups)
        ]
    return min(str(one.min) if one and one.has_min_max else "" for one in said) if said else ""


def _known(place: Place, file: str, older: set[str], *, rejected: bool) -> Iterator[Known]:
    last = ""
    names = ["path", "label", "bytes", "modified", "e_tag", *["reason"] * rejected]
    for batch in _pieces(_groups(place, file, names)):
        modified = batch.column("modified").cast(pa.int64()).to_pylist()
        columns = [batch.column(name).to_pylist() for name in ("path", "label", "bytes")]
        if "e_tag" in batch.column_names:
            tags = batch.column("e_tag").to_pylist()
        else:
            older.add(file)
            tags = [None] * len(batch)
        reasons = batch.column("reason").to_pylist() if rejected else [None] * len(batch)
        rows = zip(*columns, modified, tags, reasons, strict=True)
        for path, label, size, when, tag, reason in rows:
            if path < last:
                raise StoreError(
                    f"{file} in the STORE is not in order of path.",
                    hint="An older Verger wrote it, or something else; --overwrite makes it again.",
                )
            last = path
            yield Known(path, label, size, when, file, rejected, tag, reason in _PASSING)


def _pieces(groups: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Cut tables: as objects of Python, rows take five times as much as in a table."""
    for group in groups:
        for at in range(0, len(group), _ROWS_AT_ONCE):
            yield group.slice(at, _ROWS_AT_ONCE)


def _groups(place: Place, file: str, columns: list[str]) -> Iterator[pa.Table]:
    """Read a file a group of rows at a time, and hold none open: there may be thousands."""
    group, groups = 0, 1
    while group < groups:
        with damage_told(place, file), opened(place, file, columns) as parquet:
            groups = parquet.num_row_groups
            if group < groups:
                rows = parquet.read_row_group(group, there(parquet, columns))
        if group < groups:
            yield rows
        group += 1


def refs_schema() -> pa.Schema:
    """Schema of the photos to embed; `reason` is null but for what the listing itself rejects."""
    return pa.schema(
        [
            pa.field("path", pa.string(), nullable=False),
            pa.field("label", pa.string()),
            pa.field("bytes", pa.int64(), nullable=False),
            pa.field("modified", pa.timestamp("us", tz="UTC")),
            pa.field("reason", pa.string()),
            pa.field("detail", pa.string()),
            pa.field("e_tag", pa.string()),
        ]
    )


def edits_schema() -> pa.Schema:
    """Schema of what has to change in files that are there: a row dropped, or given a label."""
    return pa.schema(
        [
            pa.field("file", pa.string(), nullable=False),
            pa.field("path", pa.string(), nullable=False),
            pa.field("dropped", pa.bool_(), nullable=False),
            pa.field("label", pa.string()),
        ]
    )


class OrderBook:
    """Orders written to two Parquet files, a group of rows at a time.

    files: the files of the STORE in which something has to change
    """

    def __init__(self, refs: Path, edits: Path) -> None:
        self.files: set[str] = set()
        self._refs = _Rows(refs, refs_schema())
        self._edits = _Rows(edits, edits_schema())

    def __enter__(self) -> OrderBook:
        return self

    def __exit__(self, *_: object) -> None:
        self._refs.close()
        self._edits.close()

    def embed(self, ref: PhotoRef) -> None:
        """Have a photo embedded."""
        self._refs.add(ref)

    def drop(self, row: Known) -> None:
        """Have a row taken out of its file."""
        self.files.add(row.file)
        self._edits.add((row.file, row.path, True, None))

    def relabel(self, row: Known, label: str | None) -> None:
        """Have a row given another label."""
        self.files.add(row.file)
        self._edits.add((row.file, row.path, False, label))


class _Rows:
    """Tuples, written as the rows of a Parquet file."""

    def __init__(self, file: Path, schema: pa.Schema) -> None:
        self._schema = schema
        self._writer = pq.ParquetWriter(file, schema)
        self._rows: list[tuple[Any, ...]] = []

    def add(self, row: tuple[Any, ...]) -> None:
        self._rows.append(row)
        if len(self._rows) >= _ROWS_A_GROUP:
            self._flush()

    def close(self) -> None:
        try:
            self._flush()
        finally:
            self._writer.close()

    def _flush(self) -> None:
        if self._rows:
            columns = zip(zip(*self._rows, strict=True), self._schema, strict=True)
            arrays = [pa.array(values, field.type) for values, field in columns]
            self._writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
        self._rows = []


def edits_of(place: Place, edits: str, file: str) -> tuple[set[str], dict[str, str | None]]:
    """Read what has to change in one file: the paths to drop, and the new labels by path."""
    dropped: set[str] = set()
    labels: dict[str, str | None] = {}
    for batch in batches(place, edits):
        mine = batch.filter(pc.equal(batch.column("file"), file))
        for row in mine.to_pylist():
            if row["dropped"]:
                dropped.add(row["path"])
            else:
                labels[row["path"]] = row["label"]
    return dropped, labels


def refs_of(place: Place, refs: str, start: int, stop: int) -> Iterator[PhotoRef]:
    """Read the references of rows `start` to `stop`, and no more than the row groups they touch."""
    with pq.ParquetFile(place.open(refs)) as parquet:
        at = 0
        for group in range(parquet.num_row_groups):
            end = at + parquet.metadata.row_group(group).num_rows
            if at < stop and end > start:
                rows = parquet.read_row_group(group)
                offset = max(start - at, 0)
                for row in rows.slice(offset, stop - at - offset).to_pylist():
                    yield PhotoRef(**row)
            at = end


def sizes_of(place: Place, refs: str) -> Iterator[int]:
    """Read back the sizes of the photos to embed in bytes, in order."""
    for batch in batches(place, refs, ["bytes"]):
        yield from batch.column("bytes").to_pylist()
