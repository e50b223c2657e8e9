"""Scratch folders, which go with their process, and a cache that nobody else can have written."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from verger.errors import EngineError
from verger.machine import folders
from verger.machine.folders import cache_folder, problem_of, scratch_folder

SOMEBODY = 65534  # nobody, on every system


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The one temporary folder that there is."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(folders, "temporary_folders", lambda: [folder])
    folders._sweep.cache_clear()
    return folder


@pytest.fixture
def cached(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The path of a cache folder, below one that all may enter, as pytest's own are not."""
    top = Path(tempfile.mkdtemp(prefix="verger-test-"))
    top.chmod(0o755)
    folder = top / "cache" / "verger"
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda _: str(folder))
    yield folder
    shutil.rmtree(top)


def mode(folder: Path) -> int:
    return stat.S_IMODE(folder.stat().st_mode)


def test_a_scratch_folder_is_private_and_goes(temporary: Path) -> None:
    with scratch_folder() as folder:
        assert folder.parent == temporary
        assert mode(folder) == 0o700
        (folder / "a" / "b").mkdir(parents=True)
    assert not list(temporary.iterdir())


def test_an_empty_folder_without_its_lock_is_removed_when_it_is_old(temporary: Path) -> None:
    old, young, other = (
        temporary / name for name in ("verger-0a1b2c3_", "vg-0a1b2c3_", "verger-x")
    )
    for folder in (old, young, other):
        folder.mkdir()
    for folder in (old, other):
        os.utime(folder, (0, time.time() - 100))
    folders._sweep.cache_clear()
    with scratch_folder():
        assert not old.exists()
        assert young.exists()
        assert other.exists()


def test_what_cannot_be_removed_yet_keeps_its_lock_and_goes_later(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)  # as while Java still writes there
        with scratch_folder() as folder:
            (folder / "spark").mkdir()
            (folder / "part").write_bytes(b"x")
    assert sorted(entry.name for entry in folder.iterdir()) == [".held", "spark"]
    os.utime(folder / ".held", (0, time.time() - 100))
    folders._sweep.cache_clear()
    with scratch_folder():
        assert not folder.exists()


