"""Listing photos and labelling them: a folder becomes rows of photo references.

A reference is (path, label, bytes, modified, reason, detail, e_tag). `reason` is null but for what
the listing itself shows to be unusable, which is carried on and becomes a reject like any other, so
that nothing listed is ever lost.
"""

from __future__ import annotations

import csv
import datetime as dt
import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from verger.errors import PhotosError, UsageError
from verger.photos.reasons import Reason

EXTENSIONS = (
    ".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".heic", ".avif"
)  # fmt: skip
STORE_MARK = ".verger"  # the folder that marks a STORE; listing never descends into one

Labeller = Callable[[str], str | None]


class PhotoRef(NamedTuple):
    """One photo, listed but not opened."""

    path: str  # relative to PHOTOS, with slashes
    label: str | None
    bytes: int
    modified: dt.datetime  # UTC
    reason: str | None = None
    detail: str | None = None
    e_tag: str | None = None  # what an object store says of the content; a folder says nothing


def list_photos(root: Path, labeller: Labeller) -> Iterator[PhotoRef]:
    """Walk `root` in a fixed order and yield a reference for each photo.

    Symbolic links are followed, unless they lead back to a folder that they lie in. A folder that
    cannot be listed, and a name that is not Unicode, are yielded with their reason. Raises
    `PhotosError` if `root` is no folder that can be listed.
    """
    try:
        identity = _identity(root.stat())
        entries = _sorted_entries(root)
    except FileNotFoundError:
        raise PhotosError(f"No such folder: {root}", hint="Check the path of PHOTOS.") from None
    except NotADirectoryError:
        raise PhotosError(f"Not a folder: {root}", hint="PHOTOS is a folder of photos.") from None
    except OSError as error:
        raise PhotosError(f"Cannot list {root}: {error.strerror}.") from None
    yield from _walk(entries, identity, labeller)


def labeller_from(spec: str, top: str) -> Labeller:
    """Build the function path → label that `--label-from` asks for.

    `top` is the name of PHOTOS itself, which labels the photos that lie right in it.

    Raises `UsageError` for a regular expression that is none or that has not exactly one group,
    and for a CSV file that cannot be read as `path,label`.
    """
    if spec == "none":
        return lambda _path: None
    if spec == "parent":
        return ParentLabels(_escaped(top))
    if spec.startswith("regex:"):
        return _regex_labeller(spec.removeprefix("regex:"))
    return CsvLabels(Path(spec))


class ParentLabels:
    """Labels from folders: that of a photo, or `top` for those that lie right in PHOTOS.

    overruled: whether labels were given otherwise, by the list that names the photos
    """

    def __init__(self, top: str) -> None:
        self._top = top
        self.overruled = False

    def __call__(self, path: str) -> str | None:
        """Return the name of the folder; of a whole URL, as a person reads it."""
        if "://" in path:
            path = unquote(path.partition("?")[0])
        return path.rsplit("/", 2)[-2] if "/" in path else self._top

    def given(self, label: str) -> str | None:
        """Take a label from elsewhere in place of the folder's; None if it is empty."""
        self.overruled = True
        return label or None


class CsvLabels:
    """Labels from a CSV file with the columns `path` (relative to PHOTOS) and `label`.

    Calling it looks a path up; a path that the file lacks has no label.
    """

    def __init__(self, file: Path) -> None:
        self._labels: dict[str, str] = {}
        self._used: set[str] = set()
        try:
            with file.open(encoding="utf-8-sig", newline="") as lines:
                self._read(csv.DictReader(lines), file)
        except FileNotFoundError:
            raise UsageError(
                f"--label-from {file}: no such file.",
                hint="Give 'parent', 'none', 'regex:…' or a CSV file.",
            ) from None
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise UsageError(
                f"--label-from {file}: cannot be read as CSV in UTF-8 ({error})."
            ) from None

    def _read(self, rows: csv.DictReader[str], file: Path) -> None:
        missing = {"path", "label"} - set(rows.fieldnames or ())
        if missing:
            raise UsageError(
                f"--label-from {file}: its first line lacks {' and '.join(sorted(missing))}.",
                hint="The columns are path,label.",
            )
        for row in rows:
            path = (row["path"] or "").removeprefix("./")
            label = row["label"] or ""
            if self._labels.get(path, label) != label:
                raise UsageError(
                    f"--label-from {file}: line {rows.line_num} gives {path} a second label."
                )
            self._labels[path] = label

    def __call__(self, path: str) -> str | None:
        """Return the label of a path, or None where the file has none."""
        if path in self._labels:
            self._used.add(path)
        return self._labels.get(path) or None

    @property
    def unused(self) -> int:
        """How many rows of the file were never looked up."""
        return len(self._labels) - len(self._used)


