"""The photos that a STORE knows, as a source of photos."""

from __future__ import annotations

import datetime as dt
from collections.abc import Generator, Iterator
from dataclasses import dataclass

from verger.photos.labels import Labeller
from verger.photos.reasons import Reason
from verger.photos.references import PhotoRef
from verger.photos.selection import Selection
from verger.storage.place import Place
from verger.storage.sorting import Hear, ignore
from verger.store.inventory import EPOCH, Known, known_photos


def each_once(place: Place, features: list[str], rejects: list[str]) -> Iterator[Known]:
    """Give the photos that tables know, each once, in order of path."""
    last = None
    for row in known_photos(place, features, rejects, set()):
        if row.path != last:
            yield row
        last = row.path


@dataclass(frozen=True, slots=True)
class KnownPhotos:
    """The photos of a STORE as a source of photos, with other labels. None of them can be read."""

    place: Place
    features: tuple[str, ...]
    rejects: tuple[str, ...]
    labels: dict[str, str | None]

    name = scheme = "known"
    folder = None
    reads_at_once = 1
    streams = True

    def list(
        self,
        labeller: Labeller,  # noqa: ARG002
        hear: Hear = ignore,  # noqa: ARG002
        *,
        selection: Selection | None = None,  # noqa: ARG002
        in_order: bool = True,  # noqa: ARG002
    ) -> Generator[PhotoRef, None, None]:
        """List the photos in order of path; what was rejected stays so."""
        for row in each_once(self.place, [*self.features], [*self.rejects]):
            when = EPOCH + dt.timedelta(microseconds=row.modified)
            yield PhotoRef(
                row.path,
                self.labels.get(row.path, row.label),
                row.bytes,
                when,
                Reason.UNREADABLE.value if row.rejected else None,
                None,
                row.e_tag,
            )

    def read(self, path: str) -> bytes:
        """Refuse: relabelling opens no photo."""
        raise FileNotFoundError(path)

    def absolute(self) -> KnownPhotos:
        """Return it as it is: its place is named so already."""
        return self
