"""The work folder of a STORE: what a run builds there, and what outlives it."""

from __future__ import annotations

import datetime as dt
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from verger.storage.place import Place
from verger.store.layout import FEATURES, REJECTS, WORK


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
        return f"{WORK}/refs.parquet"

    @property
    def edits(self) -> str:
        """What has to change in files that are there, one Parquet file."""
        return f"{WORK}/edits.parquet"

    @property
    def parts(self) -> str:
        """The folder of the parts that tasks have finished."""
        return f"{WORK}/parts-{self.made_by}"

    @property
    def rewritten(self) -> str:
        """The folder of the files that take the place of published ones."""
        return f"{WORK}/rewritten"

    def built(self, name: str) -> str:
        """Where the part of a STORE that is called `name` is built."""
        return f"{WORK}/{name}"

    def finished(self, table: str) -> list[str]:
        """Return the finished parts, their files of one table; rejects of no finished part go."""
        features = self.place.files(f"{self.parts}/{FEATURES}", ".parquet")
        if table == FEATURES:
            return features
        done = {path.rpartition("/")[2] for path in features}
        rejects = self.place.files(f"{self.parts}/{REJECTS}", ".parquet")
        return [path for path in rejects if path.rpartition("/")[2] in done]

    def tidy(self) -> None:
        """Clear the work folder, but for parts that a later run can take up."""
        for path in self.place.entries(WORK):
            may_keep = path == self.parts or (not self.made_by and path.startswith(self.parts))
            if not (may_keep and self.place.files(f"{path}/{FEATURES}", ".parquet")):
                self.place.delete(path)
        self.place.delete_if_empty(WORK)


def put_whole(place: Place, path: str, value: Mapping[str, Any]) -> None:
    """Write a small JSON file by way of the work folder, where no killed run leaves a trace."""
    built = f"{WORK}/{path.rpartition('/')[2]}"
    text = json.dumps(value, indent=2, allow_nan=False)
    place.put(built, f"{text}\n".encode())
    place.move(built, path)


def run_name() -> str:
    """Make the name of a run: when it began, and what tells it from others of that second."""
    return f"{dt.datetime.now(tz=dt.UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
