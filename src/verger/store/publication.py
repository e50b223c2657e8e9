"""Putting into place what a run has built: decided at one moment, then carried out by whoever can.

A run writes down which files go where and which go, in the journal: from then on the new state is
decided. The old record is taken away, the files are moved, and the new record comes last. Killed
before, a STORE is what it was; killed after, whoever opens it next carries out what is written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from verger.errors import StoreError
from verger.photos.references import STORE_MARK
from verger.storage.place import Place
from verger.store.layout import (
    FEATURES,
    GALLERY,
    JOURNAL,
    MATRIX,
    MATRIX_CSV,
    PROJECTION,
    RECORD,
    REJECTS,
    WORK,
)
from verger.store.work import put_whole

_PUBLISHED = {FEATURES, REJECTS, MATRIX, PROJECTION, GALLERY, MATRIX_CSV}


@dataclass
class Publication:
    """The files that a STORE shall consist of from now on.

    folders: for each folder that is renewed, the paths of the files that make it up
    files:   for each single file that is renewed, where it lies, or None if there is none
    """

    folders: dict[str, list[str]] = field(default_factory=dict)
    files: dict[str, str | None] = field(default_factory=dict)

    def changes(self, place: Place) -> tuple[list[tuple[str, str]], list[str]]:
        """Return the moves from the work folder to where files shall be, and what goes."""
        moves: list[tuple[str, str]] = []
        gone: list[str] = []
        for folder, sources in self.folders.items():
            targets = {f"{folder}/{source.rpartition('/')[2]}": source for source in sources}
            moves += [(source, to) for to, source in targets.items() if source != to]
            gone += [path for path in place.files(folder) if path not in targets]
        for name, source in self.files.items():
            if source is not None:
                moves.append((source, name))
            elif place.exists(name):
                gone.append(name)
        return moves, gone


def publish(place: Place, record: Mapping[str, Any], publication: Publication) -> None:
    """Decide that these files, and no others, are the STORE's, with their record; do so."""
    moves, gone = publication.changes(place)
    if moves or gone:
        put_whole(place, JOURNAL, {"moves": moves, "gone": gone, "record": record})
        carry_out(place)
    else:
        put_whole(place, RECORD, record)


def is_pending(place: Place) -> bool:
    """Say whether something is decided that is not, or not known to be, carried out."""
    return place.exists(JOURNAL)


def carry_out(place: Place) -> None:
    """Do what the journal says, if there is one; what is done already is not done again."""
    if not is_pending(place):
        return
    journal = _read(place)
    place.delete(RECORD)
    for source, to in journal["moves"]:
        if place.exists(source):
            place.move(source, to)
    for path in journal["gone"]:
        place.delete(path)
    put_whole(place, RECORD, journal["record"])
    place.delete(JOURNAL)
    place.delete_if_empty(WORK)


def _read(place: Place) -> dict[str, Any]:
    """Read the journal; what it names lies in the STORE, whoever wrote it."""
    try:
        journal = json.loads(place.read(JOURNAL))
        dict(journal["record"])
        targets = [*(to for _, to in journal["moves"]), *journal["gone"]]
        sources = [source for source, _ in journal["moves"]]
        allowed = all(_lies_in(path, _PUBLISHED) for path in targets)
        if not (allowed and all(_lies_in(path, {STORE_MARK}) for path in sources)):
            raise ValueError("it names what is no part of a STORE")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(
            f"{place}/{JOURNAL} does not say what a run was about to publish ({error}).",
            hint="Delete it, and run again with --overwrite.",
        ) from None
    return dict(journal)


def _lies_in(path: str, tops: set[str]) -> bool:
    names = path.split("/")
    return names[0] in tops and not {"", ".", ".."}.intersection(names)
