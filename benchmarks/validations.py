"""`python -m benchmarks.validations STORE`: what it costs to keep a validation for a while.

Of STORE's photos 400 are laid aside. Two galleries are made of the others: one of all, one of 5%
fewer. The 400 are named by the first, with the calibration of its own validation and with that of
the second, as a run does that keeps it. Three draws, one table.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from verger.gallery import Gallery
from verger.gallery.answer import Answer
from verger.gallery.build import build_gallery
from verger.gallery.calibration import Calibration
from verger.gallery.contents import read_contents
from verger.gallery.files import read_header
from verger.gallery.projector import open_projector
from verger.pipeline.validating import MOST_CHANGED
from verger.projections.discriminant import fit_discriminant, save_discriminant
from verger.projections.feature_moments import FeatureMoments
from verger.storage.folder import LocalPlace
from verger.store.blocks import matrix
from verger.store.layout import FEATURES, GALLERY, PROJECTION

_ASKED, _DRAWS, _SHRINKAGE = 400, 3, 0.3


def main() -> None:
    """Draw, build, ask, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.validations", description=__doc__)
    parser.add_argument("store", type=Path)
    store = parser.parse_args().store
    rows = labelled(store)
    print("| draw | confidence of the first label, largest difference | 99 of 100 | "
          "another first label | another verdict |")  # fmt: skip
    print("|---|---|---|---|---|")
    for draw in range(_DRAWS):
        order = np.random.default_rng(draw).permutation(len(rows))
        asked, others = rows.take(order[:_ASKED]), order[_ASKED:]
        with tempfile.TemporaryDirectory(prefix="verger-bench-") as scratch:
            whole, fewer = Path(scratch) / "whole", Path(scratch) / "fewer"
            build(rows.take(np.sort(others)), whole)
            build(rows.take(np.sort(others[int(len(others) * MOST_CHANGED) :])), fewer)
            own, kept = (_named(asked, whole, _calibration(folder)) for folder in (whole, fewer))
        pairs = list(zip(own, kept, strict=True))
        apart = np.array([abs(_first(one) - _first(other)) for one, other in pairs])
        named = sum(one.labels[0].name != other.labels[0].name for one, other in pairs)
        verdicts = sum(one.verdict != other.verdict for one, other in pairs)
        print(f"| {draw} | {apart.max():.3f} | {np.quantile(apart, 0.99):.3f} | {named} "
              f"| {verdicts} |", flush=True)  # fmt: skip


def labelled(store: Path) -> pa.Table:
    """Read path, label and features of the photos of a STORE that have a label, by path."""
    rows = pq.read_table(store / FEATURES, columns=["path", "label", "features"])
    return rows.filter(pc.is_valid(rows["label"])).sort_by("path")


def build(rows: pa.Table, to: Path) -> None:
    """Fit the discriminant projection to these photos, and make their gallery."""
    for name in (FEATURES, PROJECTION):
        (to / name).mkdir(parents=True)
    pq.write_table(rows, to / FEATURES / "part-0.parquet", row_group_size=1024)
    moments = FeatureMoments.of(matrix(rows["features"]), rows["label"].to_pylist())
    save_discriminant(fit_discriminant(moments.unit, _SHRINKAGE), to / PROJECTION)
    build_gallery(to / FEATURES, to / PROJECTION, to / GALLERY)


def _calibration(folder: Path) -> Calibration:
    return Calibration.parse(read_header(folder / GALLERY, str(folder))["calibration"])


def _named(asked: pa.Table, folder: Path, calibration: Calibration) -> list[Answer]:
    """Name photos by a gallery, with this calibration."""
    projector = open_projector(folder / PROJECTION)
    header = read_header(folder / GALLERY, str(folder))
    contents = read_contents(folder / GALLERY, header, projector)
    contents = dataclasses.replace(contents, calibration=calibration)
    gallery = Gallery(LocalPlace(folder), projector, contents)
    features = matrix(asked["features"])
    return [gallery.identify(features[at : at + 1]) for at in range(len(features))]


def _first(answer: Answer) -> float:
    return answer.labels[0].confidence


if __name__ == "__main__":
    main()
