"""`python -m benchmarks.moments`: moments that are kept, beside a sum of all features.

    --rows 1000000    generated photos of 1,280 features, 5 kB each on the disk
    --rounds 2

Changes are of 1% of the rows: new photos, photos gone (spread over all files), and photos with
another label (likewise). Each is timed beside a sum of all features, in one Spark session; a run of
500,000 rows or more replaces benchmarks/moments.md, a smaller one is only printed.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyspark.sql import SparkSession

from benchmarks.contenders import HERE
from benchmarks.table import machine
from verger.settings import RunSettings
from verger.spark.engine import SparkEngine
from verger.spark.session import session
from verger.storage.folder import LocalPlace
from verger.store.kept_moments import KeptMoments, Reading, readings
from verger.store.parts import SCHEMAS, Edits, no_edits
from verger.store.tables import TableWriter
from verger.tasks.reduction import feature_moments

WIDTH, LABELS, ROWS_A_FILE, SHARE = 1_280, 131, 25_000, 100
_FULL = 500_000


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.moments", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--cores", type=int, default=2)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="verger-bench-") as scratch,
        session(RunSettings(cores=options.cores, memory="2g")) as spark,
    ):
        text = _measured(spark, LocalPlace(Path(scratch)), options.rows, options.rounds)
    print(text)
    if options.rows >= _FULL:
        (HERE / "moments.md").write_text(text, encoding="utf-8")


def _measured(spark: SparkSession, place: LocalPlace, rows: int, rounds: int) -> str:
    starts = range(0, rows, ROWS_A_FILE)
    files = {
        _file(place, number, min(ROWS_A_FILE, rows - start)): min(ROWS_A_FILE, rows - start)
        for number, start in enumerate(starts)
    }
    new = _file(place, len(files), rows // SHARE)
    first = next(iter(files))
    paths = [f"0000/{row:05d}.jpg" for row in range(0, files[first], SHARE)]
    gone: Edits = set(paths), {}
    named: Edits = set(), dict.fromkeys(paths, "medlar")
    changes: dict[str, tuple[dict[str, int], Edits | None]] = {
        "1% new": (files | {new: rows // SHARE}, None),
        "1% gone": (files, gone),
        "1% relabelled": (files, named),
    }
    nothing, all_of_it = (
        KeptMoments.none(WIDTH),
        [Reading(file, count) for file, count in files.items()],
    )
    taken: dict[str, list[float]] = {"all features": []}
    read: dict[str, int] = {"all features": rows}
    for _ in range(rounds):
        start = time.perf_counter()
        more, fewer = feature_moments(
            SparkEngine(spark),
            place,
            all_of_it,
            WIDTH,
            no_edits,
        )
        kept = nothing.updated(more, fewer, files)
        assert kept is not None
        taken["all features"].append(time.perf_counter() - start)
        for name, (now, edit) in changes.items():
            rewrites, edits, after = _rewritten(now, edit)
            start = time.perf_counter()
            read[name] = _update(spark, place, kept, after, rewrites, edits)
            taken.setdefault(name, []).append(time.perf_counter() - start)
    return _table(rows, taken, read)


def _update(
    spark: SparkSession,
    place: LocalPlace,
    kept: KeptMoments,
    files: Mapping[str, int],
    rewrites: Mapping[str, list[str]],
    edits: Callable[[str], Edits],
) -> int:
    """Go on from what is kept, as a run does; return how many rows were read."""
    kept.write(place, ".verger/moments")
    again = KeptMoments.read(place, WIDTH)
    wanted = again and readings(again.files, files, rewrites)
    assert again is not None
    assert wanted is not None
    more, fewer = feature_moments(SparkEngine(spark), place, wanted, WIDTH, edits)
    assert again.updated(more, fewer, files) is not None
    return more.raw.n + fewer.raw.n


def _rewritten(
    files: dict[str, int], edit: Edits | None
) -> tuple[dict[str, list[str]], Callable[[str], Edits], dict[str, int]]:
    """Say that every file was made of another one, with the same edits in each."""
    if edit is None:
        return {}, no_edits, files
    gone = len(edit[0])
    rewrites = {file.replace("part-", "part-new-"): [file] for file in files}
    after = {to: files[file] - gone for to, (file,) in rewrites.items()}
    return rewrites, partial(_edits, edit), after


def _edits(edit: Edits, file: str) -> Edits:
    number = file.rpartition("-")[2].removesuffix(".parquet")
    dropped, labels = edit
    return (
        {path.replace("0000/", f"{number}/") for path in dropped},
        {path.replace("0000/", f"{number}/"): label for path, label in labels.items()},
    )


def _file(place: LocalPlace, number: int, rows: int) -> str:
    rng = np.random.default_rng(number)
    name, schema = f"features/part-{number:04d}.parquet", SCHEMAS["features"]
    with place.incoming(name) as out, TableWriter(out, schema) as table:
        for start in range(0, rows, 1_024):
            some = range(start, min(start + 1_024, rows))
            values = {
                "path": [f"{number:04d}/{row:05d}.jpg" for row in some],
                "label": [f"label-{row % LABELS:03d}" for row in some],
            }
            features = np.maximum(rng.standard_normal((len(some), WIDTH), np.float32) + 0.3, 0)
            offsets = np.arange(len(some) + 1, dtype=np.int32) * WIDTH
            lists = pa.ListArray.from_arrays(pa.array(offsets), pa.array(features.ravel()))
            columns = [
                lists
                if one.name == "features"
                else pa.array(values.get(one.name, [None] * len(some)), one.type)
                for one in schema
            ]
            table.add(pa.RecordBatch.from_arrays(columns, schema=schema))
    return name


def _table(rows: int, taken: dict[str, list[float]], read: dict[str, int]) -> str:
    whole = statistics.median(taken["all features"])
    lines = [
        "# A fit that goes on from moments that are kept",
        "",
        f"`python -m benchmarks.moments --rows {rows}`: seconds to sum up the moments of "
        f"{rows:,} rows of {WIDTH:,} features on {machine()}; medians "
        f"of so many rounds: {len(taken['all features'])}.",
        "",
        "| | rows read | seconds | of all features |",
        "|---|---|---|---|",
    ]
    for name, times in taken.items():
        middle = statistics.median(times)
        lines.append(f"| {name} | {read[name]:,} | {middle:.1f} | {middle / whole:.1%} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
