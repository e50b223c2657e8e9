"""Laying photos listed beside photos known: every count by an oracle, and in constant memory."""

from __future__ import annotations

import datetime as dt
import os
import resource
import subprocess
import sys
import tempfile
import tracemalloc
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verger.errors import StoreError
from verger.photos.reasons import Reason
from verger.photos.references import PhotoRef
from verger.storage.folder import LocalPlace
from verger.store.inventory import (
    Known,
    OrderBook,
    Tally,
    compare,
    edits_of,
    known_photos,
    refs_of,
    refs_schema,
    sizes_of,
)
from verger.store.layout import FEATURES, REJECTS
from verger.store.parts import SCHEMAS, merge_rejects, rewrite_part

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
# Names whose order differs by code point, by UTF-16 and by what a person would say.
PATHS = [
    "a", "a.jpg", "a/1.jpg", "a/2.jpg", "a b/1.jpg", "A.jpg", "b.jpg", "é.jpg", "e\u0301.jpg",
    "\uff5e.jpg", "🍑.jpg", "z/z/z.jpg",
]  # fmt: skip


def at(version: int) -> dt.datetime:
    """Give a time of change, to the microsecond, before and after 1970."""
    return EPOCH + dt.timedelta(microseconds=version * 1_000_000_000_001 - 7)


def micros(version: int) -> int:
    return version * 1_000_000_000_001 - 7


class Old(NamedTuple):
    """A row of a STORE; `size` and `version` are what a photo is known by."""

    file: int
    label: str | None
    size: int
    version: int
    rejected: bool


class New(NamedTuple):
    """A photo listed."""

    label: str | None
    size: int
    version: int
    reason: str | None


LABELS = st.sampled_from([None, "", "plum", "fig"])
SIZES = st.integers(0, 1)
VERSIONS = st.integers(-1, 1)
OLD = st.builds(Old, st.integers(0, 2), LABELS, SIZES, VERSIONS, st.booleans())
NEW = st.builds(New, LABELS, SIZES, VERSIONS, st.sampled_from([None, None, None, "bad_name"]))
# A path may stand in several files, once in each: runs that were stopped leave that.
OLD_ROWS = st.lists(OLD, min_size=1, max_size=3, unique_by=lambda row: (row.file, row.rejected))
STORED = st.dictionaries(st.sampled_from(PATHS), OLD_ROWS)
LISTED = st.dictionaries(st.sampled_from(PATHS), NEW)


def file_of(row: Old) -> str:
    return f"{REJECTS if row.rejected else FEATURES}/{row.file}.parquet"


def known_of(stored: dict[str, list[Old]]) -> list[Known]:
    """Every row, in order of path; of one path, as files of features and then of rejects."""
    return [
        Known(path, row.label, row.size, micros(row.version), file_of(row), row.rejected)
        for path in sorted(stored)
        for row in sorted(stored[path], key=lambda row: (row.rejected, row.file))
    ]


def refs_from(listed: dict[str, New]) -> list[PhotoRef]:
    return [
        PhotoRef(path, new.label, new.size, at(new.version), new.reason, new.reason and "why")
        for path, new in sorted(listed.items())
    ]


class Orders:
    """Orders kept in lists."""

    def __init__(self) -> None:
        self.embedded: list[PhotoRef] = []
        self.dropped: list[Known] = []
        self.relabelled: list[tuple[Known, str | None]] = []

    def embed(self, ref: PhotoRef) -> None:
        self.embedded.append(ref)

    def drop(self, row: Known) -> None:
        self.dropped.append(row)

    def relabel(self, row: Known, label: str | None) -> None:
        self.relabelled.append((row, label))


class NoOrders:
    """Orders counted and forgotten."""

    def __init__(self) -> None:
        self.count = 0

    def embed(self, _ref: PhotoRef) -> None:
        self.count += 1

    def drop(self, _row: Known) -> None:
        self.count += 1

    def relabel(self, _row: Known, _label: str | None) -> None:
        self.count += 1


def last(tallies: Iterable[Tally]) -> Tally:
    *_, tally = tallies
    return tally


