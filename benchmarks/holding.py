"""`python -m benchmarks.holding`: a day's new photos, with and without a projection that is held.

    --rows 1000000    generated photos of 1,280 features, 5 kB each on the disk
    --days 2          days on each of which 1% are added, once in either way

Timed is what follows the network: fit, matrix, gallery with its validation, publication; in threads
of one process, without CSV and report. A run of 500,000 rows or more replaces
benchmarks/holding.md, a smaller one is only printed.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.contenders import HERE
from benchmarks.table import machine
from verger.pipeline.context import Job
from verger.pipeline.finishing import finish
from verger.pipeline.reducing import Features, fit, project
from verger.progress import Silent
from verger.settings import ALWAYS, WHEN_IT_MATTERS, RunSettings
from verger.storage.place import Place
from verger.store.layout import FEATURES, REJECTS
from verger.store.parts import SCHEMAS
from verger.store.record import Clock
from verger.store.store import Store
from verger.store.tables import TableWriter
from verger.tasks.engine import ThisProcess

WIDTH, RANK, LABELS, ROWS_A_FILE, SHARE, K = 1_280, 160, 131, 25_000, 100, 128
_FULL = 500_000
_BACKBONE = {"name": "none", "sha256": "0" * 64, "features": WIDTH, "image_size": 224, "views": []}


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.holding", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=2)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--scratch", default=None)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="verger-bench-", dir=options.scratch) as scratch:
        text = _measured(Path(scratch), options.rows, options.days, options.cores)
    print(text)
    if options.rows >= _FULL:
        (HERE / "holding.md").write_text(text, encoding="utf-8")


def _measured(scratch: Path, rows: int, days: int, cores: int) -> str:
    stores = {how: scratch / how for how in (ALWAYS, WHEN_IT_MATTERS)}
    first = Store(stores[ALWAYS])
    first.claim(backbone=_BACKBONE, overwrite=False)
    starts = range(0, rows, ROWS_A_FILE)
    files = [
        _file(first.place, FEATURES, number, range(start, min(start + ROWS_A_FILE, rows)), rows)
        for number, start in enumerate(starts)
    ]
    taken = {"the first time": [_run(first, RunSettings(cores=cores, **_CHOICES), files)]}
    shutil.copytree(stores[ALWAYS], stores[WHEN_IT_MATTERS])
    for day in range(days):
        for how, root in stores.items():
            store = Store(root)
            settings = RunSettings(cores=cores, refit=how, **_CHOICES)
            taken.setdefault(f"1% new, {how}", []).append(
                _run(store, settings, store.table(FEATURES), len(files) + day, rows)
            )
    return _table(rows, taken)


_CHOICES: dict[str, Any] = {"components": str(K), "csv": False, "report": False, "keep": 1}


def _run(
    store: Store, settings: RunSettings, files: list[str], number: int = 0, rows: int = 0
) -> dict[str, float]:
    """Do what a run does once its photos are embedded; return seconds a stage.

    After the first, `number` names the file of what is new: 1% of so many `rows`, between them.
    """
    clock = Clock()
    with store.working() as work:
        before = store.record()
        if rows:
            folder = f"{work.built('parts')}/{FEATURES}"
            new = range(number % SHARE, rows, SHARE)
            files = [*files, _file(store.place, folder, number, new, rows)]
        job, engine = Job(store, work, settings, clock, Silent()), ThisProcess(settings.cores or 1)
        features = Features(job, files)
        fitted = fit(job, engine, features, WIDTH, before)
        projected = project(job, engine, features, fitted, before)
        made, publication = finish(job, features, fitted, projected)
        assert made["projection"]["held"] == bool(rows and settings.refit == WHEN_IT_MATTERS)
        publication.folders[FEATURES] = files
        publication.folders[REJECTS] = []
        counts = {"listed": len(features), "embedded": len(features), "rejected": 0}
        record = {
            **made,
            "counts": counts,
            "settings": settings.as_record(),
            "backbone": _BACKBONE,
        }
        with clock.time("publish"):
            store.publish(work, record, publication)
            work.keep_moments()
    return dict(clock.seconds)


def _file(place: Place, folder: str, number: int, photos: range, rows: int) -> str:
    """Write features that lie near a subspace, as those of a network do, and by their labels.

    Photos are numbered in order of path, `rows` in all, and lie in a folder a label.
    """
    rng, shape = np.random.default_rng(number + 1), np.random.default_rng(0)
    axes = shape.standard_normal((RANK, WIDTH), np.float32)
    axes *= (np.arange(1, RANK + 1) ** -0.5)[:, None].astype(np.float32)
    centres = shape.standard_normal((LABELS, RANK), np.float32)
    name, schema = f"{folder}/part-{number:04d}.parquet", SCHEMAS[FEATURES]
    with place.incoming(name) as out, TableWriter(out, schema) as table:
        for start in range(0, len(photos), 1_024):
            some = photos[start : start + 1_024]
            labels = np.array(some) * LABELS // rows
            names = [f"label-{label:03d}" for label in labels]
            paths = zip(names, some, strict=True)
            values = {
                "path": [f"{label}/{photo:08d}-{number:04d}.jpg" for label, photo in paths],
                "label": names,
            }
            inner = centres[labels] + rng.standard_normal((len(some), RANK), np.float32)
            noise = 0.2 * rng.standard_normal((len(some), WIDTH), np.float32)
            features = np.maximum(inner @ axes + noise + 1, 0)
            offsets = np.arange(len(some) + 1, dtype=np.int32) * WIDTH
            lists = pa.ListArray.from_arrays(pa.array(offsets), pa.array(features.ravel()))
            columns = [
                lists
                if one.name == "features"
                else pa.array(values.get(one.name, [None] * len(some)), one.type)
                for one in schema
            ]
            batch = pa.RecordBatch.from_arrays(columns, schema=schema)
            table.add(batch)
    return name


def _table(rows: int, taken: dict[str, list[dict[str, float]]]) -> str:
    stages = ("fit", "project", "gallery", "publish")
    lines = [
        "# A projection that is held, and one that is not",
        "",
        f"`python -m benchmarks.holding --rows {rows}`: seconds from the network's features to a "
        f"published STORE, {rows:,} rows of {WIDTH:,} features, {K} components, {LABELS} labels, "
        f"on {machine()}; medians of so many days: {len(taken[f'1% new, {ALWAYS}'])}.",
        "",
        f"| | {' | '.join(stages)} | in all | of the first |",
        f"|---|{'---|' * (len(stages) + 2)}",
    ]
    whole = sum(taken["the first time"][0].values())
    for name, runs in taken.items():
        middles = [statistics.median(run[stage] for run in runs) for stage in stages]
        cells = " | ".join(f"{seconds:.1f}" for seconds in middles)
        lines.append(f"| {name} | {cells} | {sum(middles):.1f} | {sum(middles) / whole:.0%} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