def _regex_labeller(expression: str) -> Labeller:
    try:
        pattern = re.compile(expression)
    except (re.error, OverflowError, RecursionError) as error:
        raise UsageError(
            f"--label-from regex:{expression}: not a regular expression ({error})."
        ) from None
    if pattern.groups != 1:
        raise UsageError(
            f"--label-from regex:{expression}: {pattern.groups} groups; exactly one is the label.",
            hint="Mark the label with ( ), and other groups with (?: ).",
        )

    def label(path: str) -> str | None:
        found = pattern.search(path)
        return found.group(1) if found else None

    return label


# The entries of a folder that are left, its path, and the identities of the folders around it.
_Level = tuple[Iterator[os.DirEntry[str]], str, tuple[tuple[int, int], ...]]


def _walk(
    top: list[os.DirEntry[str]], identity: tuple[int, int], labeller: Labeller
) -> Iterator[PhotoRef]:
    """Walk depth first, without recursion: folders nest deeper than Python's stack may."""
    levels: list[_Level] = [(iter(top), "", (identity,))]
    while levels:
        entries, prefix, ancestors = levels[-1]
        entry = next(entries, None)
        if entry is None:
            levels.pop()
            continue
        path = prefix + entry.name
        is_photo_name = entry.name.lower().endswith(EXTENSIONS)
        try:
            info = entry.stat()
        except OSError as error:  # a broken or looping link, a closed folder, a file that just went
            is_folder = entry.is_dir(follow_symlinks=False)
            if is_photo_name or is_folder:
                shown = path + "/" if is_folder else path
                yield _unusable(shown, labeller, Reason.UNREADABLE, error.strerror or "no stat")
            continue
        if not stat.S_ISDIR(info.st_mode):
            if is_photo_name:
                yield _reference(path, info, labeller)
        elif _identity(info) not in ancestors:
            try:
                inner = _sorted_entries(Path(entry.path))
            except OSError as error:
                detail = f"the folder cannot be listed: {error.strerror}"
                yield _unusable(path + "/", labeller, Reason.UNREADABLE, detail)
                continue
            if not any(e.name == STORE_MARK and e.is_dir() for e in inner):
                levels.append((iter(inner), path + "/", (*ancestors, _identity(info))))


def _reference(path: str, info: os.stat_result, labeller: Labeller) -> PhotoRef:
    modified = _utc(info.st_mtime)
    if not _is_unicode(path):
        return _unusable(path, labeller, Reason.BAD_NAME, "the name is not valid UTF-8", info)
    label = labeller(path)
    if not stat.S_ISREG(info.st_mode):
        return PhotoRef(path, label, 0, modified, Reason.UNREADABLE, "not a regular file")
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
    shown = _escaped(path)
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
    return _escaped(entry.name) + ("/" if is_folder else "")


def _identity(info: os.stat_result) -> tuple[int, int]:
    return info.st_dev, info.st_ino


def _escaped(text: str) -> str:
    """Write a name with the bytes in it that are no UTF-8 as hexadecimal escapes."""
    return os.fsencode(text).decode("utf-8", errors="backslashreplace")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _utc(seconds: float) -> dt.datetime:
    try:
        return dt.datetime.fromtimestamp(seconds, tz=dt.UTC)
    except (OverflowError, ValueError, OSError):  # a file system with a nonsensical clock
        return dt.datetime.fromtimestamp(0, tz=dt.UTC)
