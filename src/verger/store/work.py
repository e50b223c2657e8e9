"""The work folder of a STORE: what a run builds there, and what outlives it."""

from __future__ import annotations

import datetime as dt
import json
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from verger.errors import VergerError
from verger.storage.place import Lease, Place
from verger.store.layout import DRAFTS, FEATURES, MOMENTS, REJECTS, WORK


@dataclass(frozen=True, slots=True)
class Work:
    """Where a run that is under way builds what it will publish.

    run:     the name of the run, part of the names of its files
    made_by: what decides what a photo becomes; only parts made by the same are taken up again
    scratch: a folder of this machine, for what is put together before it is sent
    """

    place: Place
    run: str
    made_by: str
    scratch: Path

    @property
    def refs(self) -> str:
        """The photos to embed, one Parquet file."""
        return self.built("refs.parquet")

    @property
    def edits(self) -> str:
        """What has to change in files that are there, one Parquet file."""
        return self.built("edits.parquet")

    @property
    def parts(self) -> str:
        """The folder of the parts that tasks have finished."""
        return f"{WORK}/parts-{self.made_by}"

    @property
    def known(self) -> str:
        """Where the contents lie that may be those of photos to embed, one Parquet file."""
        return self.built("known.parquet")

    @property
    def rewritten(self) -> str:
        """The folder of the files that take the place of published ones."""
        return self.built("rewritten")

    @property
    def moments(self) -> str:
        """The moments of the features as they will be."""
        return self.built("moments")

    def built(self, name: str) -> str:
        """Where the part of a STORE that is called `name` is built."""
        return f"{WORK}/{self.run}/{name}"

    def finished(self, table: str) -> list[str]:
        """Return the finished parts, their files of one table; rejects of no finished part go."""
        features = self.place.files(f"{self.parts}/{FEATURES}", ".parquet")
        if table == FEATURES:
            return features
        done = {path.rpartition("/")[2] for path in features}
        rejects = self.place.files(f"{self.parts}/{REJECTS}", ".parquet")
        return [path for path in rejects if path.rpartition("/")[2] in done]

    def clear_before(self, lease: Lease) -> None:
        """Clear away what earlier runs left, but for finished parts that a later run can take up.

        Raises `LockLost`. What is cleared away was seen while the lock was held: nothing is that
        came later, from a run that has taken it over.
        """
        left = self.place.entries(WORK)
        check_held(lease)
        for path in left:
            if path.startswith(f"{WORK}/parts-"):
                # Where this run embeds nothing, all parts are some later run's.
                self._clear_parts(path, lease, may_keep=path == self.parts or not self.made_by)
            else:
                self.place.delete(path)
        self.place.delete_if_empty(WORK)

    def clear_after(self, lease: Lease) -> None:
        """Clear away what this run built; finished parts that it did not publish stay."""
        check_held(lease)
        self.place.delete(f"{WORK}/{self.run}")
        self.place.delete(f"{DRAFTS}/{self.run}.json")
        self.place.delete_if_empty(DRAFTS)
        if self.made_by:
            self._clear_parts(self.parts, lease, may_keep=True)
        self.place.delete_if_empty(WORK)

    def keep_moments(self) -> None:
        """Keep the moments of the features that are published now, if they are not those before."""
        with suppress(OSError, VergerError):  # there are none, or the next run reads all features
            self.place.move(self.moments, MOMENTS)

    def drop_parts(self, lease: Lease) -> None:
        """Clear all parts away: they are published, or wrong."""
        self._clear_parts(self.parts, lease, may_keep=False)

    def _clear_parts(self, folder: str, lease: Lease, *, may_keep: bool) -> None:
        if may_keep and self.place.files(f"{folder}/{FEATURES}", ".parquet"):
            return
        tables = [f"{folder}/{table}" for table in (FEATURES, REJECTS)]
        left = [path for table in tables for path in self.place.entries(table)]
        check_held(lease)
        self.place.delete_files(left)
        for path in (*tables, folder):
            self.place.delete_if_empty(path)


class LockLost(Exception):
    """Another run has taken the lock over; what is left to do is its own."""


def check_held(lease: Lease) -> None:
    """Raise `LockLost` where another run may have taken the lock over."""
    if not lease.is_held():
        raise LockLost


def put_whole(place: Place, path: str, value: Mapping[str, Any]) -> None:
    """Write a small JSON file by way of the work folder, where no killed run leaves a trace."""
    built = f"{WORK}/{path.rpartition('/')[2]}"
    place.put(built, as_json(value))
    place.move(built, path)


def as_json(value: Mapping[str, Any]) -> bytes:
    """Write what a STORE keeps as JSON. Raises ValueError for numbers that are none."""
    return (json.dumps(value, indent=2, allow_nan=False) + "\n").encode()


def run_name() -> str:
    """Make the name of a run: when it began, and what tells it from others of that second."""
    return f"{dt.datetime.now(tz=dt.UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