def test_what_another_process_removes_meanwhile_is_left_to_it(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is listed, and gone before it is looked at."""
    monkeypatch.setattr(Path, "glob", lambda self, pattern: [self / "vg-abcdefgh"])
    folders._sweep.cache_clear()
    with scratch_folder("vg-") as folder:
        assert folder.is_dir()


def test_what_a_killed_process_left_is_removed(temporary: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from verger.machine import folders; "
        f"folders.temporary_folders = lambda: [Path({str(temporary)!r})]\n"
        "with folders.scratch_folder(sys.argv[1]) as folder:\n"
        "    (folder / 'large').write_bytes(b'x'); print(folder, flush=True); time.sleep(600)"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", program, prefix], stdout=subprocess.PIPE, text=True)
        for prefix in ("verger-", "vg-", "verger-")
    ]
    left = [Path((process.stdout or sys.stdin).readline().strip()) for process in running]
    user_s = temporary / "verger-demo"
    user_s.mkdir()
    for process in running[:2]:
        process.send_signal(signal.SIGKILL)
        process.wait()
    with scratch_folder():  # these are too young: another process may be about to lock them
        assert all(folder.exists() for folder in left)
    for folder in left:
        os.utime(folder / ".held", (0, time.time() - 100))
    folders._sweep.cache_clear()
    with scratch_folder() as mine:
        assert set(temporary.iterdir()) == {left[2], user_s, mine}
    running[2].kill()
    running[2].wait()
    for process in running:
        (process.stdout or sys.stdin).close()


def test_links_are_not_followed_in_tidying(temporary: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / ".held").touch()
    os.utime(mine / ".held", (0, 0))
    (temporary / "verger-abcdefgh").symlink_to(mine)
    with scratch_folder():
        assert mine.exists()


def test_a_folder_that_is_full_is_passed_over(
    mounted: Callable[[str, str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = mounted("small", "size=1m")
    monkeypatch.setattr(folders, "temporary_folders", lambda: [small, tmp_path])
    assert problem_of(small) == "1 MB free"
    with scratch_folder() as folder:
        assert folder.parent == tmp_path


def test_a_folder_without_programs_is_passed_over_where_they_must_run(
    mounted: Callable[[str, str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    still = mounted("still", "noexec,size=200m")
    monkeypatch.setattr(folders, "temporary_folders", lambda: [still, tmp_path])
    with scratch_folder(runs_programs=True) as folder:
        assert folder.parent == tmp_path
    with scratch_folder() as folder:
        assert folder.parent == still


def test_where_no_folder_is_of_use_each_is_named(
    mounted: Callable[[str, str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small, still = mounted("small", "size=1m"), mounted("still", "noexec,size=200m")
    gone = tmp_path / "gone"
    monkeypatch.setattr(folders, "temporary_folders", lambda: [small, still, gone])
    told = (
        rf"No temporary folder can be used: {small} \(1 MB free\), {still} \(mounted noexec\), "
        rf"{gone} \(no such file or directory\)\. Set TMPDIR to a folder with 32 MB free"
    )
    with pytest.raises(EngineError, match=told), scratch_folder(runs_programs=True):
        pytest.fail("it was made")


def test_tmpdir_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert folders.temporary_folders()[0] == tmp_path
    with scratch_folder() as folder:
        assert folder.parent == tmp_path


def test_the_cache_is_private(cached: Path) -> None:
    assert cache_folder() == cached
    assert mode(cached) == 0o700
    (cached / "kept").touch()
    cached.chmod(0o755)  # as earlier versions made it
    assert cache_folder() == cached
    assert mode(cached) == 0o700
    assert (cached / "kept").exists()


def test_a_cache_that_others_could_write_is_emptied(cached: Path) -> None:
    cached.mkdir(parents=True)
    (cached / "planted").touch()
    cached.chmod(0o777)
    assert cache_folder() == cached
    assert mode(cached) == 0o700
    assert not list(cached.iterdir())


@pytest.mark.parametrize("how", ["link", "file", "above is open", "link above is another's"])
def test_a_cache_that_another_may_have_placed_is_not_used(cached: Path, how: str) -> None:
    top = cached.parent.parent
    elsewhere = top / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    if how == "link":
        cached.parent.mkdir()
        cached.symlink_to(elsewhere)
    elif how == "file":
        cached.parent.mkdir()
        cached.touch()
    elif how == "above is open":
        cached.mkdir(parents=True, mode=0o700)
        cached.parent.chmod(0o777)
    else:
        if os.getuid() != 0:
            pytest.skip("only root can make a link of another user")
        top.chmod(0o1777)
        cached.parent.symlink_to(elsewhere)
        os.lchown(cached.parent, SOMEBODY, SOMEBODY)
    assert cache_folder() is None
    assert not list(elsewhere.iterdir()) or how == "link above is another's"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give folders away")
@pytest.mark.parametrize("whose", ["cache", "above"])
def test_a_cache_of_another_user_is_not_used(cached: Path, whose: str) -> None:
    cached.mkdir(parents=True, mode=0o700)
    os.chown(cached if whose == "cache" else cached.parent, SOMEBODY, SOMEBODY)
    assert cache_folder() is None


def test_a_cache_in_a_sticky_folder_and_behind_a_link_of_one_s_own(cached: Path) -> None:
    top = cached.parent.parent
    (top / "sticky").mkdir()
    (top / "sticky").chmod(0o1777)
    (top / "sticky" / "mine").mkdir(mode=0o755)
    cached.parent.symlink_to(top / "sticky" / "mine")
    assert cache_folder() == cached
    assert mode(cached) == 0o700


def test_below_a_folder_that_nobody_else_enters_all_is_mine(cached: Path) -> None:
    cached.parent.mkdir()
    cached.parent.chmod(0o777)
    assert cache_folder() is None
    cached.parent.parent.chmod(0o700)
    assert cache_folder() == cached


def test_a_cache_that_cannot_be_made(cached: Path) -> None:
    with suppress(FileNotFoundError):
        cached.parent.rmdir()
    cached.parent.touch()
    assert cache_folder() is None
