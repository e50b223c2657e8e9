"""`python -m benchmarks.engines`: from how many new photos on Spark pays on one machine.

Whole commands, `verger run --no-report` with `--engine process` and `--engine spark` in turn, on
folders of several sizes (`--sizes`), medians of `--rounds`. A run with the sizes and rounds that it
has by itself replaces benchmarks/engines.md; any other is only printed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks import photos
from benchmarks.contenders import HERE, VERGER
from benchmarks.measure import measure
from benchmarks.table import machine

_ENGINES = ("process", "spark")
_SIZES, _ROUNDS = "60,300,1000,2000", 3


def main() -> None:
    """Measure, print the page, and write it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engines", description=__doc__)
    parser.add_argument("--photos", type=Path, help="a folder of photos (default: rendered)")
    parser.add_argument("--sizes", default=_SIZES, help="numbers of photos, by commas")
    parser.add_argument("--rounds", type=int, default=_ROUNDS)
    parser.add_argument("--cores", type=int, default=2)
    options = parser.parse_args()
    load = os.getloadavg()[0]
    sizes = [int(size) for size in options.sizes.split(",")]
    seeds = -(-max(sizes) // photos.A_SEED) * photos.A_SEED
    files = photos.listed(options.photos or photos.rendered(seeds, options.cores))
    rows = []
    with tempfile.TemporaryDirectory(prefix="verger-bench-") as name:
        for size in sizes:
            laid = photos.lay(files, size, Path(name) / f"photos {size}")
            rows.append(_row(laid, size, Path(name), options.rounds, options.cores))
            print(rows[-1], file=sys.stderr)
    text = _page(rows, options.rounds, load)
    print(text)
    if (options.sizes, options.rounds) == (_SIZES, _ROUNDS):
        (HERE / "engines.md").write_text(text, encoding="utf-8")


def _row(laid: Path, size: int, scratch: Path, rounds: int, cores: int) -> str:
    whole: dict[str, list[float]] = {engine: [] for engine in _ENGINES}
    embed: dict[str, list[float]] = {engine: [] for engine in _ENGINES}
    for number in range(rounds):
        for engine in _ENGINES:
            store = scratch / f"store {size} {number} {engine}"
            words = ["--engine", engine, "--cores", str(cores), "--no-report", "--json"]
            took = measure([*VERGER, "run", str(laid), str(store), *words], cwd=scratch)
            whole[engine].append(took.seconds)
            embed[engine].append(json.loads(took.stdout)["seconds"]["embed"])
    cells = [
        f"{statistics.median(of[engine]):.1f} s" for of in (whole, embed) for engine in _ENGINES
    ]
    ratio = statistics.median(p / s for p, s in zip(*whole.values(), strict=True))
    return f"| {size:,} | {' | '.join(cells)} | {ratio:.2f} |"


def _page(rows: list[str], rounds: int, load: float) -> str:
    head = ("new photos", "command, process", "command, Spark", "embedding, process",
            "embedding, Spark", "command, process ÷ Spark")  # fmt: skip
    return f"""# Engines

{machine()}; load before: {load:.1f}

Made by `python -m benchmarks.engines`; medians of {rounds}, the two in turn.

| {" | ".join(head)} |
|{"---|" * len(head)}
{chr(10).join(rows)}

`--engine auto` takes the threads of this process for up to 10,000 new photos. What they save is
what Spark takes to start and to stop. So the more photos, the less there is to save, and the more
Spark has to give: workers that share no interpreter, which counts on more cores than two, tasks
that are tried again, and a page to look at. The result is the same. Larger sizes are in
[decision 43](../docs/decisions/0043-no-spark-for-small-change.md).
"""


if __name__ == "__main__":
    main()
