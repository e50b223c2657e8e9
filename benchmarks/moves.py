"""`python -m benchmarks.moves PHOTOS`: photos whose folder is renamed, beside photos that are new.

A run over a copy of PHOTOS; then its top folders get other names, and then all photos are touched.
Seconds of the stage that embeds, by the run record, and of the run. Prints a table.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import tempfile
import time
from pathlib import Path

from benchmarks.table import machine
from verger.pipeline import run
from verger.settings import RunSettings


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--engine", default="process")
    given = parser.parse_args()
    settings = RunSettings(engine=given.engine, report=False, csv=False)
    print(f"{machine()}\n\n| run | opened | reused | embed, s | whole, s |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        photos, store = Path(folder) / "photos", Path(folder) / "store"
        shutil.copytree(given.photos, photos)

        def tell(what: str) -> None:
            began = time.perf_counter()
            record = run(photos, store, settings).record
            whole = time.perf_counter() - began
            changes, seconds = record["changes"], record["seconds"]
            opened = changes["new"] + changes["changed"]
            print(f"| {what} | {opened:,} | {changes['reused']:,} | {seconds['embed']:.1f} "
                  f"| {whole:.1f} |", flush=True)  # fmt: skip

        tell("the first")
        for top in sorted(photos.iterdir()):
            top.rename(top.with_name(f"{top.name} renamed"))
        tell("all folders renamed")
        files = sorted(file for file in photos.rglob("*") if file.is_file())
        for file in files:
            file.touch()
        tell("all photos touched")
        began = time.perf_counter()
        for file in files:
            hashlib.sha256(file.read_bytes()).digest()
        took = time.perf_counter() - began
        print(f"\nTo read and hash all of them, one after another: {took:.2f} s")


if __name__ == "__main__":
    main()
