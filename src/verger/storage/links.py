"""Photos of a list on the web → references."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator

from verger.photos.labels import Labeller, ParentLabels
from verger.photos.reasons import Reason
from verger.photos.references import PhotoRef

# path, bytes, modified, ETag, the list's own label (None: it has no such column), problem
_Linked = tuple[str, int, dt.datetime, str | None, str | None, str]


def refs_of_links(links: Iterable[_Linked], labeller: Labeller) -> Iterator[PhotoRef]:
    """Make a reference of each photo of a list, whatever its name: the content decides.

    A label that the list itself gives comes before the photo's folder, and after any other source.
    """
    for path, size, modified, e_tag, given, problem in links:
        if given is not None and isinstance(labeller, ParentLabels):
            label = labeller.given(given)
        else:
            label = labeller(path)
        reason = Reason.UNREADABLE if problem else None
        yield PhotoRef(path, label, size, modified, reason, problem or None, e_tag)
