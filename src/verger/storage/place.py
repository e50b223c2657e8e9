"""Where photos and STOREs lie. The rooms below name files in a place by their path, with slashes.

A place is small and can be sent to workers, each of which opens it for itself.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import AbstractContextManager
from itertools import chain, islice
from pathlib import Path
from typing import Any, Protocol

from verger.errors import PhotosError, StoreError, VergerError
from verger.photos.address import WEB, Address
from verger.photos.labels import Labeller
from verger.photos.references import PhotoRef
from verger.photos.selection import Selection
from verger.progress import Reporter, Silent
from verger.storage.checksum import Content
from verger.storage.folder import LocalPlace
from verger.storage.sorting import Hear, ignore


class Lease(Protocol):
    """A lock that is held. One may lapse, and be taken over, while a machine sleeps."""

    def is_held(self) -> bool:
        """Say whether it is still this process's own: nobody can have taken it over yet."""

    def renew(self) -> bool:
        """Say the same, after asking the place: from now on it lasts its whole time."""


class Source(Protocol):
    """Where photos lie. What fails for one of them raises OSError."""

    @property
    def name(self) -> str:
        """The last part of the place's path."""

    @property
    def scheme(self) -> str:
        """The scheme of the place's URL: `file` for a folder of this machine."""

    @property
    def folder(self) -> Path | None:
        """The folder of this machine that it is; None elsewhere."""

    @property
    def reads_at_once(self) -> int:
        """How many files are best read at the same time."""

    @property
    def streams(self) -> bool:
        """Whether a listing gives what it finds as it goes; else all is found before the first."""

    def list(
        self,
        labeller: Labeller,
        hear: Hear = ignore,
        *,
        selection: Selection | None = None,
        in_order: bool = True,
    ) -> Generator[PhotoRef, None, None]:
        """List the photos, in order of path, or as they are found; each path once.

        `hear` is told how many files were found so far, `selection` counts what it leaves out.
        Raises the place's error if it cannot be listed, as `PhotosError`.
        """

    def read(self, path: str) -> bytes:
        """Return all of a file."""

    def absolute(self) -> Source:
        """Name the place so that a process in another folder finds it."""


class Place(Source, Protocol):
    """A folder, on this machine or in an object store. What fails raises OSError."""

    def open(self, path: str) -> Any:
        """Open a file for reading, as what Arrow takes: it can seek."""

    def incoming(self, path: str) -> AbstractContextManager[Path]:
        """Give a local file to write, which appears at `path`, whole and durable, at the end."""

    def put(self, path: str, data: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Write a small file, whole or not at all.

        headers: of HTTP (Content-Type, Cache-Control), with which a place that serves its files
                 over the web sends this one
        """

    def move(self, path: str, to: str) -> None:
        """Move a file over another one, if there is one."""

    def delete(self, path: str) -> None:
        """Delete a file, or a folder with all in it; nothing happens if there is none."""

    def delete_files(self, paths: list[str]) -> None:
        """Delete these files, of which some may be gone."""

    def exists(self, path: str) -> bool:
        """Say whether there is such a file."""

    def files(self, folder: str, suffix: str = "") -> list[str]:
        """Return the paths of the files right in a folder, in order; none if there is no folder."""

    def sizes(self, folder: str) -> dict[str, int]:
        """Return the sizes in bytes of the files right in a folder, by path; none if no folder."""

    def pieces(self, path: str) -> Iterator[bytes]:
        """Read all of a file, a piece at a time."""

    def entries(self, folder: str) -> list[str]:
        """Return the paths of all that lies right in a folder; none if there is no folder."""

    def delete_if_empty(self, folder: str) -> None:
        """Delete a folder that holds nothing."""

    def is_empty(self) -> bool | None:
        """Say whether nothing lies here; None if there is no such place yet."""

    def version(self, path: str) -> str | None:
        """Name the present state of a file, which any change gives another name; None if none."""

    def delete_version(self, path: str, version: str) -> bool:
        """Delete a file if this is its state; say whether it is gone."""

    def content(self, path: str) -> Content:
        """Return the size and the SHA-256 of a file."""

    def lock(self, path: str) -> AbstractContextManager[Lease]:
        """Hold a lock for as long as this process lives; BlockingIOError if another holds it."""

    def holds(self, other: Source) -> bool:
        """Say whether another place is this one or lies in it."""

    def absolute(self) -> Place:
        """Name the place so that a process in another folder finds it."""


def source_of(where: str | Path) -> Source:
    """Take PHOTOS as a user writes it. Raises `PhotosError` where it names nothing that can be."""
    if _address(where, PhotosError).scheme in WEB:
        from verger.storage.url_list import WebList

        return WebList.of(str(where), PhotosError)
    return place_of(where, PhotosError)


def store_place(where: str | Path) -> Place:
    """Take STORE as a user writes it. Raises `StoreError` where it cannot be one."""
    place = place_of(where, StoreError)
    if place.scheme not in ("file", "s3"):
        raise StoreError(
            f"{place}: a STORE cannot be there.",
            hint="Name a folder or s3://bucket/folder; PHOTOS can stay where they are.",
        )
    return place


def place_of(where: str | Path, error: type[VergerError]) -> Place:
    """Take a path or a URL as a user writes it.

    `error` is what is raised where it names nothing that can be, or where a bucket cannot be used.
    """
    at = _address(where, error)
    if at.file is not None:
        return LocalPlace(at.file)
    from verger.storage.bucket import Bucket
    from verger.storage.bucket_source import SCHEMES

    if at.scheme in SCHEMES:
        return Bucket.of(str(where), error)
    known = [f"{name}://" for name in SCHEMES]
    known = [*known, "http(s)://"] if error is PhotosError else known[:1]
    raise error(
        f"{where}: this kind of location is not supported.",
        hint=f"Give a folder or {', '.join(known)}.",
    )


def _address(where: Any, error: type[VergerError]) -> Address:
    """Read it; from Python it may be anything."""
    if not isinstance(where, str | Path):
        raise error(f"{where!r} is not a path or an address.")
    return Address.of(where)


def list_place(
    photos: Source,
    labeller: Labeller,
    reporter: Reporter | None = None,
    selection: Selection | None = None,
) -> Iterator[PhotoRef]:
    """List the photos of a place, in order of path.

    Where all is found before the first comes in order, `reporter` is told how far that is.
    """
    if photos.streams:
        return photos.list(labeller, selection=selection)
    with (reporter or Silent()).stage("Listing", None, "files") as stage:
        refs = photos.list(labeller, stage.update, selection=selection)
        first = list(islice(refs, 1))
    return chain(first, refs)
