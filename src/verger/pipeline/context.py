"""What all steps of a run share."""

from __future__ import annotations

import shutil
from dataclasses import dataclass

from verger.progress import Reporter
from verger.settings import RunSettings
from verger.storage.place import Place
from verger.store.record import Clock
from verger.store.store import Store
from verger.store.work import Work


@dataclass(frozen=True, slots=True)
class Job:
    """A run under way: the STORE, where it is built, what was asked for, and who is told."""

    store: Store
    work: Work
    settings: RunSettings
    clock: Clock
    reporter: Reporter

    @property
    def place(self) -> Place:
        """Where the STORE lies."""
        return self.work.place

    def send(self, name: str) -> list[str]:
        """Copy a folder from the scratch to the work folder; return the files there."""
        files = []
        for file in sorted((self.work.scratch / name).iterdir()):
            files.append(self.work.built(f"{name}/{file.name}"))
            with self.place.incoming(files[-1]) as sent:
                shutil.copyfile(file, sent)
        return files
