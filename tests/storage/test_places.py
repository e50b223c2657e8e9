"""Places: the laws that whatever holds photos and STOREs keeps to."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import pickle
import socket
import stat
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from names import ODD
from seaweed import S3
from verger.errors import PhotosError, StoreError
from verger.storage.bucket import Bucket
from verger.storage.folder import LocalPlace
from verger.storage.place import place_of, store_place

if TYPE_CHECKING:
    from verger.storage.place import Place

OF_A_DISK = ["two\nlines.bin", "back\\slash.bin"]  # the S3 server of the tests takes neither


@pytest.fixture
def folder(tmp_path: Path) -> LocalPlace:
    return LocalPlace(tmp_path / "place")


@pytest.fixture(scope="module")
def bucket(s3: S3) -> Bucket:
    s3.make_bucket("places")
    settings = tuple(sorted(s3.environment().items()))
    return Bucket("s3://places/a folder + 100%/é", StoreError, settings)


@pytest.fixture(params=["a folder", "a bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Both kinds of places keep to the same laws; each test has one of its own."""
    if request.param == "a folder":
        return LocalPlace(tmp_path / "place")
    bucket: Bucket = request.getfixturevalue("bucket")
    return replace(bucket, url=f"{bucket.url}/{tmp_path.name}")


def fail_while_writing(place: Place, path: str, error: BaseException) -> None:
    with place.incoming(path) as file:
        file.write_bytes(b"half")
        raise error


