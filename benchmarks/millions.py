"""`python -m benchmarks.millions`: millions of references listed, compared and cut into tasks.

    --millions 1 3 10   how many photos
    --keep FOLDER       where to make the synthetic STOREs, and leave them (else they are removed)

No photo is read and none need be there: names come from a generator, as a bucket lists them, and
what a STORE knows of them is real Parquet files of the light columns, 4,000 rows each as tasks
write them. Each measure is a process of its own, whose peak is what the system says of it (RSS). A
run of ten million replaces benchmarks/millions.md; a smaller one is only printed.

    listing     a bucket's names, which come with the last folder first, brought into order of path
    comparing   the same names in order, beside a STORE that knows them but for 1%, which are new
    first run   all names are new: listed in order, and written down as what is to be embedded
    cutting     what was written down, cut into the splits of tasks for 64 cores
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmarks.contenders import HERE
from benchmarks.table import machine
from verger.embed.features import features_schema
from verger.photos.labels import Labeller
from verger.photos.references import PhotoRef
from verger.storage.bucket_listing import LISTED, Listed
from verger.storage.folder import LocalPlace
from verger.storage.sorting import in_order
from verger.store.inventory import OrderBook, compare, known_photos, sizes_of
from verger.store.tables import TableWriter
from verger.tasks.splits import cut

A_FOLDER, A_FILE, CORES, NEW = 1_000, 4_000, 64, 100
WHEN = dt.datetime(2026, 5, 1, tzinfo=dt.UTC)
_COLUMNS = ("path", "label", "bytes", "modified", "e_tag")
_MILLION = 10**6


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.millions", description=__doc__)
    parser.add_argument("--millions", type=float, nargs="+", default=[1, 3, 10])
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        name, folder = given.measure
        print(json.dumps(_measured(name, Path(folder))))
        return
    rows = []
    with tempfile.TemporaryDirectory(prefix="verger-bench-") as scratch:
        for millions in given.millions:
            folder = (given.keep or Path(scratch)) / f"{millions:g}"
            if not (folder / "count").exists():
                make(folder, round(millions * _MILLION))
            rows += [_alone(name, folder) for name in MEASURES]
    text = "\n".join([
        "# Millions of references\n", machine(),
        "\nMade by `python -m benchmarks.millions`: no photo is read, names come from a generator, "
        "each measure is\na process of its own.\n",
        "| measure | photos | s | µs a photo | peak, MiB | found |", "|---|---|---|---|---|---|",
        *sorted(rows, key=lambda row: [row.startswith(f"| {name} ") for name in MEASURES][::-1]),
        "",
    ])  # fmt: skip
    print(text)
    if max(given.millions) >= 10:
        (HERE / "millions.md").write_text(text, encoding="utf-8")


def _alone(name: str, folder: Path) -> str:
    command = [sys.executable, "-m", "benchmarks.millions", "--measure", name, str(folder)]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds, peak, found = json.loads(ran.stdout)
    count = int((folder / "count").read_text())
    row = f"| {name} | {count:,} | {seconds:.1f} | {seconds / count * 1e6:.1f} | {peak:.0f} "
    print(row, file=sys.stderr)
    return f"{row}| {found} |"


def _measured(name: str, folder: Path) -> tuple[float, float, str]:
    count = int((folder / "count").read_text())
    began = time.perf_counter()
    found = MEASURES[name](folder, count)
    seconds = time.perf_counter() - began
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, found


# What a STORE knows ------------------------------------------------------------------------------


def path(number: int) -> str:
    """Name a photo; in order of number as of path."""
    folder, photo = divmod(number, A_FOLDER)
    return f"Training/Variety {folder:06}/photo {photo:06}.jpg"


def size(number: int) -> int:
    """Return its size in bytes, one of 200,000."""
    return 20_000 + number * 7919 % 200_003


def is_new(number: int) -> bool:
    """Say whether the STORE does not know it."""
    return number % NEW == 7


def make(folder: Path, count: int) -> None:
    """Write the light columns of a STORE's features."""
    (folder / "features").mkdir(parents=True)
    schema = pa.schema([features_schema().field(name) for name in _COLUMNS])
    for start in range(0, count, A_FILE):
        numbers = [n for n in range(start, min(start + A_FILE, count)) if not is_new(n)]
        paths = [path(n) for n in numbers]
        columns = [
            pa.array(paths), pa.array([name.split("/")[1] for name in paths]),
            pa.array([size(n) for n in numbers]), pa.array([WHEN] * len(numbers), schema[3].type),
            pa.nulls(len(numbers), pa.string()),
        ]  # fmt: skip
        with TableWriter(folder / f"features/part-{start:09}.parquet", schema) as table:
            for at in range(0, len(numbers), 64):
                table.add(pa.record_batch(columns, schema=schema).slice(at, 64))
    (folder / "count").write_text(str(count))


def _files(folder: Path) -> list[str]:
    return LocalPlace(folder).files("features")


# What is measured ---------------------------------------------------------------------------------


def _listing(_folder: Path, count: int) -> str:
    def found() -> Iterator[Listed]:
        for last in range(count // A_FOLDER, 0, -1):
            for number in range((last - 1) * A_FOLDER, last * A_FOLDER):
                yield Listed(path(number), size(number), WHEN, f"{number:032x}")

    listed, before = 0, ""
    for one in in_order(found(), Listed, LISTED):
        assert before < one.path
        before = one.path
        listed += 1
    return f"{listed:,} in order"


def _refs(count: int) -> Iterator[PhotoRef]:
    labelled = Labeller(lambda name: name.split("/")[1])
    for number in range(count):
        name = path(number)
        yield PhotoRef(name, labelled(name), size(number), WHEN)


def _compared(folder: Path, count: int, files: list[str], refs: str) -> Any:
    known = known_photos(LocalPlace(folder), files, [], set())
    with OrderBook(folder / refs, folder / "edits") as book:
        return deque(compare(_refs(count), known, book, retry_rejects=False), 1)[0]


def _comparing(folder: Path, count: int) -> str:
    tally = _compared(folder, count, _files(folder), "new")
    return f"{tally.new:,} new, {tally.kept:,} kept, {tally.gone:,} gone"


def _first(folder: Path, count: int) -> str:
    return f"{_compared(folder, count, [], 'refs').new:,} new"


def _cutting(folder: Path, count: int) -> str:
    total = sum(sizes_of(LocalPlace(folder), "refs"))
    return f"{len(cut(sizes_of(LocalPlace(folder), 'refs'), count, total, CORES)):,} tasks"


MEASURES: dict[str, Callable[[Path, int], str]] = {
    "listing": _listing,
    "comparing": _comparing,
    "first run": _first,
    "cutting": _cutting,
}


if __name__ == "__main__":
    main()
