"""Which reasons are for good, and which may pass: by what disks and servers really say."""

from __future__ import annotations

import errno
import os
import resource
from pathlib import Path

import pytest

from verger.photos.reasons import Reason, reason_of
from verger.storage.folder import read_file


def reason_for(path: Path) -> Reason:
    with pytest.raises(OSError, match=r".") as caught:
        read_file(path)
    return reason_of(caught.value)


def test_one_reason_passes() -> None:
    assert [reason.value for reason in Reason if reason.passes] == ["unavailable"]


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs Linux's /proc")
def test_a_disk_that_fails_may_do_better_later(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").symlink_to("/proc/self/mem")  # whose first bytes are an input/output error
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        read_file(tmp_path / "a.jpg")
    assert reason_for(tmp_path / "a.jpg") is Reason.UNAVAILABLE


def test_too_many_open_files_may_be_fewer_later(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.open(tmp_path / "a.jpg", os.O_RDONLY)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        found = reason_for(tmp_path / "a.jpg")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert found is Reason.UNAVAILABLE


def test_what_is_no_photo_stays_none(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").symlink_to("nowhere")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "folder.jpg").mkdir()
    names = ["broken.jpg", "loop.jpg", "pipe.jpg", "file/a.jpg", "folder.jpg", "x" * 300]
    assert {reason_for(tmp_path / name) for name in names} == {Reason.UNREADABLE}


@pytest.mark.parametrize(
    ("code", "passes"),
    [
        # None of these can be brought about here by a real file: a network share, a full table, …
        (errno.ESTALE, True),
        (errno.ENFILE, True),
        (errno.ETIMEDOUT, True),
        (errno.ENOTCONN, True),
        (errno.ENOMEM, True),
        (errno.EACCES, True),
        (errno.EPERM, True),
        (None, True),
        (errno.ENXIO, False),
    ],
)
def test_other_errors_by_their_number(code: int | None, passes: bool) -> None:
    error = OSError(code, "said") if code else OSError("said")
    assert reason_of(error).passes is passes


def test_more_bytes_than_are_taken_is_too_large() -> None:
    assert reason_of(OSError(errno.EFBIG, "longer than 67,108,864 bytes")) is Reason.TOO_LARGE
