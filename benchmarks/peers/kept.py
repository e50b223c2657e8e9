"""What was measured, a line of JSON each, so that a run that is stopped can go on."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple

from benchmarks.measure import Failed


class Key(NamedTuple):
    """What is measured once: in round 0 memory, in others time."""

    who: str
    network: str
    size: int
    round: int


@dataclass(frozen=True)
class Measurement:
    """What one run of a contender took: seconds, CPU seconds, MiB; `off` is from `check`."""

    key: Key
    seconds: float
    cpu: float
    whole: float
    memory: float
    off: float | None


@dataclass
class Measurements:
    """Those of one machine on the same photos, in a file."""

    file: Path
    settings: dict[str, str | int]
    all: dict[Key, Measurement] = field(default_factory=dict)

    def open(self, *, resume: bool) -> None:
        """Begin anew, or read what there is. Raises `Failed` where that is of other settings."""
        self.file.parent.mkdir(exist_ok=True)
        lines = self.file.read_text().splitlines() if resume and self.file.exists() else []
        if not lines:
            self.file.write_text(json.dumps(self.settings) + "\n")
        elif json.loads(lines[0]) != self.settings:
            raise Failed(f"{self.file.name} is of other settings: {lines[0]}. Leave --resume out.")
        for line in lines[1:]:
            raw = json.loads(line)
            found = Measurement(**raw | {"key": Key(*raw["key"])})
            self.all[found.key] = found

    def add(self, found: Measurement) -> None:
        """Keep one."""
        self.all[found.key] = found
        with self.file.open("a") as file:
            file.write(json.dumps(asdict(found)) + "\n")

    def of(self, who: str, network: str, size: int) -> list[Measurement]:
        """Return the timed rounds of one, in order."""
        found = [one for key, one in self.all.items() if key[:3] == (who, network, size)]
        return sorted((one for one in found if one.key.round), key=lambda one: one.key.round)

    def memory(self, who: str, network: str, size: int) -> float | None:
        """Return the peak of memory, MiB, where it was measured."""
        found = self.all.get(Key(who, network, size, 0))
        return found.memory if found else None
