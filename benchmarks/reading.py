"""`python -m benchmarks.reading STORE`: what `verger reduce` reads and takes, before and now.

    --before SRC       src/ of an older checkout, measured in turn with this one
    --rows 1000000     a STORE of so many generated photos in place of STORE
    --keep FOLDER      where that STORE is kept, and found again
    --engine spark     as `verger reduce` has it, where this checkout shall not choose
    --places disk,s3   one of them alone
    --no-csv           no CSV: a million rows are 9 GB
    --rounds 2

Each reduces a copy of STORE, without the moments that it keeps, to matrix, CSV, gallery and report,
on the disk and on an S3 server that answers 25 ms late, behind a proxy that counts the bytes of its
answers. Memory is that of the driver's own process (proportional set size); Spark's workers and
Java have theirs beside it, and threads are within it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import obstore
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import report
from benchmarks.contenders import HERE, VERGER
from benchmarks.measure import measure

sys.path.insert(0, str(HERE.parent / "tests"))  # the server and the proxy are those of the tests

from faults import Faults, Proxy, faulty
from seaweed import S3, serve

_LATENCY = 0.025  # seconds
_BUCKET = "reading"


@dataclass
class Taken:
    """What the rounds of one contender took."""

    seconds: list[float] = field(default_factory=list)
    driver: list[float] = field(default_factory=list)  # MiB
    total: list[float] = field(default_factory=list)  # MiB, of all processes
    read: list[float] = field(default_factory=list)  # MB
    requests: list[int] = field(default_factory=list)


def main() -> None:
    """Measure in turn, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reading", description=__doc__)
    parser.add_argument("store", type=Path, nargs="?", help="a STORE on the disk, which stays")
    parser.add_argument("--before", type=Path, help="src/ of an older checkout")
    parser.add_argument("--rows", type=int, default=0, help="generate a STORE of so many rows")
    parser.add_argument("--keep", type=Path, help="where the generated STORE is kept")
    parser.add_argument("--engine", help="of this checkout")
    parser.add_argument("--places", default="disk,s3", type=_places)
    parser.add_argument("--no-csv", action="store_true")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--cores", type=int, default=2)
    options = parser.parse_args()
    sources = {"now": HERE.parent / "src"}
    if options.before:
        sources = {"before": options.before, **sources}
    taken: dict[tuple[str, str], Taken] = {}
    with tempfile.TemporaryDirectory(prefix="verger-bench-") as name:
        scratch = Path(name)
        store = options.store or _generated(options.keep or scratch / "store", options.rows)
        for number in range(options.rounds):
            for who, source in sources.items() if number % 2 == 0 else reversed(sources.items()):
                how = ["--cores", str(options.cores), "--no-csv" if options.no_csv else "--csv"]
                if options.engine and who == "now":
                    how += ["--engine", options.engine]
                if "disk" in options.places:
                    one = taken.setdefault(("disk", who), Taken())
                    with _copied(store, scratch, keep=options.rows > 0) as copy:
                        _reduce(one, str(copy), source, how)
                if "s3" in options.places:
                    one = taken.setdefault(("S3 at 25 ms", who), Taken())
                    with _served(store, scratch) as (server, proxy):
                        _reduce(one, f"s3://{_BUCKET}/store", source, how, server, proxy)
    print("| STORE | | seconds | driver, MiB | all processes, MiB | read, MB | requests |")
    print("|---|---|---|---|---|---|---|")
    for (where, who), one in sorted(taken.items()):
        middle = statistics.median
        read = f"{middle(one.read):,.0f} | {middle(one.requests):,.0f}" if one.read else "— | —"
        print(
            f"| {where} | {who} | {middle(one.seconds):.1f} | {middle(one.driver):,.0f} "
            f"| {middle(one.total):,.0f} | {read} |"
        )


def _places(text: str) -> list[str]:
    places = text.split(",")
    if unknown := set(places) - {"disk", "s3"}:
        raise argparse.ArgumentTypeError(f"disk, s3 or both, not {', '.join(sorted(unknown))}")
    return places


def _reduce(
    one: Taken,
    store: str,
    source: Path,
    how: list[str],
    server: S3 | None = None,
    proxy: Proxy | None = None,
) -> None:
    env = {"PYTHONPATH": str(source)} | (server.environment() if server else {})
    line = [*VERGER, "reduce", store, "--report", *how]
    if proxy:
        proxy.set(Faults(latency=_LATENCY))
    took = measure(line, cwd=HERE, env=env, memory=True)
    one.seconds.append(took.seconds)
    one.driver.append(took.memory.first)
    one.total.append(took.memory.total)
    if proxy:
        counts = proxy.counts()
        one.read.append(counts["bytes"] / 1e6)
        one.requests.append(counts["requests"])
    read = f", {one.read[-1]:,.0f} MB in {one.requests[-1]:,} requests" if proxy else ""
    print(
        f"{source} {store}: {took.seconds:.1f} s, driver {one.driver[-1]:,.0f} MiB, "
        f"all {one.total[-1]:,.0f} MiB{read}, load {os.getloadavg()[0]:.1f}",
        file=sys.stderr,
    )


@contextmanager
def _copied(store: Path, scratch: Path, *, keep: bool) -> Iterator[Path]:
    """Give a copy of STORE; a large one is used itself, since what is made is replaced anyway."""
    copy = store if keep else scratch / "copy"
    if not keep:
        shutil.copytree(store, copy)
    shutil.rmtree(copy / "report", ignore_errors=True)
    (copy / ".verger" / "moments").unlink(missing_ok=True)
    try:
        yield copy
    finally:
        if not keep:
            shutil.rmtree(copy)


@contextmanager
def _served(store: Path, scratch: Path) -> Iterator[tuple[S3, Proxy]]:
    """Give a server that has a copy of STORE, and the proxy before it."""
    folder = Path(tempfile.mkdtemp(prefix="s3-", dir=scratch))
    with serve(folder) as server, faulty(server.endpoint) as proxy:
        bucket = server.make_bucket(_BUCKET)
        for file in sorted(store.rglob("*")):
            name = file.relative_to(store).as_posix()
            # What is made anew is not read, and a million rows of it are gigabytes.
            read = name.startswith(("features/", "rejects/")) or name == "run.json"
            if file.is_file() and read:
                obstore.put(bucket, f"store/{name}", file)
        yield server.behind(proxy.endpoint), proxy
    shutil.rmtree(folder)


def _generated(root: Path, rows: int) -> Path:
    """Make a STORE of generated photos; files of features are in order of path, as a run's are."""
    if (root / "run.json").exists():
        kept = sum(pq.read_metadata(file).num_rows for file in (root / "features").iterdir())
        if kept != rows:
            sys.exit(f"{root} holds {kept:,} rows, not {rows:,}: give another --keep")
        return root
    report.generate(root, rows)
    first = 0
    for file in sorted((root / "features").iterdir()):
        table = pq.read_table(file)
        paths = [f"{first + row:09}.jpg" for row in range(len(table))]
        first += len(table)
        table = table.set_column(0, "path", pa.array(paths))
        pq.write_table(table, file, row_group_size=1024, use_dictionary=["label"])
    return root


if __name__ == "__main__":
    main()
