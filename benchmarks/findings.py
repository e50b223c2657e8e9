"""`python -m benchmarks.findings PHOTOS …`: what the report finds of what was planted.

For each folder of labelled photos it plants 50 duplicates (copies, and encoded or sized again) and
50 wrong labels in a copy, embeds it, and counts what the report's methods find. What they name
besides is counted as false, even where the folder itself holds duplicates or wrong labels; files
that were there twice byte for byte are counted apart.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.planting import Planted, plant
from verger.pipeline import run
from verger.progress import reporter
from verger.report.data import Report, build
from verger.settings import RunSettings
from verger.store.store import Store


def main() -> None:
    """Plant, embed, look, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--duplicates", type=int, default=50)
    parser.add_argument("--wrong", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print("| photos | planted | found | there before, byte for byte | false |")
    print("|---|---|---|---|---|")
    for photos in options.photos:
        with tempfile.TemporaryDirectory(prefix="verger-bench-") as folder:
            planted = plant(
                photos, Path(folder) / "photos",
                duplicates=options.duplicates, wrong=options.wrong, seed=options.seed,
            )  # fmt: skip
            settings = RunSettings(csv=False)
            run(Path(folder) / "photos", Path(folder) / "store", settings,
                reporter(quiet=not sys.stderr.isatty()))  # fmt: skip
            report = build(Store(Path(folder) / "store"))
            found, before, false = duplicates(report, planted, Path(folder) / "photos")
        count = f"{photos.name}, {len(report.photos):,}"
        print(f"| {count} | {len(planted.duplicates)} duplicates | {found} | {before} | {false} |")
        found, false, named = mislabels(report, planted)
        right = f"{found} ({named} with the right label suggested)"
        print(f"| {count} | {len(planted.mislabelled)} wrong labels | {right} | | {false} |")


def duplicates(report: Report, planted: Planted, photos: Path) -> tuple[int, int, int]:
    """Count planted pairs that share a group; groups that hold none but one file twice; others."""
    group: dict[str, int] = {}
    files: dict[int, list[bytes]] = {}
    for row, number in zip(report.duplicates.rows, report.duplicates.groups, strict=True):
        path = report.photos.path(row)
        group[path] = int(number)
        files.setdefault(int(number), []).append((photos / path).read_bytes())
    hits = [
        group[copy]
        for original, copy, _ in planted.duplicates
        if copy in group and group[copy] == group.get(original)
    ]
    others = [same for number, same in files.items() if number not in hits]
    before = sum(len(set(same)) < len(same) for same in others)
    return len(hits), before, len(others) - before


def mislabels(report: Report, planted: Planted) -> tuple[int, int, int]:
    """Count planted wrong labels that are named, other photos that are, and right suggestions."""
    found = report.mislabels
    named = {
        report.photos.path(report.sample.rows[row]): report.photos.names[suggested]
        for row, suggested in zip(found.rows, found.suggested, strict=True)
    }
    hits = [path for path in planted.mislabelled if path in named]
    right = sum(named[path] == planted.mislabelled[path] for path in hits)
    return len(hits), len(named) - len(hits), right


if __name__ == "__main__":
    main()
