"""Places: the laws that whatever holds photos and STOREs keeps to."""

from __future__ import annotations

import multiprocessing
import os
import stat
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from verger.errors import PhotosError, StoreError
from verger.places import LocalPlace, place_of, store_place

if TYPE_CHECKING:
    from verger.places import Place

ODD = [
    "a b.bin",
    " led by a space.bin",
    "pêche 桃🍑.bin",
    "pe\u0302che.bin",
    "100%.bin",
    "%20.bin",
    "a#b?c&d.bin",
    "it's.bin",
    'say "a".bin',
    "two\nlines.bin",
    "back\\slash.bin",
    "*.bin",
    "[a]{b}.bin",
    "-rf.bin",
    "a:b.bin",
    "s3:x.bin",
    "~.bin",
]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return LocalPlace(tmp_path / "place")


def fail_while_writing(place: Place, path: str, error: BaseException) -> None:
    with place.incoming(path) as file:
        file.write_bytes(b"half")
        raise error


def everything(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*")}


# Files --------------------------------------------------------------------------------------------


def test_what_is_put_is_read_back(place: Place) -> None:
    for data in (b"", b"one", bytes(range(256)) * 4096):
        place.put("deep/er/file", data)
        assert place.read("deep/er/file") == data
        assert place.exists("deep/er/file")


@pytest.mark.parametrize("name", ODD)
def test_a_name_is_kept_exactly(place: Place, name: str) -> None:
    folder = f"folder {name}"
    place.put(f"{folder}/{name}", b"photo")
    assert place.read(f"{folder}/{name}") == b"photo"
    assert place.files(folder) == place.entries(folder) == [f"{folder}/{name}"]
    assert place.files(folder, ".bin") == [f"{folder}/{name}"]
    with place.incoming(f"{folder}/{name}") as file:
        pq.write_table(pa.table({"n": [1, 2]}), file)
    assert pq.read_table(place.open(f"{folder}/{name}")).num_rows == 2
    place.move(f"{folder}/{name}", f"to/{name}")
    assert place.files(folder) == []
    assert place.exists(f"to/{name}")
    place.delete(f"to/{name}")
    assert not place.exists(f"to/{name}")


def test_a_file_that_is_not_there_cannot_be_read_or_moved(place: Place) -> None:
    place.put("here", b"")
    with pytest.raises(FileNotFoundError):
        place.read("gone")
    with pytest.raises(FileNotFoundError):
        place.move("gone", "here")
    assert place.read("here") == b""
    assert not place.exists("gone")
    assert not place.exists("no/folder/gone")


def test_a_folder_is_no_file(place: Place) -> None:
    place.put("folder/file", b"")
    assert not place.exists("folder")


# Incoming -----------------------------------------------------------------------------------------


def test_what_comes_in_appears_at_the_end_and_not_before(place: Place) -> None:
    place.put("folder/file", b"old")
    with place.incoming("folder/file") as file:
        file.write_bytes(b"new")
        assert place.read("folder/file") == b"old"
        assert place.files("folder") == ["folder/file"]  # what is unfinished is no file of it
    assert place.read("folder/file") == b"new"
    assert place.entries("folder") == ["folder/file"]


@pytest.mark.parametrize("error", [ValueError("bad"), KeyboardInterrupt(), OSError(28, "full")])
def test_what_fails_while_it_comes_in_leaves_nothing(place: Place, error: BaseException) -> None:
    with pytest.raises(type(error)):
        fail_while_writing(place, "folder/file", error)
    assert place.entries("folder") == []
    place.put("folder/file", b"old")
    with pytest.raises(type(error)):
        fail_while_writing(place, "folder/file", error)
    assert place.read("folder/file") == b"old"
    assert place.entries("folder") == ["folder/file"]


def test_what_was_never_written_does_not_come_in(place: Place) -> None:
    with pytest.raises(FileNotFoundError), place.incoming("folder/file"):
        pass
    assert place.entries("folder") == []


def test_what_cannot_take_its_place_leaves_nothing(place: Place) -> None:
    place.put("folder/in-the-way/file", b"")
    with pytest.raises(OSError, match="directory"):
        place.put("folder/in-the-way", b"new")
    assert place.entries("folder") == ["folder/in-the-way"]
    assert place.files("folder/in-the-way") == ["folder/in-the-way/file"]


def test_two_that_come_in_at_once_are_one_of_the_two(place: Place) -> None:
    with place.incoming("file") as one, place.incoming("file") as two:
        one.write_bytes(b"one")
        two.write_bytes(b"two")
        assert one != two
    assert place.read("file") == b"one"  # the one that ended last
    assert place.is_empty() is False


# Folders ------------------------------------------------------------------------------------------


def test_files_are_in_order_and_are_those_right_in_the_folder(place: Place) -> None:
    names = ["b.parquet", "a.parquet", "C.parquet", "é.parquet", "a.txt", "_SUCCESS"]
    for name in names:
        place.put(f"table/{name}", b"")
    place.put("table/.a.parquet.crc", b"")
    place.put("table/.hidden.parquet", b"")
    place.put("table/deep.parquet/file.parquet", b"")
    assert place.files("table") == [f"table/{name}" for name in sorted(names)]
    assert place.files("table", ".parquet") == [
        f"table/{name}" for name in sorted(names) if name.endswith(".parquet")
    ]
    assert place.entries("table") == [
        f"table/{name}"
        for name in sorted([*names, ".a.parquet.crc", ".hidden.parquet", "deep.parquet"])
    ]


def test_a_folder_that_is_not_there_holds_nothing(place: Place) -> None:
    assert place.files("gone") == place.files("gone", ".parquet") == place.entries("gone") == []
    place.delete("gone")
    place.delete_if_empty("gone")


def test_a_file_or_a_folder_is_deleted_with_all_in_it(place: Place) -> None:
    for path in ("a/b/c", "a/.hidden", "a/d", "b/e"):
        place.put(path, b"")
    place.delete("a/d")
    assert place.entries("a") == ["a/.hidden", "a/b"]
    place.delete("a")
    assert place.entries("a") == []
    assert place.exists("b/e")
    place.delete("a")  # and it is gone already


def test_what_a_link_leads_to_is_not_deleted(tmp_path: Path) -> None:
    place = LocalPlace(tmp_path / "place")
    place.put("x", b"")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "thesis").write_text("years of work")
    (tmp_path / "place" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "place" / "folder").mkdir()
    (tmp_path / "place" / "folder" / "link").symlink_to(tmp_path / "elsewhere")
    place.delete("link")
    place.delete("folder")
    assert place.entries("folder") == []
    assert (tmp_path / "elsewhere" / "thesis").read_text() == "years of work"