def oracle(
    stored: dict[str, list[Old]], listed: dict[str, New], *, retry_rejects: bool
) -> tuple[dict[str, int], dict[str, Known | None]]:
    """Count by looking each path up; also say which row each photo keeps, None if it is embedded.

    `gone` counts photos, of which one may have several rows.
    """
    names = ("new", "changed", "retried", "kept", "relabelled", "gone", "reused", "resumed")
    counts = dict.fromkeys(names, 0)
    by_path: dict[str, list[Known]] = {}
    for row in known_of(stored):
        by_path.setdefault(row.path, []).append(row)
    keeps: dict[str, Known | None] = {}
    for path, new in listed.items():
        rows = by_path.get(path, [])
        same = [row for row in rows if (row.bytes, row.modified) == (new.size, micros(new.version))]
        same = [row for row in same if row.rejected or new.reason is None]
        usable = [row for row in same if not (row.rejected and retry_rejects)]
        keeps[path] = usable[0] if usable else None
        if usable:
            counts["kept"] += 1
            counts["relabelled"] += usable[0].label != new.label
        else:
            counts["retried" if same else "changed" if rows else "new"] += 1
    counts["gone"] = len(by_path.keys() - listed.keys())
    return counts, keeps


# compare ------------------------------------------------------------------------------------------


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(stored=STORED, listed=LISTED, retry_rejects=st.booleans())
def test_every_count_is_that_of_looking_each_photo_up(
    stored: dict[str, list[Old]], listed: dict[str, New], retry_rejects: bool
) -> None:
    orders = Orders()
    known, refs = known_of(stored), refs_from(listed)
    tally = last(compare(refs, iter(known), orders, retry_rejects=retry_rejects))
    counts, keeps = oracle(stored, listed, retry_rejects=retry_rejects)
    assert tally.as_record() == counts
    assert tally.listed == len(listed) == tally.to_embed + tally.kept
    assert tally.to_embed == len(orders.embedded)
    assert orders.embedded == [ref for ref in refs if keeps[ref.path] is None]
    assert tally.bytes_to_read == sum(ref.bytes for ref in orders.embedded)
    assert tally.labels == {new.label for new in listed.values()} - {None}
    assert tally.unlabelled == sum(new.label is None for new in listed.values())
    # Of each path exactly one row is left, or the photo is embedded and none is.
    assert orders.dropped == [row for row in known if keeps.get(row.path) != row]
    assert orders.relabelled == [
        (row, listed[path].label)
        for path, row in sorted(keeps.items())
        if row is not None and row.label != listed[path].label
    ]


def test_the_tally_grows_with_each_photo_and_ends_with_what_is_gone() -> None:
    stored = {path: [Old(0, None, 1, 0, rejected=False)] for path in ("a", "b", "x", "y")}
    listed = dict.fromkeys(("b", "c"), New(None, 1, 0, None))
    seen = [
        (tally.listed, tally.kept, tally.new, tally.gone)
        for tally in compare(
            refs_from(listed), iter(known_of(stored)), Orders(), retry_rejects=False
        )
    ]
    assert seen == [(1, 1, 0, 1), (2, 1, 1, 1), (2, 1, 1, 3)]


def test_nothing_beside_nothing_is_the_same() -> None:
    tally = last(compare([], iter([]), Orders(), retry_rejects=False))
    assert tally == Tally()
    assert tally.is_same


@pytest.mark.parametrize(
    ("new", "is_same"),
    [
        (New("plum", 1, 0, None), True),
        (New("fig", 1, 0, None), False),
        (New(None, 1, 0, None), False),
        (New("plum", 0, 0, None), False),
        (New("plum", 1, 1, None), False),
        (New("plum", 1, 0, "bad_name"), False),
    ],
)
def test_the_same_is_the_same_in_path_size_time_label_and_use(new: New, is_same: bool) -> None:
    stored = {"a": [Old(0, "plum", 1, 0, rejected=False)]}
    orders = Orders()
    tally = last(
        compare(refs_from({"a": new}), iter(known_of(stored)), orders, retry_rejects=False)
    )
    assert tally.is_same is is_same
    assert bool(orders.embedded or orders.relabelled) is not is_same


