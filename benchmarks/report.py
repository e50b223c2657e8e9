"""`python -m benchmarks.report`: the report on many photos: seconds, memory, size, the browser.

It writes a STORE of generated features and of as many different thumbnails (default: 1,000,000
rows of 1,280 features, 10 GB of disk), every thousandth the one before it encoded again; reports
on it in a process of its own, opens the page, and prints a table.
"""

from __future__ import annotations

import argparse
import io
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path, PurePosixPath

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from verger.demo.render import VARIETIES, render_photo
from verger.photos.small import small_picture
from verger.projections.discriminant import fit_discriminant, save_discriminant
from verger.projections.moments import Moments, merge_all, unit_length
from verger.projections.pca import fit_pca, save_pca
from verger.settings import RunSettings
from verger.store.layout import FEATURES, MATRIX, PROJECTION, REJECTS
from verger.store.store import Store, now

_ROWS = 20_000  # a file
_FEATURES = 1280
_LABELS = 131
_VIEWS = 6  # of each variety that Verger renders: what thumbnails are cut from
_COPIED = 1000  # one row in so many
_COPY_QUALITY = 60
_FITTED = 40_000  # rows that the projections are fitted on
_MOVES = 40


def main() -> None:
    """Generate, report, open, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--keep", type=Path, help="where the STORE is kept, and found again")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="verger-bench-") as scratch:
        root = options.keep or Path(scratch) / "store"
        if not (root / "run.json").exists():
            generate(root, options.rows)
        seconds, megabytes, page = reported(root)
        found = copies_found(page, options.rows)
        print("| rows | report, s | peak memory, MB | page, MB | copies found | opens, s "
              "| a move, ms | worst |")  # fmt: skip
        print("|---|---|---|---|---|---|---|---|")
        size = page.stat().st_size / 1e6
        opens, moves = opened(page)
        typical = statistics.median(moves)
        print(
            f"| {options.rows:,} | {seconds:.0f} | {megabytes:.0f} | {size:.2f} "
            f"| {found} of {options.rows // _COPIED} | {opens:.2f} | {typical:.0f} "
            f"| {max(moves):.0f} |"
        )


def generate(root: Path, rows: int) -> None:
    """Write a STORE of labelled features around random means, file by file."""
    rng = np.random.default_rng(0)
    means = rng.normal(0, 1, (_LABELS, 64)).astype(np.float32)
    mix = rng.normal(0, 0.2, (64, _FEATURES)).astype(np.float32)
    store = Store(root)
    backbone = {"name": "generated", "sha256": "generated", "features": _FEATURES,
                "image_size": 224, "resize_shorter_side": 256}  # fmt: skip
    store.claim(backbone=backbone, overwrite=True)
    parts = {name: root / name for name in (FEATURES, MATRIX, REJECTS)}
    for folder in parts.values():
        folder.mkdir(parents=True, exist_ok=True)
    files, moments, unit = [], [], []
    for first, (thumbnails, small) in _pictures_of(rows):
        n = len(thumbnails)
        codes = rng.integers(0, _LABELS, n)
        block = np.abs((means[codes] + rng.normal(0, 0.7, (n, 64))) @ mix).astype(np.float32)
        labels = [f"label {code:03}" for code in codes]
        table = pa.table(
            {
                "path": [f"{label}/{first + row}.jpg" for row, label in enumerate(labels)],
                "label": labels,
                "features": _lists(block),
                "width": pa.array(np.full(n, 640, np.int32)),
                "height": pa.array(np.full(n, 480, np.int32)),
                "bytes": pa.array(rng.integers(20_000, 90_000, n)),
                "thumbnail": thumbnails,
                "picture": small,
            }
        )
        files.append(parts[FEATURES] / f"part-{first // _ROWS:05}.parquet")
        pq.write_table(table, files[-1], row_group_size=2048)
        moments.append(Moments.of(block))
        if first < _FITTED:
            unit.append(Moments.of(unit_length(block), labels))
        print(f"{first + n:,} rows", file=sys.stderr)
    pca = fit_pca(merge_all(moments, _FEATURES), 0.95)
    model = fit_discriminant(merge_all(unit, _FEATURES))
    for file in files:
        table = pq.read_table(file, columns=["path", "label", "features"])
        block = np.asarray(table["features"].combine_chunks().flatten()).reshape(-1, _FEATURES)
        matrix = table.drop_columns(["features"]).append_column(
            "components", _lists(pca.transform(block))
        )
        pq.write_table(matrix, parts[MATRIX] / file.name, row_group_size=2048)
    save_pca(pca, root / PROJECTION)
    save_discriminant(model, root / PROJECTION)
    columns = [(name, pa.string()) for name in ("path", "label", "reason", "detail")]
    empty = pa.schema([*columns, ("bytes", pa.int64())]).empty_table()
    pq.write_table(empty, parts[REJECTS] / "part-0.parquet")
    counts = {"listed": rows, "embedded": rows, "rejected": 0, "rejected_by_reason": {}}
    record = {
        "format": 1, "started": now(), "finished": now(), "photos": "generated",
        "settings": RunSettings().as_record(), "counts": counts, "labels": _LABELS, "cores": 2,
        "versions": {"verger": "generated"}, "photos_per_second": 1.0, "notes": [],
        "seconds": {"embed": 1.0}, "projection": {"k": pca.k, "notes": [],
        "explained_variance": float(pca.cumulative_ratio[-1])},
        "backbone": {"name": "generated", "sha256": "generated", "features": _FEATURES,
                     "image_size": 224, "resize_shorter_side": 256},
    }  # fmt: skip
    (root / "run.json").write_text(json.dumps(record))


def reported(root: Path) -> tuple[float, float, Path]:
    """Report in another process; return its seconds, its peak memory in MB, and the page."""
    # Not `ru_maxrss`: at its start it is that of the process which it was forked from.
    code = (
        "import re, sys; from pathlib import Path; from verger.report import write_report;"
        "page = write_report(Path(sys.argv[1]));"
        "status = Path('/proc/self/status').read_text();"
        "print(page, int(re.findall(r'VmHWM:\\s+(\\d+) kB', status)[0]) * 1024 / 1e6, sep='\\n')"
    )
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code, str(root)], check=True, capture_output=True, text=True
    )
    page, megabytes = done.stdout.splitlines()
    return time.perf_counter() - start, float(megabytes), Path(page)


def opened(page: Path) -> tuple[float, list[float]]:
    """Open the page in Chromium; return seconds until it is drawn, and ms a move of a drag."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        tab = browser.new_page(viewport={"width": 1280, "height": 900})
        start = time.perf_counter()
        tab.goto(page.as_uri())
        tab.wait_for_selector("html[data-ready]")
        tab.evaluate("new Promise(drawn => requestAnimationFrame(() => setTimeout(drawn)))")
        opens = time.perf_counter() - start
        tab.locator("#mapchart").evaluate("b => b.scrollIntoView({behavior: 'instant'})")
        box = tab.locator("#mapchart").bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        tab.mouse.move(x, y)
        tab.mouse.wheel(0, -300)
        tab.mouse.down()
        moves = []
        for step in range(_MOVES):
            start = time.perf_counter()
            tab.mouse.move(x - 6 * step, y)
            tab.evaluate("new Promise(drawn => requestAnimationFrame(() => setTimeout(drawn)))")
            moves.append(1000 * (time.perf_counter() - start))
        browser.close()
    return opens, moves


