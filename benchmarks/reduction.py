"""`python -m benchmarks.reduction`: fit and transform, beside MLlib and scikit-learn.

    --rows 1000000     how many rows the long pass has
    --quick            small sizes, printed only

Everything runs on generated features (a spectrum that falls off as photos' does). A full run
replaces benchmarks/reduction.md.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.measure import Measured, measure
from benchmarks.table import machine

HERE = Path(__file__).parent
WIDTH = 1280
_BLOCK = 10_000


def main() -> None:
    """Measure, print the page, and write it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reduction")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    few, many, base = (20_000, options.rows, 50_000)
    if options.quick:
        few, many, base = (2_000, 20_000, 5_000)
    with tempfile.TemporaryDirectory(prefix="verger-bench-") as folder:
        scratch = Path(folder)
        generate(scratch / "few", few, WIDTH)
        peers = json.loads(_job(scratch, "peers", scratch / "few", options.rounds).stdout)
        _clear(scratch / "few")
        generate(scratch / "wide", min(few, 10_000), 4096)
        wide = _job(scratch, "once", scratch / "wide", 1)
        _clear(scratch / "wide")
        generate(scratch / "base", base, WIDTH)
        short = _job(scratch, "once", scratch / "base", 1)
        generate(scratch / "many", many, WIDTH)
        long = _job(scratch, "once", scratch / "many", 1)
    text = _page(peers, wide, short, long, few, base, many)
    print(text)
    if not options.quick:
        (HERE / "reduction.md").write_text(text, encoding="utf-8")


def generate(folder: Path, rows: int, width: int, seed: int = 0) -> None:
    """Write `rows` rows of `width` features as Parquet, in files of 50,000 rows."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    mix = rng.normal(size=(256, width)).astype(np.float32) * np.geomspace(1, 0.02, 256)[:, None]
    mean = rng.uniform(0, 1, width).astype(np.float32)
    schema = pa.schema(
        [("path", pa.string()), ("label", pa.string()), ("features", pa.list_(pa.float32()))]
    )
    for start in range(0, rows, 50_000):
        with pq.ParquetWriter(folder / f"{start:09}.parquet", schema, use_dictionary=False) as out:
            for at in range(start, min(start + 50_000, rows), _BLOCK):
                n = min(_BLOCK, rows - at)
                block = rng.standard_normal((n, 256), dtype=np.float32) @ mix.astype(np.float32)
                block += rng.standard_normal((n, width), dtype=np.float32) * 0.1 + mean
                offsets = np.arange(n + 1, dtype=np.int32) * np.int32(width)
                lists = pa.ListArray.from_arrays(pa.array(offsets), pa.array(block.ravel()))
                paths = [f"{row:09}.jpg" for row in range(at, at + n)]
                labels = [f"label {row % 20}" for row in range(at, at + n)]
                out.write_table(pa.table([paths, labels, lists], schema=schema), 2_500)
    print(f"generated {rows:,} × {width}", file=sys.stderr, flush=True)


def _job(scratch: Path, what: str, table: Path, rounds: int) -> Measured:
    command = [sys.executable, "-m", "benchmarks.reduction_job", what, str(table), str(rounds)]
    done = measure(command, cwd=HERE.parent, memory=what == "once")
    _clear(scratch / "out")
    print(f"{what} on {table.name}: {done.seconds:.0f} s", file=sys.stderr, flush=True)
    return done


def _clear(folder: Path) -> None:
    for file in folder.glob("*"):
        file.unlink()


def _page(
    peers: dict[str, Any],
    wide: Measured,
    short: Measured,
    long: Measured,
    few: int,
    base: int,
    many: int,
) -> str:
    rounds = {name: times for name, times in peers.items() if isinstance(times, list)}
    cold = {name: times[0] for name, times in rounds.items()}
    warm = {name: statistics.median(times[1:]) for name, times in rounds.items()}
    ours, mllib = warm["ours_cached"], warm["mllib"]
    parquet, sklearn = warm["ours_parquet"], warm["sklearn"]
    one, two, four = (json.loads(job.stdout) for job in (short, long, wide))
    a_row = (one["fit"] + one["transform"]) / base, (two["fit"] + two["transform"]) / many
    rows = [
        ("fit, cached table, MLlib ÷ ours", f"{mllib:.1f} s ÷ {ours:.2f} s = {mllib / ours:.1f}",
         "≥ 15", mllib / ours >= 15),
        ("explained variance, relative difference", f"{peers['variance']:.1e}", "≤ 1e-6",
         peers["variance"] <= 1e-6),
        ("components up to sign, difference", f"{peers['components']:.1e}", "≤ 1e-5",
         peers["components"] <= 1e-5),
        ("fit from Parquet ÷ scikit-learn in memory",
         f"{parquet:.2f} s ÷ {sklearn:.2f} s = {parquet / sklearn:.2f}", "≤ 3",
         parquet / sklearn <= 3),
        (f"a row at {many:,} ÷ at {base:,}",
         f"{a_row[1] * 1e6:.0f} µs ÷ {a_row[0] * 1e6:.0f} µs = {a_row[1] / a_row[0]:.2f}",
         "≤ 1.3", a_row[1] / a_row[0] <= 1.3),
        (f"largest process at {many:,} rows", f"{long.memory.largest:.0f} MiB", "< 1,500",
         long.memory.largest < 1500),
        ("4,096 features", f"fit {four['fit']:.1f} s, largest process "
         f"{wide.memory.largest:.0f} MiB", "works", True),
    ]  # fmt: skip
    lines = [
        "# Reduction",
        "",
        machine(),
        "",
        f"Made by `python -m benchmarks.reduction`. {few:,} × {WIDTH} generated features, k = 256, "
        f"medians of {len(peers['mllib']) - 1} rounds, in turn in one session, after a round in "
        f"which Java and the workers were cold (MLlib {cold['mllib']:.1f} s, ours "
        f"{cold['ours_cached']:.1f} s); the long pass fits and writes the projected table, in a "
        "process of its own with --memory 1g.",
        "",
        "| what | measured | asked for | met |",
        "|---|---|---|---|",
        *(
            f"| {what} | {got} | {asked} | {'yes' if ok else '**no**'} |"
            for what, got, asked, ok in rows
        ),
        "",
        f"Both projections from Parquet, as `verger run` fits them: {warm['ours_both']:.2f} s. "
        "MLlib's PCA takes ml vectors alone, so it has a cached table of those, and ours one of "
        f"array<float>; both hold the same {few:,} rows. On the vectors ours takes "
        f"{warm['ours_vectors']:.2f} s.",
        "",
        f"The long pass: fit {two['fit']:.0f} s, transform and write {two['transform']:.0f} s. "
        f"Peaks (PSS): all processes {long.memory.total:.0f} MiB, Java {long.memory.java:.0f}, "
        f"Python together {long.memory.python:.0f}.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    start = time.monotonic()
    main()
    print(f"{time.monotonic() - start:.0f} s in all", file=sys.stderr)
