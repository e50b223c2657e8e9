"""`python -m benchmarks.before PHOTOS --before SRC`: what a run takes, before and now.

    --before SRC   src/ of an older checkout, measured in turn with this one
    --count 6000   take so many of the photos, evenly
    --rounds 3
    --cores 2

Each round runs the older code, this one and the bare loop (decode and infer, nothing else) over the
same photos, the other way round every second time. What counts is the ratio within a round: of the
seconds of processor that the embedding takes, which other work on the machine changes least.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.contenders import BARE, HERE, VERGER, Network
from benchmarks.measure import measure
from benchmarks.table import machine
from verger.settings import DEFAULT_BACKBONE

_BARE, _BEFORE, _NOW = "bare", "before", "now"


@dataclass
class _Rounds:
    """What the rounds took, in order."""

    seconds: list[float] = field(default_factory=list)
    stage: list[float] = field(default_factory=list)  # seconds of processor of the embedding
    cpu: list[float] = field(default_factory=list)  # of all of it


def main() -> None:
    """Measure in turn, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.before", description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--before", type=Path, required=True)
    parser.add_argument("--count", type=int, default=6000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cores", type=int, default=2)
    options = parser.parse_args()
    sources = {_BEFORE: options.before.resolve(), _NOW: HERE.parent / "src"}
    network = Network.of(DEFAULT_BACKBONE)
    rounds = {who: _Rounds() for who in (_BEFORE, _NOW, _BARE)}
    with tempfile.TemporaryDirectory(prefix="verger-bench-") as name:
        scratch = Path(name)
        count = _chosen(options.photos, scratch / "photos", options.count)
        for number in range(options.rounds):
            for who in list(rounds) if number % 2 == 0 else list(reversed(rounds)):
                out = scratch / f"{who} {number}"
                out.mkdir()
                if who == _BARE:
                    bare = BARE.run(network, scratch / "photos", out, options.cores)
                    took = bare.seconds, bare.cpu, bare.cpu
                else:
                    took = _run(scratch / "photos", out, count, sources[who], options.cores)
                rounds[who].seconds.append(took[0])
                rounds[who].stage.append(took[1])
                rounds[who].cpu.append(took[2])
                print(f"{who}: {took}, load {os.getloadavg()[0]:.1f}", file=sys.stderr)
    _tell(rounds, count)


def _chosen(photos: Path, folder: Path, most: int) -> int:
    """Link some of the photos, evenly, into a folder by their labels; return how many."""
    files = sorted(file for file in photos.rglob("*.jpg") if file.is_file())
    step = max(1, len(files) // most)
    chosen = files[::step][:most]
    for number, file in enumerate(chosen):
        link = folder / file.parent.name / f"{number}.jpg"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(file.resolve())
    return len(chosen)


def _run(
    photos: Path, out: Path, count: int, source: Path, cores: int
) -> tuple[float, float, float]:
    """Return the seconds of the embedding, its seconds of processor, and those of all of it."""
    line = [*VERGER, "run", str(photos), str(out / "store"), "--json", "--no-report"]
    took = measure([*line, "--cores", str(cores)], cwd=out, env={"PYTHONPATH": str(source)})
    record = json.loads(took.stdout)
    assert record["counts"]["embedded"] == count, record["counts"]
    seconds = float(record["seconds"]["embed"])
    (*_, end) = [when for when, said in took.lines if said.startswith("Embedding")]
    return seconds, took.cpu_between(end - seconds, end), took.cpu


def _tell(rounds: dict[str, _Rounds], count: int) -> None:
    print(f"{machine()}\n\n| {count:,} photos | before | now | bare loop | now / before |")
    print("| --- | --- | --- | --- | --- |")
    shown = {
        "embedding: seconds of processor": "stage", "embedding: seconds": "seconds",
        "all of it: seconds of processor": "cpu",
    }  # fmt: skip
    for name, of in shown.items():
        values = {who: getattr(taken, of) for who, taken in rounds.items()}
        ratios = [now / then for then, now in zip(values[_BEFORE], values[_NOW], strict=True)]
        cells = [f"{statistics.median(values[who]):.1f}" for who in (_BEFORE, _NOW, _BARE)]
        said = ", ".join(f"{ratio:.3f}" for ratio in ratios)
        print(f"| {name} | {' | '.join(cells)} | **{statistics.median(ratios):.3f}** ({said}) |")


if __name__ == "__main__":
    main()