def test_only_an_empty_folder_is_deleted_if_empty(place: Place) -> None:
    place.put("a/b", b"")
    place.delete_if_empty("a")
    assert place.exists("a/b")
    place.delete("a/b")
    place.delete_if_empty("a")
    place.delete_if_empty("")
    assert place.is_empty() is None


def test_a_place_is_empty_or_not_or_not_there_yet(tmp_path: Path) -> None:
    root = tmp_path / "place"
    place = LocalPlace(root)
    assert place.is_empty() is None
    root.mkdir()
    assert place.is_empty() is True
    (root / ".hidden").mkdir()
    assert place.is_empty() is False
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        LocalPlace(tmp_path / "file").is_empty()


def test_nothing_is_written_by_looking(tmp_path: Path) -> None:
    place = LocalPlace(tmp_path / "place")
    place.exists("a/b")
    place.files("a")
    place.entries("a")
    place.is_empty()
    place.delete("a/b")
    assert everything(tmp_path) == set()


# Other processes ----------------------------------------------------------------------------------

HOLD = """
import sys
from pathlib import Path
from verger.places import LocalPlace
with LocalPlace(Path(sys.argv[1])).lock("deep/lock"):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_a_lock_is_held_by_one_process_and_freed_when_it_is_killed(tmp_path: Path) -> None:
    place = LocalPlace(tmp_path)
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(BlockingIOError), place.lock("deep/lock"):
            pass
        with place.lock("another"):
            pass
        other.kill()
        other.wait()
    with place.lock("deep/lock"):
        pass


def test_a_lock_is_freed_at_its_end_good_or_bad(place: Place) -> None:
    with place.lock("lock"), pytest.raises(BlockingIOError), place.lock("lock"):
        pass
    with pytest.raises(ValueError, match="bad"), place.lock("lock"):
        raise ValueError("bad")
    with place.lock("lock"):
        pass


def test_a_place_can_be_sent_to_a_worker(place: Place) -> None:
    place.put("a", b"1")
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as workers:
        assert workers.submit(place.read, "a").result() == b"1"
        workers.submit(place.put, "b", b"2").result()
    assert place.read("b") == b"2"


def test_spark_is_given_an_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for root in (Path("a:b"), tmp_path / "a:b"):
        assert LocalPlace(root).for_spark("c d/*") == f"{tmp_path}{os.sep}a:b/c d/*"


def test_what_came_in_is_on_the_disk_before_it_takes_its_place(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order of the calls, asked of the operating system's own names for files."""
    done: list[str] = []
    sync, rename = os.fsync, os.replace

    def synced(handle: int) -> None:
        info = os.fstat(handle)
        done.append("folder" if stat.S_ISDIR(info.st_mode) else f"file {info.st_size}")
        sync(handle)

    def renamed(*arguments: object, **options: object) -> None:
        done.append("replace")
        rename(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed)
    place.put("file", b"12345")
    assert done == ["file 5", "replace", "folder"]


