"""Folders of this process alone: scratch ones, which go with it, and the cache, which stays.

Both may lie where other users write too. So what is made is this user's, with mode 0700, and what
is found is used only if nobody else can have put it there.
"""

from __future__ import annotations

import fcntl
import grp
import os
import pwd
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import platformdirs

from verger.errors import EngineError
from verger.texts.command import say

# Bytes; what Java unpacks, Spark keeps of a run, and models and gallery take.
LEAST_ROOM = 32 * 10**6
_HELD = ".held"  # locked for as long as the process lives that the folder is of
_SECONDS_OLD = 60  # a folder may be younger than its lock; then it is left alone
_PREFIXES = ("verger-", "vg-")
_NAME = re.compile(r"(verger|vg)-[a-z0-9_]{8}")  # as tempfile.mkdtemp makes them
_MOST_LINKS = 40
_OTHERS_ENTER = stat.S_IXGRP | stat.S_IXOTH


@contextmanager
def scratch_folder(prefix: str = "verger-", *, runs_programs: bool = False) -> Iterator[Path]:
    """Make a folder for as long as it is needed, where there is room; then remove it.

    `runs_programs` says that programs will lie in it. What a killed process left is removed when
    the next one makes a folder. Raises `EngineError` where no temporary folder is of use.
    """
    parent = _roomy(runs_programs=runs_programs)
    _sweep(parent)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    held = os.open(folder / _HELD, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        with suppress(OSError):  # a disk that knows no locks: a later process leaves it alone too
            fcntl.flock(held, fcntl.LOCK_EX)
        yield folder
    finally:
        _remove(folder)
        os.close(held)


def temporary_folders() -> list[Path]:
    """Return the folders for temporary files: the one that the user names, and the system's."""
    named = [os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP")]
    folders = [*filter(None, named), "/tmp", "/var/tmp"]  # noqa: S108 - what is made there is 0700
    return [Path(folder).absolute() for folder in dict.fromkeys(folders)]


def problem_of(folder: Path, *, runs_programs: bool = False) -> str | None:
    """Say why a folder is of no use for what a run keeps for itself; None where it is."""
    try:
        found = os.statvfs(folder)
    except OSError as error:
        return (error.strerror or str(error)).lower()
    if not os.access(folder, os.W_OK | os.X_OK):
        return "cannot be written"
    if runs_programs and found.f_flag & getattr(os, "ST_NOEXEC", 0):
        return "mounted noexec"
    if (free := found.f_bavail * found.f_frsize) < LEAST_ROOM:
        return f"{free / 1e6:.0f} MB free"
    return None


def _roomy(*, runs_programs: bool) -> Path:
    problems = {}
    for folder in temporary_folders():
        problem = problem_of(folder, runs_programs=runs_programs)
        if problem is None:
            return folder
        problems[folder] = problem
    told = ", ".join(f"{folder} ({say(problem)})" for folder, problem in problems.items())
    programs = ", on a disk where programs may run" if runs_programs else ""
    raise EngineError(
        f"No temporary folder can be used: {told}.",
        hint=f"Set TMPDIR to a folder with {LEAST_ROOM // 10**6} MB free{programs}.",
    )


@cache
def _sweep(parent: Path) -> None:
    """Remove the folders of processes that were killed, once a process."""
    with suppress(OSError):
        for prefix in _PREFIXES:
            for folder in parent.glob(f"{prefix}*"):
                _remove_unheld(folder)


def _remove_unheld(folder: Path) -> None:
    try:
        status = folder.lstat()
    except OSError:  # its process has removed it since
        return
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        return
    try:
        held = os.open(folder / _HELD, os.O_WRONLY | os.O_NOFOLLOW)
    except FileNotFoundError:  # its process was killed as it made it, or as it removed it
        if _NAME.fullmatch(folder.name) and time.time() - status.st_mtime > _SECONDS_OLD:
            with suppress(OSError):  # it is not empty: perhaps none of ours
                folder.rmdir()
        return
    except OSError:  # none of ours
        return
    try:
        if time.time() - os.fstat(held).st_mtime > _SECONDS_OLD:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(folder)
    except OSError:  # its process lives
        return
    finally:
        os.close(held)


def _remove(folder: Path) -> None:
    """Remove what is in a folder, and the folder with its lock only if nothing is left.

    A program that is ending, such as Java, may write there until the last moment: what cannot be
    removed now is removed by a later process, by the lock that stays.
    """
    with suppress(OSError):
        for entry in folder.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            elif entry.name != _HELD:
                with suppress(OSError):
                    entry.unlink()
        if [entry.name for entry in folder.iterdir()] == [_HELD]:
            (folder / _HELD).unlink()
            folder.rmdir()


def cache_folder() -> Path | None:
    """Return the user's cache folder, made if need be; None where it cannot be used.

    It is used if it is this user's with mode 0700 and no link, and if nobody else can put another
    in its place: Java loads what lies in it.
    """
    folder = Path(platformdirs.user_cache_dir("verger")).absolute()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
            return None
        if not _only_this_user_replaces(folder):
            return None
        if _others_write(status):  # who knows what they wrote
            shutil.rmtree(folder)
            folder.mkdir(mode=0o700)
        folder.chmod(0o700)
    except OSError:
        return None
    return folder


def _only_this_user_replaces(folder: Path, links: int = 0) -> bool:
    """Say whether nobody else but root can put another folder in the place of this one.

    Whoever may write a folder may replace what is in it, but for what is another's in a sticky one.
    Below a folder that nobody else may enter, nobody else reaches anything. Links are followed one
    by one.
    """
    closed = False
    for part in reversed(folder.parents):
        status = part.lstat()
        if status.st_uid not in (0, os.getuid()):
            return False
        if stat.S_ISLNK(status.st_mode):
            target = part.parent / part.readlink() / folder.relative_to(part)
            return links < _MOST_LINKS and _only_this_user_replaces(target, links + 1)
        if not closed and _others_write(status) and not status.st_mode & stat.S_ISVTX:
            return False
        closed = closed or (status.st_uid == os.getuid() and not status.st_mode & _OTHERS_ENTER)
    return True


def _others_write(status: os.stat_result) -> bool:
    """Say whether others may write; a group whose only member is this user does not count."""
    if status.st_mode & stat.S_IWGRP and not _is_alone_in(status.st_gid):
        return True
    return bool(status.st_mode & stat.S_IWOTH)


@cache
def _is_alone_in(group: int) -> bool:
    try:
        user, found = pwd.getpwuid(os.getuid()), grp.getgrgid(group)
    except (KeyError, OSError):
        return False
    return user.pw_gid == group and found.gr_name == user.pw_name and not found.gr_mem