@pytest.mark.parametrize(
    ("before", "now", "kept"),
    [
        ('"a"', '"a"', True),
        ('"a"', '"b"', False),
        (None, '"b"', True),  # a STORE of the first format knows none
        ('"a"', None, True),
        (None, None, True),
    ],
)
@pytest.mark.parametrize("rejected", [False, True])
def test_another_e_tag_is_another_photo_where_both_are_known(
    before: str | None, now: str | None, kept: bool, rejected: bool
) -> None:
    row = Known("a", None, 1, micros(0), "file", rejected, before)
    ref = PhotoRef("a", None, 1, at(0), e_tag=now)
    tally = last(compare([ref], iter([row]), Orders(), retry_rejects=False))
    assert (tally.kept, tally.changed) == (int(kept), int(not kept))


def test_a_photo_of_which_nothing_but_its_path_is_known_is_what_it_was() -> None:
    """A server that says nothing of a photo, or is down: its features are kept."""
    row = Known("a", None, 7, micros(5), "file", False, '"a"')
    ref = PhotoRef("a", None, 0, at(0), e_tag="")
    tally = last(compare([ref], iter([row]), Orders(), retry_rejects=False))
    assert (tally.kept, tally.changed, tally.by_path_alone) == (1, 0, 1)


def test_rejects_that_may_have_passed_are_tried_again() -> None:
    row = Known("a", None, 1, micros(0), "file", rejected=True, passing=True)
    orders = Orders()
    tally = last(compare([PhotoRef("a", None, 1, at(0))], iter([row]), orders, retry_rejects=False))
    assert (tally.retried, tally.kept) == (1, 0)
    assert [ref.path for ref in orders.embedded] == ["a"]
    assert orders.dropped == [row]


def test_what_the_listing_itself_tried_again_is_not_embedded_for_it() -> None:
    row = Known("a", None, 0, micros(0), "file", rejected=True, passing=True)
    ref = PhotoRef("a", None, 0, at(0), Reason.UNAVAILABLE, "denied")
    orders = Orders()
    tally = last(compare([ref], iter([row]), orders, retry_rejects=False))
    assert (tally.kept, tally.is_same, orders.embedded) == (1, True, [])


def test_what_cannot_be_looked_at_is_kept_as_it_was() -> None:
    """A share that hangs for a moment, or a closed folder, costs no features."""
    rows = [
        Known("a", "x", 1, micros(0), "file", rejected=False),
        Known("b/1", "b", 1, micros(0), "file", rejected=False),
        Known("b/1", "b", 1, micros(0), "later", rejected=False),  # by a run that was stopped
        Known("b/2", None, 1, micros(0), "rejects", rejected=True),
        Known("b0", "x", 1, micros(0), "file", rejected=False),
        Known("c/1", "x", 1, micros(0), "file", rejected=False),
    ]
    refs = [
        PhotoRef("a", "y", 0, EPOCH, Reason.UNAVAILABLE, "Stale file handle"),
        PhotoRef("b/", "x", 0, EPOCH, Reason.UNAVAILABLE, "cannot be listed"),
        PhotoRef("c/", "x", 0, EPOCH, Reason.UNREADABLE, "cannot be listed"),
    ]
    orders = Orders()
    tally = last(compare(refs, iter(rows), orders, retry_rejects=False))
    assert (tally.listed, tally.kept, tally.new, tally.gone) == (5, 3, 2, 2)
    assert tally.labels == {"y", "b", "x"}
    assert [ref.path for ref in orders.embedded] == ["b/", "c/"]
    assert [(row.path, row.file) for row in orders.dropped] == [
        ("b/1", "later"), ("b0", "file"), ("c/1", "file"),
    ]  # fmt: skip
    assert orders.relabelled == [(rows[0], "y")]


