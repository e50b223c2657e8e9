"""What was made of the same bytes before: found by size and SHA-256, and taken whole."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from verger.embed.features import content_columns, features_schema
from verger.storage.folder import LocalPlace
from verger.store.reuse import Contents, Sizes, alike, write_known
from verger.store.tables import TableWriter

from .test_parts import NOW, feature_row

MOST = 10**8  # pixels


def sha256_of(path: str) -> bytes:
    return hashlib.sha256(path.encode()).digest()


def row(path: str, **changes: Any) -> dict[str, Any]:
    """Write a row of a photo whose bytes are its name."""
    made = feature_row(path) | {"bytes": len(path), "sha256": sha256_of(path), "modified": NOW}
    return made | changes


@pytest.fixture
def place(tmp_path: Path) -> LocalPlace:
    return LocalPlace(tmp_path)


def write(place: LocalPlace, file: str, rows: list[dict[str, Any]], rows_a_group: int = 2) -> str:
    with TableWriter(place.root / file, features_schema(), rows_a_group) as table:
        for one in rows:
            table.add(pa.RecordBatch.from_pylist([one], features_schema()))
    return file


def contents(place: LocalPlace, files: list[str], sizes: list[int], most: int = MOST) -> Contents:
    write_known(place, files, sizes, place.root / "known")
    return Contents(place, "known", sizes, most)


def test_rows_are_found_wherever_they_stand(place: LocalPlace) -> None:
    names = ["a", "b", "aa", "bb", "cc", "aaa", "bbb"]
    files = [
        write(place, "p", [row(name) for name in names[:3]]),
        write(place, "q", [row(name) for name in names[3:]], 3),
    ]
    found = contents(place, files, [1, 2, 3])
    for name in [*names, *reversed(names)]:
        made = found.recall(sha256_of(name))
        assert made is not None
        assert made.features.dtype == np.float32
        whole = made.columns | {"features": made.features.tolist()}
        there = pa.RecordBatch.from_pylist([row(name)], features_schema()).to_pylist()[0]
        assert whole == {column: there[column] for column in content_columns()}
    assert found.recall(sha256_of("c")) is None


def test_those_of_another_size_are_left_out(place: LocalPlace) -> None:
    file = write(place, "p", [row(name) for name in ("a", "b", "aa", "bb", "aaa")])
    assert write_known(place, [file], [2, 7], place.root / "known") == 2
    assert pq.read_table(place.root / "known")["row"].to_pylist() == [0, 1]
    assert alike(place, "known", [1, 2, 2, 3, 7]) == 2
    assert contents(place, [file], [2]).recall(sha256_of("bb")) is not None
    assert contents(place, [file], [2]).recall(sha256_of("a")) is None
    assert write_known(place, [file], [], place.root / "known") == 0
    assert Contents(place, "known", [1], MOST).recall(sha256_of("a")) is None


def test_a_set_of_sizes_lacks_none() -> None:
    sizes = [0, 1, 2**22 - 1, 2**22 + 5, 2**40 + 7]
    there = Sizes(sizes)
    assert there.among(pa.array([*sizes, 3])).tolist() == [True] * 5 + [False]
    assert [there.has(size) for size in (*sizes, 3)] == [True] * 5 + [False]


def test_a_row_is_taken_whole_or_not_at_all(place: LocalPlace) -> None:
    """Of an older Verger, of another photo whose key is the same, with too many pixels."""
    other = sha256_of("b")[:8] + bytes(24)
    lacks = [row("a", sha256=None), row("c", thumbnail=None), row("b", sha256=other)]
    file = write(place, "p", [*lacks, row("d"), row("e", sha256=b"short")])
    found = contents(place, [file], [1])
    for name in ("a", "b", "c", "e"):
        assert found.recall(sha256_of(name)) is None, name
    assert found.recall(sha256_of("d")) is not None
    assert contents(place, [file], [1], 20 * 30).recall(sha256_of("d")) is not None
    assert contents(place, [file], [1], 20 * 30 - 1).recall(sha256_of("d")) is None


def test_files_without_the_column_hold_nothing_that_is_known(place: LocalPlace) -> None:
    file = write(place, "p", [row("a")])
    pq.write_table(pq.read_table(place.root / file).drop_columns(["sha256"]), place.root / "old")
    assert write_known(place, ["old"], [1], place.root / "known") == 0
    assert write_known(place, ["old", file], [1], place.root / "known") == 1


def test_what_cannot_be_read_is_not_known(place: LocalPlace) -> None:
    whole, cut = write(place, "p", [row("a")]), write(place, "q", [row("b")])
    flipped = write(place, "r", [row("c"), row("d")])
    found = contents(place, [whole, cut, flipped, "gone"], [1])
    (place.root / cut).write_bytes((place.root / cut).read_bytes()[:-9])
    data = bytearray((place.root / flipped).read_bytes())
    at = data.index(np.float32(3.4e38).tobytes())
    data[at] ^= 1
    (place.root / flipped).write_bytes(data)
    for name in ("b", "c", "d"):
        assert found.recall(sha256_of(name)) is None
    assert found.recall(sha256_of("a")) is not None
    assert write_known(place, [whole, cut, "gone"], [1], place.root / "known") == 1
