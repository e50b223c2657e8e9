"""The moments of all features, kept from one run to the next.

A fit needs means and scatters alone. They merge, and rows that go can be taken out of them again:
so a run reads what is new, what goes and what has another label, and not the rest. However many
photos there are, what is kept is one file: 13 MB of 1,280 features, and 10 KB a label.

It says which files of features it sums up, whose names no two runs share. Where it is missing, of
other files, not what was written, or has been subtracted from too often to be exact, all features
are read, as they are the first time. So it is no part of what a run publishes, and has no journal.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from verger.errors import VergerError
from verger.projections.feature_moments import FeatureMoments
from verger.projections.moment_bytes import from_bytes, pieces
from verger.storage.place import Place
from verger.store.defects import damage_told
from verger.store.layout import MOMENTS
from verger.store.parts import Edits, edited, no_edits
from verger.store.tables import ROWS_A_GROUP, batches, opened

_FORMAT = 1
_COLUMNS = ["path", "label", "features"]
# What may have been lost in subtractions, as a share: then moments are exact to 1e-10, and more.
_MOST_LOST = 1e-11
_EPS = float(np.finfo(np.float64).eps)
_HEAD = 2**20  # bytes at most, of what says how to read the rest


class KeptMoments(NamedTuple):
    """Moments, and what they are of.

    files: the names of the files of features, and their rows
    lost:  how inexact they may have become, as a share
    """

    files: Mapping[str, int]
    lost: float
    moments: FeatureMoments

    @classmethod
    def none(cls, width: int) -> KeptMoments:
        """Return what there is to begin with: moments of no file."""
        return cls({}, 0.0, FeatureMoments.zero(width))

    @classmethod
    def read(cls, place: Place, width: int) -> KeptMoments | None:
        """Return what is kept in a STORE; None where that is nothing, or of no use."""
        try:
            head, _, content = place.read(MOMENTS).partition(b"\n")
        except (OSError, VergerError):  # of a bucket: whatever it is, all features can be read
            return None
        with suppress(ValueError, KeyError, TypeError, AttributeError, RecursionError):
            said = json.loads(head[:_HEAD])
            if said["format"] == _FORMAT and said["sha256"] == _seal(said, [content]):
                files = {str(name): int(rows) for name, rows in said["files"].items()}
                parts = from_bytes(content, width)
                return cls(files, float(said["lost"]), FeatureMoments(**parts))
        return None

    def write(self, place: Place, to: str) -> None:
        """Write it to a file of a STORE."""
        parts = self.moments._asdict()
        said = {"format": _FORMAT, "files": dict(self.files), "lost": self.lost}
        said["sha256"] = _seal(said, pieces(parts))
        with place.incoming(to) as file, file.open("wb") as out:
            out.write(json.dumps(said).encode() + b"\n")
            out.writelines(pieces(parts))

    def updated(
        self, more: FeatureMoments, fewer: FeatureMoments, files: Mapping[str, int]
    ) -> KeptMoments | None:
        """Return the moments of other files: with some rows, and without others.

        None where that is not possible, or would not be exact.
        """
        before = self.moments.merge(more)
        try:
            after = before.without(fewer)
        except ValueError:  # some other rows than these were summed up
            return None
        lost = self.lost * self.moments.shrinks_by(after) + _EPS
        if fewer.raw.n:
            lost += _EPS * before.weight_of_rounding(after)
        if lost > _MOST_LOST or after.raw.n != sum(files.values()):
            return None
        return KeptMoments({_name(path): rows for path, rows in files.items()}, lost, after)


class Reading(NamedTuple):
    """A file of features to be read for what has changed.

    rows:   how many it has, about
    edited: whether there may be edits of it
    known:  whether its rows are known as they were, so that edits alone count
    """

    path: str
    rows: int
    edited: bool = False
    known: bool = False


Rewrites = Mapping[str, Sequence[str]]


def readings(
    before: Mapping[str, int], files: Mapping[str, int], rewrites: Rewrites
) -> list[Reading] | None:
    """Say what has to be read, where these are the files of features now, and their rows.

    before:   the names of those whose rows are known, and their rows
    rewrites: for each file that was made of others, these. One that has no rows is none of `files`.
    None where what is known is of files that went another way.
    """
    known = before.keys()
    of_known = {to: made_of for to, made_of in rewrites.items() if known & set(map(_name, made_of))}
    sources = sorted({source for made_of in of_known.values() for source in made_of})
    there = {_name(path): rows for path, rows in files.items()}
    there |= {_name(source): before.get(_name(source), 0) for source in sources}
    if any(there.get(name) != rows for name, rows in before.items()):
        return None
    new = [path for path in files if path not in of_known and _name(path) not in known]
    return [
        *(Reading(path, files[path]) for path in new),
        *(
            Reading(path, before.get(_name(path), 0), edited=True, known=_name(path) in known)
            for path in sources
        ),
    ]


class Changed(NamedTuple):
    """Rows that are there now, or that are gone: path, label, features."""

    more: pa.RecordBatch
    fewer: pa.RecordBatch


def rows_changed(
    place: Place, reading: Reading, edits: Callable[[str], Edits]
) -> Iterator[Changed]:
    """Read what one reading asks for, a block at a time."""
    dropped, labels = edits(reading.path) if reading.edited else no_edits(reading.path)
    if not reading.known:
        for batch in batches(place, reading.path, _COLUMNS):
            yield Changed(edited(batch, dropped, labels), batch.slice(0, 0))
    elif touched := sorted({*dropped, *labels}):
        for batch in _of_paths(place, reading.path, touched):
            yield Changed(edited(batch, dropped, labels), batch)


def _of_paths(place: Place, file: str, paths: Iterable[str]) -> Iterator[pa.RecordBatch]:
    """Read the rows of some paths, and of the other groups of rows the paths alone."""
    wanted = pa.array(paths, pa.string())
    with damage_told(place, file), opened(place, file, _COLUMNS) as parquet:
        for group in range(parquet.num_row_groups):
            mine = pc.is_in(parquet.read_row_group(group, ["path"])["path"], wanted)
            if pc.any(mine).as_py():
                rows = parquet.read_row_group(group, _COLUMNS).filter(mine)
                yield from rows.to_batches(ROWS_A_GROUP)


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _seal(said: Mapping[str, object], content: Iterable[bytes]) -> str:
    head = {name: value for name, value in said.items() if name != "sha256"}
    seal = hashlib.sha256(json.dumps(head, sort_keys=True).encode() + b"\n")
    for piece in content:
        seal.update(piece)
    return seal.hexdigest()