@pytest.mark.parametrize("retry_rejects", [False, True])
def test_rejects_are_tried_again_only_when_asked(retry_rejects: bool) -> None:
    stored = {
        "good": [Old(0, None, 1, 0, rejected=False)],
        "bad": [Old(0, None, 1, 0, rejected=True)],
        "mended": [Old(0, None, 1, 0, rejected=True)],
        "gone": [Old(0, None, 1, 0, rejected=True)],
    }
    listed = dict.fromkeys(("good", "bad"), New(None, 1, 0, None))
    listed["mended"] = New(None, 2, 0, None)
    orders = Orders()
    refs = refs_from(listed)
    tally = last(compare(refs, iter(known_of(stored)), orders, retry_rejects=retry_rejects))
    again = 1 if retry_rejects else 0
    assert tally.as_record() == {
        "new": 0, "changed": 1, "retried": again, "kept": 2 - again, "relabelled": 0, "gone": 1,
        "reused": 0, "resumed": 0,
    }  # fmt: skip
    assert [ref.path for ref in orders.embedded] == ["bad", "mended"][1 - again :]


# Through files ------------------------------------------------------------------------------------


def write(
    place: LocalPlace, path: str, rows: list[dict[str, Any]], schema: pa.Schema, group: int = 2
) -> str:
    with place.incoming(path) as file:
        pq.write_table(pa.Table.from_pylist(rows, schema), file, row_group_size=group)
    return path


def write_stored(place: LocalPlace, stored: dict[str, list[Old]]) -> tuple[list[str], list[str]]:
    """Write the files of a STORE; return those of features, and those of rejects."""
    files: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(stored):
        for row in stored[path]:
            files.setdefault(file_of(row), []).append(
                {
                    "path": path,
                    "label": row.label,
                    "bytes": row.size,
                    "modified": at(row.version),
                    "reason": "empty",
                    "features": [1.0],
                }
            )
    for file, rows in files.items():
        schema = SCHEMAS[file.partition("/")[0]]
        write(place, file, [{n: row.get(n) for n in schema.names} for row in rows], schema)
    return tuple(  # type: ignore[return-value]
        sorted(file for file in files if file.startswith(table)) for table in (FEATURES, REJECTS)
    )


