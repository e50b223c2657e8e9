"""A folder of this machine, or of a disk that all machines share at the same path."""

from __future__ import annotations

import datetime as dt
import errno
import fcntl
import hashlib
import io
import os
import shutil
import stat
import uuid
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from verger.errors import PhotosError, named
from verger.photos.labels import Labeller
from verger.photos.reasons import Reason, reason_of
from verger.photos.references import STORE_MARK, PhotoRef, escaped
from verger.photos.selection import Selection
from verger.storage import limits
from verger.storage.checksum import Content
from verger.storage.sorting import Hear, ignore

if TYPE_CHECKING:
    from verger.storage.place import Lease, Source

NOT_A_FILE = "not a regular file"
_BYTES_A_PIECE = 2**20


def read_file(path: Path) -> bytes:
    """Return all of a file. Raises OSError, also for a pipe or device, which might never end."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe is not waited for
    with io.FileIO(handle) as file:
        mode = os.fstat(handle).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, NOT_A_FILE, str(path))
        return file.readall()


@dataclass(frozen=True, slots=True)
class LocalPlace:
    """A folder of this machine, or of a disk that all machines share at the same path."""

    scheme: ClassVar = "file"
    reads_at_once: ClassVar = limits.FOLDER_AT_ONCE
    streams: ClassVar = True

    root: Path

    def __str__(self) -> str:
        return str(self.root)

    @property
    def folder(self) -> Path:
        """The folder."""
        return self.root

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.root.resolve().name

    def absolute(self) -> LocalPlace:
        """Name the folder from the root on."""
        return LocalPlace(self.root.absolute())

    def holds(self, other: Source) -> bool:
        """Say whether another place is this one or lies in it."""
        if other.folder is None:
            return False
        inner, outer = other.folder.resolve(), self.root.resolve()
        return inner == outer or outer in inner.parents

    def read(self, path: str) -> bytes:
        """Return all of a file."""
        return read_file(self.root / path)

    def open(self, path: str) -> str:
        """Name the file: Arrow opens local files itself."""
        return str(self.root / path)

    @contextmanager
    def incoming(self, path: str) -> Iterator[Path]:
        """Give a file beside `path`, which takes its place at the end."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
        try:
            with named(target):
                yield unfinished
                _sync(unfinished)
                unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)
        _sync(target.parent)

    def put(self, path: str, data: bytes, headers: Mapping[str, str] | None = None) -> None:  # noqa: ARG002
        """Write a small file, whole or not at all; a folder keeps no headers."""
        with self.incoming(path) as file:
            file.write_bytes(data)

    def move(self, path: str, to: str) -> None:
        """Move a file over another one, if there is one."""
        target = self.root / to
        target.parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).replace(target)
        _sync(target.parent)

    def delete(self, path: str) -> None:
        """Delete a file, or a folder with all in it; nothing happens if there is none."""
        target = self.root / path
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        else:
            target.unlink(missing_ok=True)

    def delete_files(self, paths: list[str]) -> None:
        """Delete these files, of which some may be gone."""
        for path in paths:
            (self.root / path).unlink(missing_ok=True)

    def version(self, path: str) -> str | None:
        """Name a file's present state; None if there is none."""
        try:
            found = (self.root / path).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return f"{found.st_ino}-{found.st_size}-{found.st_mtime_ns}"

    def delete_version(self, path: str, version: str) -> bool:
        """Delete a file if this is its state; say whether it is gone."""
        found = self.version(path)
        if found == version:
            (self.root / path).unlink(missing_ok=True)
        return found in (version, None)

    def content(self, path: str) -> Content:
        """Return the size and the SHA-256 of a file."""
        with (self.root / path).open("rb") as data:
            sha256 = hashlib.file_digest(data, "sha256").hexdigest()
            return Content(os.fstat(data.fileno()).st_size, sha256)

    def exists(self, path: str) -> bool:
        """Say whether there is such a file."""
        return (self.root / path).is_file()

    def files(self, folder: str, suffix: str = "") -> list[str]:
        """Return the paths of the files right in a folder, in order; none if there is no folder."""
        try:
            with os.scandir(self.root / folder) as entries:
                names = sorted(entry.name for entry in entries if entry.is_file())
        except FileNotFoundError:
            return []
        return [f"{folder}/{n}" for n in names if n.endswith(suffix) and not n.startswith(".")]

    def sizes(self, folder: str) -> dict[str, int]:
        """Return the sizes of the files right in a folder, by path; none if there is no folder."""
        try:
            with os.scandir(self.root / folder) as entries:
                found = {entry.name: entry.stat().st_size for entry in entries if entry.is_file()}
        except (FileNotFoundError, NotADirectoryError):
            return {}
        return {f"{folder}/{name}".lstrip("/"): size for name, size in found.items()}

    def pieces(self, path: str) -> Iterator[bytes]:
        """Read all of a file, a piece at a time."""
        with (self.root / path).open("rb") as data:
            while piece := data.read(_BYTES_A_PIECE):
                yield piece

    def entries(self, folder: str) -> list[str]:
        """Return the paths of all that lies right in a folder; none if there is no folder."""
        try:
            with os.scandir(self.root / folder) as entries:
                return sorted(f"{folder}/{entry.name}".lstrip("/") for entry in entries)
        except FileNotFoundError:
            return []

    def delete_if_empty(self, folder: str) -> None:
        """Delete a folder that holds nothing."""
        with suppress(OSError):
            (self.root / folder).rmdir()

    def is_empty(self) -> bool | None:
        """Say whether nothing lies here; None if there is no such folder yet."""
        try:
            with os.scandir(self.root) as entries:
                return next(entries, None) is None
        except FileNotFoundError:
            return None

    @contextmanager
    def lock(self, path: str) -> Iterator[Lease]:
        """Hold a lock of the operating system's, which no killed process leaves behind.

        It is lost where somebody deletes its file: then another run can lock a new one.
        """
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        # No link is followed to a file of somebody else's, and none is emptied.
        lock = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield _FolderLease(lock, file)
        finally:
            os.close(lock)

    def list(
        self,
        labeller: Labeller,
        hear: Hear = ignore,
        *,
        selection: Selection | None = None,
        in_order: bool = True,  # noqa: ARG002 - it is never in another
    ) -> Generator[PhotoRef, None, None]:
        """Walk the folder in order of path, and yield a reference for each photo as it is found.

        Symbolic links are followed, unless they lead back to a folder that they lie in. A folder
        that cannot be listed, and a name that is not Unicode, are yielded with their reason. Raises
        `PhotosError` if this is no folder that can be listed.
        """
        root = self.root
        try:
            identity = _identity(root.stat())
            entries = _sorted_entries(root)
        except FileNotFoundError:
            raise PhotosError(f"No such folder: {root}", hint="Check the path of PHOTOS.") from None
        except NotADirectoryError:
            hint = "PHOTOS is a folder of photos."
            raise PhotosError(f"Not a folder: {root}", hint=hint) from None
        except OSError as error:
            raise PhotosError(f"Cannot list {root}: {error.strerror}.") from None
        top = iter(entries), "", (identity,)
        yield from _walk(top, labeller, selection or Selection(), hear)