def _lists(block: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> pa.ListArray:
    n, wide = block.shape
    offsets = pa.array(np.arange(0, (n + 1) * wide, wide, dtype=np.int32))
    return pa.ListArray.from_arrays(offsets, pa.array(block.ravel()))


def _pictures_of(rows: int) -> Iterator[tuple[int, tuple[list[bytes], list[bytes]]]]:
    """Give each file's first row, thumbnails and small pictures, which all cores make."""
    starts = range(0, rows, _ROWS)
    with ProcessPoolExecutor() as pool:
        yield from zip(starts, pool.map(_pictures, starts, [rows] * len(starts)), strict=True)


def _pictures(first: int, rows: int) -> tuple[list[bytes], list[bytes]]:
    thumbnails = _thumbnails(first, min(_ROWS, rows - first))
    return thumbnails, [small_picture(one) for one in thumbnails]


@cache
def _bases() -> list[Image.Image]:
    return [
        Image.fromarray(render_photo(variety, view, views=_VIEWS))
        for variety in VARIETIES
        for view in range(_VIEWS)
    ]


def _thumbnails(first: int, n: int) -> list[bytes]:
    """Cut, mirror and light rendered photos anew for each row; every thousandth is a copy."""
    rng, bases = np.random.default_rng(first), _bases()
    out: list[bytes] = []
    for row in range(first, first + n):
        if row % _COPIED == _COPIED - 1:
            out.append(_jpeg(Image.open(io.BytesIO(out[-1])), _COPY_QUALITY))
            continue
        base = bases[int(rng.integers(len(bases)))]
        zoom = rng.uniform(0.6, 1)
        left, top = rng.uniform(0, 1 - zoom, 2) * base.size
        box = (left, top, left + zoom * base.width, top + zoom * base.height)
        image = base.resize((96, 96), Image.Resampling.BILINEAR, box=box)
        if rng.random() < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        light = (256 * rng.uniform(0.6, 1, 3)).astype(int)
        table = [value * one // 256 for one in light.tolist() for value in range(256)]
        out.append(_jpeg(image.point(table), 85))
    return out


def _jpeg(image: Image.Image, quality: int) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return out.getvalue()


def copies_found(page: Path, rows: int) -> int:
    """Count the planted copies that share a group with their original."""
    table = pq.read_table(page.with_name("duplicates.parquet"), columns=["group", "path"])
    number = (int(PurePosixPath(path).stem) for path in table["path"].to_pylist())
    group = dict(zip(number, table["group"].to_pylist(), strict=True))
    copies = range(_COPIED - 1, rows, _COPIED)
    return sum(row in group and group[row] == group.get(row - 1) for row in copies)


if __name__ == "__main__":
    main()