def found_rows(place: LocalPlace, files: Iterable[str]) -> list[tuple[str, str | None]]:
    return [
        (row["path"], row["label"])
        for file in files
        for row in pq.read_table(place.open(file)).to_pylist()
    ]


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(stored=STORED, listed=LISTED, retry_rejects=st.booleans())
def test_the_same_through_files_leaves_each_photo_once(
    stored: dict[str, list[Old]], listed: dict[str, New], retry_rejects: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = LocalPlace(Path(folder))
        features, rejects = write_stored(place, stored)
        known = list(known_photos(place, features, rejects, set()))
        assert known == known_of(stored)
        with OrderBook(Path(folder) / "refs", Path(folder) / "edits") as book:
            tally = last(compare(refs_from(listed), iter(known), book, retry_rejects=retry_rejects))
        counts, keeps = oracle(stored, listed, retry_rejects=retry_rejects)
        assert tally.as_record() == counts
        to_embed = list(refs_of(place, "refs", 0, tally.to_embed))
        assert to_embed == [ref for ref in refs_from(listed) if keeps[ref.path] is None]
        left = []
        for number, file in enumerate(features):
            if file in book.files:
                rewrite_part(
                    place, [file], f"new/{number}", lambda file: edits_of(place, "edits", file)
                )
                left.append(f"new/{number}")
            else:
                left.append(file)
        merge_rejects(place, rejects, "rejected", lambda file: edits_of(place, "edits", file))
        found = found_rows(place, [*left, "rejected"]) + [(r.path, r.label) for r in to_embed]
        assert sorted(found, key=str) == sorted(
            ((path, new.label) for path, new in listed.items()), key=str
        )


def test_a_file_out_of_order_is_no_file_of_a_store(tmp_path: Path) -> None:
    place = LocalPlace(tmp_path)
    rows = [
        {"path": path, "label": None, "bytes": 1, "modified": EPOCH, "reason": "empty"}
        for path in ("a/1.jpg", "a.jpg")  # as a walk of folders by their bare names gave them
    ]
    file = write(place, "rejects/old.parquet", rows, SCHEMAS[REJECTS])
    with pytest.raises(StoreError, match=r"rejects/old\.parquet.*not in order of path") as caught:
        list(known_photos(place, [], [file], set()))
    assert "--overwrite" in str(caught.value)


def test_rows_come_in_the_order_of_the_files_where_paths_are_the_same(tmp_path: Path) -> None:
    place = LocalPlace(tmp_path)
    stored = {"a": [Old(n, None, n, 0, rejected=r) for r in (False, True) for n in (0, 1, 2)]}
    features, rejects = write_stored(place, stored)
    found = [row.file for row in known_photos(place, features, rejects, set())]
    assert found == [*features, *rejects]


def test_orders_are_read_back_as_they_were_given(tmp_path: Path) -> None:
    place = LocalPlace(tmp_path)
    refs = [
        PhotoRef(f"{n:05d} pêche 🍑.jpg", f"l{n}" if n % 3 else None, n * 10**7, at(n % 5 - 2))
        for n in range(2500)
    ]
    refs[7] = refs[7]._replace(reason=Reason.BAD_NAME, detail="the name is not valid UTF-8")
    row = Known("b", "old", 1, 2, "features/x.parquet", rejected=False)
    with OrderBook(tmp_path / "refs", tmp_path / "edits") as book:
        for ref in refs:
            book.embed(ref)
        book.drop(row)
        book.relabel(row._replace(path="c"), None)
        book.relabel(row._replace(path="d"), "new")
        book.drop(row._replace(file="rejects/y.parquet"))
    assert book.files == {"features/x.parquet", "rejects/y.parquet"}
    assert pq.read_schema(tmp_path / "refs").equals(refs_schema())
    for start, stop in ((0, 2500), (0, 0), (0, 1), (1000, 1030), (1024, 2048), (2499, 2500)):
        found = list(refs_of(place, "refs", start, stop))
        assert found == refs[start:stop]
        assert all(ref.modified.utcoffset() == dt.timedelta(0) for ref in found)
    assert list(sizes_of(place, "refs")) == [ref.bytes for ref in refs]
    assert edits_of(place, "edits", "features/x.parquet") == ({"b"}, {"c": None, "d": "new"})
    assert edits_of(place, "edits", "rejects/y.parquet") == ({"b"}, {})
    assert edits_of(place, "edits", "features/other.parquet") == (set(), {})


def test_no_order_is_a_file_of_no_row(tmp_path: Path) -> None:
    place = LocalPlace(tmp_path)
    with OrderBook(tmp_path / "refs", tmp_path / "edits") as book:
        pass
    assert book.files == set()
    assert list(refs_of(place, "refs", 0, 10)) == []
    assert list(sizes_of(place, "refs")) == []
    assert edits_of(place, "edits", "any") == (set(), {})


def test_spans_of_the_references_are_each_of_them_once(tmp_path: Path) -> None:
    place = LocalPlace(tmp_path)
    refs = [PhotoRef(f"{n:05d}.jpg", None, n, EPOCH) for n in range(3000)]
    with OrderBook(tmp_path / "refs", tmp_path / "edits") as book:
        for ref in refs:
            book.embed(ref)
    cuts = [0, 1, 8, 1023, 1025, 2048, 2049, 3000]
    assert [
        r for start, stop in pairwise(cuts) for r in refs_of(place, "refs", start, stop)
    ] == refs


ALONE = """
import sys
from pathlib import Path
from verger.store.inventory import Known, OrderBook, edits_of
from verger.storage.folder import LocalPlace
folder = Path(sys.argv[1])
with OrderBook(folder / "refs", folder / "edits") as book:
    book.drop(Known("a", None, 1, 2, "file", False))
print(edits_of(LocalPlace(folder), "edits", "file"))
"""


def test_edits_are_read_in_a_process_that_imported_nothing_else(tmp_path: Path) -> None:
    """A worker has imported no more than it was sent: no pandas that brings Arrow's functions."""
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "({'a'}, {})\n", done.stderr


# How much is held ---------------------------------------------------------------------------------


def many(count: int, *, drop_every: int) -> Iterator[PhotoRef]:
    for n in range(count):
        if n % drop_every:
            yield PhotoRef(f"folder/{n:09d}.jpg", "plum", 1 + (n % 10 == 0), EPOCH)


@pytest.mark.slow
def test_any_number_of_photos_is_laid_side_by_side_in_constant_memory(tmp_path: Path) -> None:
    """Of 100,000 rows (30 MB as Python objects), known and listed, few are held at once."""
    count = 100_000
    place = LocalPlace(tmp_path)
    schema = SCHEMAS[REJECTS]
    for file in range(2):
        numbers = range(file, count, 2)
        table = pa.table(
            [
                [f"folder/{n:09d}.jpg" for n in numbers],
                ["plum"] * len(numbers),
                ["empty"] * len(numbers),
                [None] * len(numbers),
                [1] * len(numbers),
                [EPOCH] * len(numbers),
                [None] * len(numbers),
            ],
            schema=schema,
        )
        pq.write_table(table, tmp_path / f"{file}", row_group_size=1024)
    del table
    known = known_photos(place, [], ["0", "1"], set())
    arrow, peak = pa.total_allocated_bytes(), 0
    tracemalloc.start()
    with OrderBook(tmp_path / "refs", tmp_path / "edits") as book:
        for tally in compare(many(count, drop_every=7), known, book, retry_rejects=False):
            if tally.listed % 1000 == 0:
                peak = max(peak, pa.total_allocated_bytes() - arrow)
    python = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert tally.listed == sum(1 for _ in many(count, drop_every=7))
    assert tally.gone == count - tally.listed
    assert tally.changed == sum(ref.bytes == 2 for ref in many(count, drop_every=7))
    assert tally.kept == tally.listed - tally.changed
    assert python < 8_000_000
    assert peak < 16_000_000
    assert sum(1 for _ in sizes_of(place, "refs")) == tally.changed


@pytest.mark.slow
def test_of_many_files_few_are_held_at_once(tmp_path: Path) -> None:
    """Files of one range of paths after another, as tasks write them, and one across all."""
    place, a_file = LocalPlace(tmp_path), 300

    def rows(numbers: Iterable[int]) -> list[dict[str, Any]]:
        made = {"label": None, "bytes": 1, "modified": EPOCH, "reason": "empty"}
        return [{"path": f"folder/{n:09d}.jpg", **made} for n in numbers]

    def written(name: str, numbers: range) -> str:
        return write(place, name, rows(numbers), SCHEMAS[REJECTS], group=100)

    files = [
        written(f"{n}", range(n * a_file + (n == 0), (n + 1) * a_file))
        for n in reversed(range(100))
    ]
    files.append(written("across", range(0, 100 * a_file, a_file)))
    tracemalloc.start()
    before = ""
    found = 0
    for found, row in enumerate(known_photos(place, [], files, set()), 1):  # noqa: B007
        assert before <= row.path
        before = row.path
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == 101 * a_file - 1 - a_file + 100
    assert peak < 2_000_000, peak


@pytest.mark.slow
def test_more_files_than_a_process_may_open_are_read(tmp_path: Path) -> None:
    """A STORE grows by some files with each run, and years of runs are more than the limit."""
    place = LocalPlace(tmp_path)
    files = [
        write_rejects_of_one(place, f"rejects/{n:04d}.parquet", f"{n:04d}.jpg") for n in range(300)
    ]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, soft), hard))
        found = Counter(row.file for row in known_photos(place, [], files, set()))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert found == Counter(files)


def write_rejects_of_one(place: LocalPlace, file: str, path: str) -> str:
    row = {"path": path, "label": None, "bytes": 1, "modified": EPOCH, "reason": "empty"}
    return write(place, file, [row], SCHEMAS[REJECTS])
