"""What the system refuses is told of the file and the disk that it befell, and of no other."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from store.test_store import MADE_BY, claim
from verger.errors import StoreError, VergerError
from verger.spark.failures import translated
from verger.storage.folder import LocalPlace
from verger.store.defects import damage_told
from verger.store.store import Store


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0 or sys.platform != "linux" or not shutil.which("mount"):
        pytest.skip("only root on Linux can mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    line = ["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(disk)]
    if subprocess.run(line, capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def fill(file: Path) -> None:
    with file.open("wb") as out:  # which does not say where there is no room
        out.write(bytes(50 << 20))


def test_a_full_disk_of_temporary_files_is_not_store_s(
    small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(small_disk))
    store = Store(tmp_path / "store")
    claim(store)
    with pytest.raises(VergerError) as caught, store.working(MADE_BY) as work:
        fill(work.scratch / "array.npy")
    assert not isinstance(caught.value, StoreError)
    assert work.scratch.is_relative_to(small_disk)
    assert caught.value.what == f"The disk of {work.scratch} is full."


def test_a_copy_that_finds_no_room_is_told_of_where_it_goes(
    small_disk: Path, tmp_path: Path
) -> None:
    store = Store(small_disk / "store")
    claim(store)
    (tmp_path / "array.npy").write_bytes(bytes(50 << 20))
    with pytest.raises(StoreError) as caught, store.working(MADE_BY):
        shutil.copyfile(tmp_path / "array.npy", small_disk / "store" / "array.npy")
    assert caught.value.what == f"The disk of {store.root} is full."


def test_a_full_disk_of_the_store_is(small_disk: Path) -> None:
    store = Store(small_disk / "store")
    claim(store)
    with pytest.raises(StoreError) as caught, store.working(MADE_BY) as work:
        work.place.put(work.built("matrix.csv"), bytes(50 << 20))
    assert caught.value.what == f"The disk of {store.root} is full."


@pytest.mark.parametrize(
    ("error", "kind", "told"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/elsewhere/file"), VergerError,
         "/elsewhere/file: Permission denied."),
        (OSError(errno.EIO, "Input/output error", "STORE/features/a"), StoreError,
         "STORE/features/a: Input/output error."),
        (OSError(errno.EMFILE, "Too many open files"), StoreError,
         "Cannot write to STORE: Too many open files."),
        (OSError(errno.ENOSPC, "No space left on device", "/elsewhere/file"), VergerError,
         "The disk of /elsewhere/file is full."),
    ],
)  # fmt: skip
def test_what_has_a_name_is_told_by_it(
    tmp_path: Path, error: OSError, kind: type[VergerError], told: str
) -> None:
    store = Store(tmp_path / "store")
    claim(store)
    if str(error.filename or "").startswith("STORE"):
        error.filename = error.filename.replace("STORE", store.root)
    with pytest.raises(VergerError) as caught, store.working(MADE_BY):
        raise error
    assert type(caught.value) is kind
    assert caught.value.what == told.replace("STORE", store.root)


@pytest.mark.parametrize("error", [BrokenPipeError(), BlockingIOError()])
def test_what_is_no_trouble_of_the_store_goes_on(tmp_path: Path, error: OSError) -> None:
    """ "Another run is writing to STORE" was said of a pipe that could take no more."""
    store = Store(tmp_path / "store")
    claim(store)
    with pytest.raises(type(error)), store.working(MADE_BY):
        raise error


def test_a_disk_that_fails_is_told_of_the_file_whoever_read_or_wrote_it(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    claim(store)
    with (
        pytest.raises(StoreError) as caught,
        store.working(MADE_BY) as work,
        damage_told(work.place, "features/part.parquet"),
        Path("/proc/self/mem").open("rb") as memory,
    ):
        memory.read(1)  # of address 0: the system says EIO, and not of which file
    assert caught.value.what == f"{store.place}/features/part.parquet: Input/output error."
    assert "may be failing" in caught.value.hint


def test_a_task_s_trouble_comes_to_the_driver_as_it_is() -> None:
    told = "verger.errors.StoreError: The disk of /store is full. Free some space, and run again."
    error = translated(f"Traceback\n  File x\n{told}\n")
    assert isinstance(error, StoreError)
    assert error.what == told.partition(": ")[2]


def test_a_record_that_the_disk_does_not_give_is_no_damaged_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "store")
    claim(store)

    def read(_place: LocalPlace, _path: str) -> bytes:
        with Path("/proc/self/mem").open("rb") as memory:
            return memory.read(1)

    monkeypatch.setattr(LocalPlace, "read", read)
    with pytest.raises(StoreError, match=r"run\.json: Input/output error"):
        store.record()