def everything(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*")}


# Laws of both -------------------------------------------------------------------------------------


def test_what_is_put_is_read_back(place: Place) -> None:
    for data in (b"", b"one", bytes(range(256)) * 4096):
        place.put("deep/er/file", data)
        assert place.read("deep/er/file") == data
        assert place.exists("deep/er/file")
    assert not place.exists("deep/er")
    assert not place.exists("deep/er/fil")


def test_a_name_is_kept_exactly(place: Place) -> None:
    for name in ODD:
        path = f"folder {name}/{name}"
        place.put(path, name.encode())
        assert place.read(path) == name.encode()
        assert place.entries(f"folder {name}") == [path]
        hidden = name.startswith(".")
        assert place.files(f"folder {name}", ".jpg") == ([] if hidden else [path])
        place.move(path, f"to/{name}")
        assert not place.exists(path)
        assert place.read(f"to/{name}") == name.encode()
    assert place.entries("to") == sorted(f"to/{name}" for name in ODD)
    place.delete("to")
    assert place.entries("to") == []


def test_a_table_is_written_and_read_by_arrow(place: Place) -> None:
    table = pa.table({"n": range(5000), "text": [f"é {n}" for n in range(5000)]})
    with place.incoming("t/table.parquet") as file:
        pq.write_table(table, file, row_group_size=500)
        assert not place.exists("t/table.parquet")
    with pq.ParquetFile(place.open("t/table.parquet")) as parquet:
        assert parquet.num_row_groups == 10
        assert parquet.read_row_group(7, ["n"]).column("n").to_pylist() == [*range(3500, 4000)]
        assert parquet.read() == table
    assert place.files("t") == ["t/table.parquet"]


def test_what_is_not_there(place: Place) -> None:
    place.put("here", b"old")
    with pytest.raises(FileNotFoundError):
        place.read("gone")
    with pytest.raises(FileNotFoundError):
        place.move("gone", "here")
    with pytest.raises(FileNotFoundError), place.incoming("here"):
        pass  # writes no file
    with pytest.raises(FileNotFoundError):
        pq.read_table(place.open("gone"))
    assert place.read("here") == b"old"
    assert not place.exists("gone")
    assert place.files("gone") == place.entries("gone") == []
    place.delete("gone")
    place.delete_if_empty("gone")


@pytest.mark.parametrize("error", [ValueError("bad"), KeyboardInterrupt(), OSError(28, "full")])
def test_what_fails_while_it_comes_in_leaves_nothing(place: Place, error: BaseException) -> None:
    place.put("folder/file", b"old")
    for path in ("folder/file", "folder/new"):
        with pytest.raises(type(error)):
            fail_while_writing(place, path, error)
    assert place.read("folder/file") == b"old"
    assert place.entries("folder") == ["folder/file"]


def test_files_and_entries_are_those_right_in_the_folder(place: Place) -> None:
    names = ["b.parquet", "a.parquet", "C.parquet", "é.parquet", "a.txt", "_SUCCESS"]
    for name in [*names, ".a.parquet.crc", "deep.parquet/file.parquet"]:
        place.put(f"table/{name}", b"")
    place.put("table/.hidden.parquet", b"")
    place.put("table2/file.parquet", b"")
    assert place.files("table") == [f"table/{name}" for name in sorted(names)]
    assert place.files("table", ".parquet") == [
        f"table/{name}" for name in sorted(names) if name.endswith(".parquet")
    ]
    assert place.entries("table") == [
        f"table/{name}"
        for name in sorted([*names, ".a.parquet.crc", ".hidden.parquet", "deep.parquet"])
    ]
    assert place.entries("") == ["table", "table2"]


def test_a_file_or_a_folder_is_deleted_with_all_in_it(place: Place) -> None:
    for path in ("a/b/c", "a/.hidden", "a/d", "ab/e", "a.f"):
        place.put(path, b"")
    place.delete("a/d")
    assert place.entries("a") == ["a/.hidden", "a/b"]
    place.delete("a")
    assert [path for path in ("a/b/c", "a/.hidden", "ab/e", "a.f") if place.exists(path)] == [
        "ab/e", "a.f",
    ]  # fmt: skip
    # SeaweedFS goes on naming folders that are empty, for a while.
    assert {"a.f", "ab"} <= set(place.entries("")) <= {"a.f", "ab", "a"}
    assert place.files("a") == []
    place.delete("a")  # and it is gone already


def test_a_place_is_there_once_something_lies_in_it(place: Place) -> None:
    assert place.is_empty() is None
    place.put("a/b", b"")
    assert place.is_empty() is False


def test_a_place_can_be_sent_to_a_worker(place: Place) -> None:
    place.put("a", b"1")
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as workers:
        assert workers.submit(place.read, "a").result() == b"1"
        workers.submit(place.put, "b", b"2").result()
    assert place.read("b") == b"2"
    assert pickle.loads(pickle.dumps(place)) == place  # noqa: S301 - our own


def test_the_state_of_a_file_is_named_and_that_state_alone_is_deleted(place: Place) -> None:
    assert place.version("file") is None
    assert place.delete_version("file", "any")  # it is gone
    place.put("file", b"one")
    one = place.version("file")
    assert one is not None
    assert place.version("file") == one
    place.put("file", b"other")
    assert not place.delete_version("file", one)
    assert place.read("file") == b"other"
    assert place.delete_version("file", place.version("file") or "")
    assert not place.exists("file")


def test_a_file_is_known_by_its_size_and_checksum_wherever_it_is_moved(place: Place) -> None:
    sha256 = hashlib.sha256(b"content").hexdigest()
    with place.incoming("one") as file:
        file.write_bytes(b"content")
    place.put("two", b"content")
    place.move("one", "three")
    for path in ("two", "three"):
        assert place.content(path) == (7, sha256)
    with pytest.raises(FileNotFoundError):
        place.content("one")


def test_files_are_deleted_of_which_some_are_gone(place: Place) -> None:
    for name in ("a", "b", "c"):
        place.put(f"folder/{name}", b"")
    place.delete_files([])
    place.delete_files(["folder/a", "folder/gone", "folder/c"])
    assert place.files("folder") == ["folder/b"]


def test_a_lock_is_freed_at_its_end_good_or_bad(place: Place) -> None:
    with place.lock("deep/lock"), pytest.raises(BlockingIOError), place.lock("deep/lock"):
        pass
    with pytest.raises(ValueError, match="bad"), place.lock("deep/lock"):
        raise ValueError("bad")
    with place.lock("deep/lock"):
        pass


# A folder of this machine -------------------------------------------------------------------------


@pytest.mark.parametrize("name", OF_A_DISK)
def test_a_folder_keeps_names_that_no_object_has(folder: LocalPlace, name: str) -> None:
    inner = f"folder {name}"
    folder.put(f"{inner}/{name}", b"photo")
    assert folder.read(f"{inner}/{name}") == b"photo"
    assert folder.files(inner) == folder.entries(inner) == [f"{inner}/{name}"]
    assert folder.files(inner, ".bin") == [f"{inner}/{name}"]
    with folder.incoming(f"{inner}/{name}") as file:
        pq.write_table(pa.table({"n": [1, 2]}), file)
    assert pq.read_table(folder.open(f"{inner}/{name}")).num_rows == 2
    folder.move(f"{inner}/{name}", f"to/{name}")
    assert folder.files(inner) == []
    assert folder.exists(f"to/{name}")
    folder.delete(f"to/{name}")
    assert not folder.exists(f"to/{name}")


# Incoming -----------------------------------------------------------------------------------------


def test_what_comes_in_appears_at_the_end_and_not_before(folder: LocalPlace) -> None:
    folder.put("folder/file", b"old")
    with folder.incoming("folder/file") as file:
        file.write_bytes(b"new")
        assert folder.read("folder/file") == b"old"
        assert folder.files("folder") == ["folder/file"]  # what is unfinished is no file of it
    assert folder.read("folder/file") == b"new"
    assert folder.entries("folder") == ["folder/file"]


def test_what_cannot_take_its_place_leaves_nothing(folder: LocalPlace) -> None:
    folder.put("folder/in-the-way/file", b"")
    with pytest.raises(OSError, match="directory"):
        folder.put("folder/in-the-way", b"new")
    assert folder.entries("folder") == ["folder/in-the-way"]
    assert folder.files("folder/in-the-way") == ["folder/in-the-way/file"]


def test_two_that_come_in_at_once_are_one_of_the_two(folder: LocalPlace) -> None:
    with folder.incoming("file") as one, folder.incoming("file") as two:
        one.write_bytes(b"one")
        two.write_bytes(b"two")
        assert one != two
    assert folder.read("file") == b"one"  # the one that ended last
    assert folder.is_empty() is False


# Folders ------------------------------------------------------------------------------------------


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


def test_only_an_empty_folder_is_deleted_if_empty(folder: LocalPlace) -> None:
    folder.put("a/b", b"")
    folder.delete_if_empty("a")
    assert folder.exists("a/b")
    folder.delete("a/b")
    folder.delete_if_empty("a")
    folder.delete_if_empty("")
    assert folder.is_empty() is None


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
from verger.storage.folder import LocalPlace
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


def test_what_came_in_is_on_the_disk_before_it_takes_its_place(
    folder: LocalPlace, monkeypatch: pytest.MonkeyPatch
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
    folder.put("file", b"12345")
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
    with pytest.raises(error, match="this kind of location is not supported") as caught:
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


@pytest.mark.parametrize("kind", ["pipe", "device", "socket", "folder", "link to a pipe"])
def test_what_is_no_file_is_not_read(folder: LocalPlace, kind: str) -> None:
    """It may have been a photo when it was listed; a pipe would never end."""
    folder.root.mkdir()
    path = folder.root / "a.jpg"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(os.path.relpath(path))
    elif kind == "folder":
        path.mkdir()
    else:
        os.mkfifo(folder.root / "pipe")
        path.symlink_to(folder.root / "pipe")
    with pytest.raises(OSError, match=r"not a regular file|directory|No such device"):
        folder.read("a.jpg")