@dataclass(frozen=True, slots=True)
class _FolderLease:
    """An open file that is locked; the lock is lost where its name is another file's, or gone."""

    handle: int
    file: Path

    def is_held(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self.handle), self.file.lstat())
        except FileNotFoundError:
            return False

    renew = is_held


# The entries of a folder that are left, its path, and the identities of the folders around it.
_Level = tuple[Iterator[os.DirEntry[str]], str, tuple[tuple[int, int], ...]]


def _walk(top: _Level, labeller: Labeller, selection: Selection, hear: Hear) -> Iterator[PhotoRef]:
    """Walk depth first, without recursion: folders nest deeper than Python's stack may."""
    found = 0
    levels = [top]
    while levels:
        entries, prefix, ancestors = levels[-1]
        entry = next(entries, None)
        if entry is None:
            levels.pop()
            continue
        found += 1
        hear(found)
        path = prefix + entry.name
        try:
            info = entry.stat()
        except OSError as error:  # a broken or looping link, a closed folder, a file that just went
            shown = path + "/" * entry.is_dir(follow_symlinks=False)
            yield from _lost(shown, error, error.strerror or "no stat", labeller, selection)
            continue
        if not stat.S_ISDIR(info.st_mode):
            if selection.takes(path):
                yield _reference(path, info, labeller)
        elif _identity(info) not in ancestors:
            try:
                inner = _sorted_entries(Path(entry.path))
            except OSError as error:
                detail = f"the folder cannot be listed: {error.strerror}"
                yield from _lost(path + "/", error, detail, labeller, selection)
                continue
            if not any(one.name == STORE_MARK and one.is_dir() for one in inner):
                levels.append((iter(inner), path + "/", (*ancestors, _identity(info))))


def _lost(
    path: str, error: OSError, detail: str, labeller: Labeller, selection: Selection
) -> Iterator[PhotoRef]:
    """Name what cannot be looked at, if it may have been a photo, or a folder of photos."""
    if not selection.is_litter(path) if path.endswith("/") else selection.takes(path):
        yield _unusable(path, labeller, reason_of(error), detail)


def _reference(path: str, info: os.stat_result, labeller: Labeller) -> PhotoRef:
    modified = _utc(info.st_mtime)
    if escaped(path) != path:
        return _unusable(path, labeller, Reason.BAD_NAME, "the name is not valid UTF-8", info)
    label = labeller(path)
    if not stat.S_ISREG(info.st_mode):
        return PhotoRef(path, label, 0, modified, Reason.UNREADABLE, NOT_A_FILE)
    if info.st_size == 0:
        return PhotoRef(path, label, 0, modified, Reason.EMPTY, "zero bytes")
    return PhotoRef(path, label, info.st_size, modified)


def _unusable(
    path: str,
    labeller: Labeller,
    reason: Reason,
    detail: str,
    info: os.stat_result | None = None,
) -> PhotoRef:
    """Make a reference that is a reject already; bytes that are no Unicode are shown escaped."""
    shown = escaped(path)
    size, mtime = (info.st_size, info.st_mtime) if info else (0, 0.0)
    return PhotoRef(shown, labeller(shown), size, _utc(mtime), reason, detail)


def _sorted_entries(folder: Path) -> list[os.DirEntry[str]]:
    """List a folder so that the paths of all photos come in order, those of its folders included.

    An object store lists its keys in this order, and a STORE keeps its rows in it.
    """
    with os.scandir(folder) as entries:
        return sorted(entries, key=_place_in_order)


def _place_in_order(entry: os.DirEntry[str]) -> str:
    try:
        is_folder = entry.is_dir()
    except OSError:  # a link that leads in a circle
        is_folder = False
    return escaped(entry.name) + ("/" if is_folder else "")


def _identity(info: os.stat_result) -> tuple[int, int]:
    return info.st_dev, info.st_ino


def _utc(seconds: float) -> dt.datetime:
    try:
        return dt.datetime.fromtimestamp(seconds, tz=dt.UTC)
    except (OverflowError, ValueError, OSError):  # a file system with a nonsensical clock
        return dt.datetime.fromtimestamp(0, tz=dt.UTC)


def _sync(path: Path) -> None:
    """Have the disk hold a file's content, or a folder's entries, before anything builds on it."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