# Names --------------------------------------------------------------------------------------------


def test_a_path_is_a_folder_of_this_machine_whatever_its_characters() -> None:
    for where in ("photos", "./a:b", "s3:/x", "C:\\photos", "a b/*", "~"):
        assert place_of(where, PhotosError) == LocalPlace(Path(where))
    assert place_of(Path("s3://x"), PhotosError) == LocalPlace(Path("s3://x"))
    assert place_of("file:///data/photos", PhotosError) == LocalPlace(Path("/data/photos"))
    assert str(place_of("photos", PhotosError)) == "photos"


@pytest.mark.parametrize("error", [PhotosError, StoreError])
@pytest.mark.parametrize("where", ["http://x/y", "ftp://x", "://x", "hdfs://x/y"])
def test_a_url_of_another_kind_is_refused(where: str, error: type[PhotosError]) -> None:
    with pytest.raises(error, match="no such kind of place") as caught:
        place_of(where, error)
    assert where in str(caught.value)
    assert "s3://" in str(caught.value)


@pytest.mark.parametrize(
    "where", ["gs://b/store", "az://c/store", "https://x/y", "hdfs://x/y", "ftp://x"]
)
def test_a_store_lies_in_a_folder_or_on_s3_and_nowhere_else(where: str) -> None:
    with pytest.raises(StoreError, match=r"s3://") as caught:
        store_place(where)
    assert str(caught.value).startswith(f"{where}: ")


def test_a_place_holds_itself_and_what_lies_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "ab").mkdir()
    (tmp_path / "link").symlink_to("a")
    monkeypatch.chdir(tmp_path / "a")
    outer = LocalPlace(tmp_path / "a")
    for inner in (".", "b", "b/gone", "../link", "../link/b", "../ab/../a"):
        assert outer.holds(LocalPlace(Path(inner))), inner
    for other in ("..", "../ab", "../gone", "/"):
        assert not outer.holds(LocalPlace(Path(other))), other


def test_a_place_has_its_folder_s_name_and_is_found_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "Plum").mkdir()
    monkeypatch.chdir(tmp_path / "Plum")
    here = LocalPlace(Path())
    assert here.name == LocalPlace(tmp_path / "Plum").name == "Plum"
    here.put("a", b"1")
    absolute = here.absolute()
    monkeypatch.chdir(tmp_path)
    assert absolute.read("a") == b"1"
    assert absolute.absolute() == absolute
