"""What a report leaves for the next one: measures of thumbnails, and sheets of them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from verger.report import kept_neighbours, measures, thumbnails
from verger.report.data import _as_before
from verger.report.kept_neighbours import KeptNeighbours, nearest_from
from verger.report.measures import Measures, measure
from verger.report.positions import MAP, earlier_neighbours
from verger.report.table_files import write_table
from verger.report.thumbnails import KeptSheets, Sheets
from verger.storage.folder import LocalPlace
from verger.store.sampling import digests


def jpegs(count: int, seed: int = 0) -> list[bytes]:
    """Make thumbnails of noise."""
    rng, out = np.random.default_rng(seed), []
    for _ in range(count):
        file = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (40, 30, 3), np.uint8)).save(file, "JPEG")
        out.append(file.getvalue())
    return out


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Give the thumbnails that are opened to be measured."""
    seen: list[bytes] = []
    look = measures._look

    def noted(thumbnail: bytes) -> tuple[float, float]:
        seen.append(thumbnail)
        return look(thumbnail)

    monkeypatch.setattr(measures, "_look", noted)
    return seen


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Give how many thumbnails each sheet has that is made."""
    sizes: list[int] = []
    sheet = thumbnails._sheet

    def noted(some: list[bytes], tile: int) -> bytes:
        sizes.append(len(some))
        return sheet(some, tile)

    monkeypatch.setattr(thumbnails, "_sheet", noted)
    return sizes


def test_only_new_thumbnails_are_measured(tmp_path: Path, looked: list[bytes]) -> None:
    old, new = [*jpegs(3), b"no picture"], jpegs(2, 1)
    first = measure(old, Measures.none())
    assert looked == old
    (tmp_path / "report").mkdir()
    first.write(tmp_path / "report")
    looked.clear()
    now = [new[0], *old[::-1], new[1]]
    second = measure(now, Measures.read(LocalPlace(tmp_path), "report"))
    assert looked == new
    fresh = measure(now, Measures.none())
    for name in ("digests", "brightness", "sharpness"):
        np.testing.assert_array_equal(getattr(second, name), getattr(fresh, name))
    assert np.isnan(second.brightness[1])


def test_what_is_kept_and_was_damaged_since_is_not_believed(tmp_path: Path) -> None:
    """A byte changed in the values themselves leaves a table that can be read."""
    folder, place = tmp_path / "report", LocalPlace(tmp_path)
    folder.mkdir()
    some = jpegs(5)
    measured = measure(some, Measures.none())
    measured.write(folder)
    contents = digests(f"{at}".encode() for at in range(5))
    sheets = Sheets(some, contents, KeptSheets.none())
    sheets.within(10_000_000)
    sheets.write(folder)
    table = pa.table(
        {"content": contents, "neighbours_x": np.arange(5.0), "neighbours_y": np.ones(5)}
    )
    write_table(table, folder / MAP)
    assert len(earlier_neighbours(place, "report") or ()) == 5
    rows = np.random.default_rng(0).normal(size=(5, 8)).astype(np.float32)
    nearest_from(rows, 2, KeptNeighbours.none()).write(folder)
    assert len(KeptNeighbours.read(place, "report").marks) == 5
    for name in (measures._FILE, thumbnails._FILE, kept_neighbours._FILE, MAP):
        whole = (folder / name).read_bytes()
        columns = pq.read_metadata(folder / name).row_group(0)
        for column in map(columns.column, range(columns.num_columns)):
            first = column.dictionary_page_offset or column.data_page_offset
            last = first + column.total_compressed_size - 1
            changed = bytes([whole[last] ^ 1])
            (folder / name).write_bytes(whole[:last] + changed + whole[last + 1 :])
            assert not len(Measures.read(place, "report").digests) or name != measures._FILE
            assert not KeptSheets.read(place, "report").sheets or name != thumbnails._FILE
            assert earlier_neighbours(place, "report") == {} or name != MAP
            found = KeptNeighbours.read(place, "report")
            assert not len(found.marks) or name != kept_neighbours._FILE
        (folder / name).write_bytes(whole)
    assert earlier_neighbours(place, "report")


@pytest.mark.parametrize("content", [float("inf"), float("nan"), None])
def test_a_map_of_no_contents_is_none(tmp_path: Path, content: float | None) -> None:
    (tmp_path / "report").mkdir()
    names = ("content", "neighbours_x", "neighbours_y")
    write_table(pa.table({n: [content] for n in names}), tmp_path / "report" / MAP)
    assert earlier_neighbours(LocalPlace(tmp_path), "report") == {}


def test_only_sheets_of_other_thumbnails_are_made(tmp_path: Path, made: list[int]) -> None:
    some = jpegs(30) * 40  # 1,200: one sheet, and a part of another
    contents = digests(f"{at}".encode() for at in range(len(some)))
    first = Sheets(some, contents, KeptSheets.none())
    uris, placed = first.within(10_000_000)
    assert (len(uris), placed, sorted(made)) == (2, 1_200, [176, 1_024])
    (tmp_path / "report").mkdir()
    first.write(tmp_path / "report")
    kept = KeptSheets.read(LocalPlace(tmp_path), "report")
    np.testing.assert_array_equal(kept.contents, contents)
    made.clear()
    again = Sheets(some[:-1], contents[:-1], kept).within(10_000_000)[0]
    assert made == [175]
    assert again[0] == uris[0]


@pytest.mark.parametrize("bad", [b"", b"no picture", "another size"])
def test_a_sheet_that_is_none_is_made_anew(bad: bytes | str, made: list[int]) -> None:
    some, contents = jpegs(5), np.arange(5, dtype=np.uint64)
    whole = Sheets(some, contents, KeptSheets.none())
    if isinstance(bad, str):
        bad = thumbnails.webp(Image.new("RGB", (48, 48)), 50)
    (mark,) = thumbnails._marks([some], whole.tile)
    made.clear()
    other = Sheets(some, contents, KeptSheets(contents, {mark: bad}))
    assert other.within(10_000_000) == whole.within(10_000_000)
    assert made == [5]


def test_what_does_not_fit_is_not_kept(tmp_path: Path) -> None:
    some = jpegs(30) * 40
    contents = np.arange(len(some), dtype=np.uint64)
    sheets = Sheets(some, contents, KeptSheets.none())
    first, second = sheets.within(10_000_000)[0]
    assert 1_024 < sheets.within(len(first) + len(second) - 1)[1] < len(some)
    (tmp_path / "report").mkdir()
    sheets.write(tmp_path / "report")
    assert KeptSheets.read(LocalPlace(tmp_path), "report").contents.tolist() == [*range(1_024)]


@pytest.mark.parametrize(
    ("rows", "before", "expected"),
    [
        ("dcba", "", "dcba"),
        ("dcba", "abcd", "abcd"),
        ("dcbaxy", "abcd", "abcdxy"),
        ("xdcay", "abcd", "axcdy"),  # b is gone
        ("da", "abcd", "ad"),
        ("a", "bcda", "a"),
        ("zz", "ab", "zz"),
        ("", "ab", ""),
        ("aab", "ba", "baa"),
    ],
)
def test_photos_keep_their_places(rows: str, before: str, expected: str) -> None:
    contents = np.array([ord(one) for one in rows], np.uint64)
    earlier = np.array([ord(one) for one in before], np.uint64)
    found = _as_before(np.arange(len(rows)), contents, earlier)
    assert sorted(found.tolist()) == list(range(len(rows)))
    assert "".join(rows[at] for at in found.tolist()) == expected
