"""`python -m benchmarks.views GALLERY QUERIES STUDIO UNSEEN`: which network sees best, how fast.

    --networks NAME|FILE.onnx,…  networks to try (default: those that are shipped)
    --views 224/256 --views 160/160,300
                                 the side, and the views as for `verger run`; several times
    --cache FOLDER               keep the features of each view there, and take them from there

GALLERY, QUERIES, STUDIO and UNSEEN are folders of labelled photos (the label is the folder's
name). Each row of the table is a network with its views, and says:

- milliseconds of a core a photo, decoding and network, in one thread, on photos of GALLERY; all
  rows are timed in turn, five times, and the fastest of each counts;
- of QUERIES, the share named right from GALLERY, by label and by species;
- of GALLERY, the share named right where half of each label's photos are hidden (they are cut in
  two along their main direction of variation, so that a burst of shots is on one side);
- of STUDIO, the share of photos whose species is named right though no photo of their variety was
  shown: each variety of a species that has several is hidden in turn;
- of UNSEEN, photos of other varieties, the share whose species is named right from STUDIO.

Naming is that of `verger identify`, without its verdicts. Choose by what GALLERY and STUDIO
say alone; the others are what it comes to.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.identification import Labels, Rows, hidden_halves, shares_named
from benchmarks.table import machine
from verger.embed import Backbone, open_backbone
from verger.embed.backbone import shipped_names
from verger.knowledge import group_of
from verger.photos.decode import decode
from verger.photos.labels import labeller_from
from verger.projections.discriminant import DEFAULT_SHRINKAGE
from verger.projections.moments import root_unit
from verger.storage.folder import LocalPlace

_BATCH = 8
_TIMED = 64  # photos
_ROUNDS = 5
_WAY = (DEFAULT_SHRINKAGE, "both")  # how `verger identify` names


def main() -> None:
    """Embed, measure and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.views", description=__doc__)
    for folder in ("gallery", "queries", "studio", "unseen"):
        parser.add_argument(folder, type=Path)
    parser.add_argument("--networks", default=",".join(shipped_names()))
    parser.add_argument("--views", action="append")
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args()
    tried = [
        open_backbone(network, int(side), [int(view) for view in views.split(",")])
        for network in options.networks.split(",")
        for side, _, views in (each.partition("/") for each in options.views or ["224/256"])
    ]
    if options.cache:
        options.cache.mkdir(parents=True, exist_ok=True)
    folders = (options.gallery, options.queries, options.studio, options.unseen)
    seen = [[_embedded(folder, one, options.cache) for folder in folders] for one in tried]
    took = _timed(options.gallery, tried)
    print(f"{machine()}\n")
    print(
        "| network | views | ms | hidden halves | hidden varieties | other photos | by species "
        "| unseen varieties |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for backbone, (gallery, queries, studio, unseen), seconds in zip(
        tried, seen, took, strict=True
    ):
        spec = backbone.card.input
        views = " + ".join(f"{spec.size}/{view}" for view in spec.views)
        labels, species = shares_named(gallery, queries, _WAY[:1])[_WAY]
        hidden = np.mean(
            [shares_named(*pair, _WAY[:1])[_WAY][0] for pair in hidden_halves(*gallery)]
        )
        print(
            f"| {backbone.card.name} | {views} | {1000 * seconds:.2f} | {hidden:.1%} "
            f"| {_hidden_varieties(*studio):.1%} | {labels:.1%} | {species:.1%} "
            f"| {shares_named(studio, unseen, _WAY[:1])[_WAY][1]:.1%} |",
            flush=True,
        )


def _embedded(folder: Path, backbone: Backbone, cache: Path | None) -> tuple[Rows, Labels]:
    """Return the rows that are looked up, and the labels; each view is embedded by itself."""
    refs = list(LocalPlace(folder).list(labeller_from("parent", folder.name)))
    spec = backbone.card.input
    means = np.mean([_view(folder, backbone, view, cache) for view in spec.views], axis=0)
    return root_unit(means), np.array([ref.label for ref in refs])


def _view(
    folder: Path, backbone: Backbone, view: int, cache: Path | None
) -> npt.NDArray[np.float32]:
    spec = backbone.card.input
    said = f"{folder.resolve()} {backbone.card.sha256} {spec.size} {view}"
    kept = cache and cache / f"{hashlib.sha256(said.encode()).hexdigest()[:16]}.npy"
    if kept and kept.exists():
        return np.asarray(np.load(kept, allow_pickle=False))
    one = open_backbone(str(backbone.file or backbone.card.name), spec.size, [view])
    network, framing = one.network(), one.card.input.framing
    refs = list(LocalPlace(folder).list(labeller_from("parent", folder.name)))
    rows = []
    for start in range(0, len(refs), _BATCH):
        files = [(folder / ref.path).read_bytes() for ref in refs[start:][:_BATCH]]
        photos = [decode(file, framing, thumbnail=False) for file in files]
        rows.append(network(np.stack([photo.pixels for photo in photos])))
    made = np.concatenate(rows)
    if kept:
        np.save(kept, made, allow_pickle=False)
    return made


def _timed(folder: Path, tried: list[Backbone]) -> list[float]:
    """Return the seconds of a core a photo, of each."""
    refs = list(LocalPlace(folder).list(labeller_from("parent", folder.name)))
    files = [(folder / ref.path).read_bytes() for ref in refs[:: max(1, len(refs) // _TIMED)]]
    networks = [backbone.network() for backbone in tried]
    took = np.full((_ROUNDS, len(tried)), np.inf)
    for number in range(_ROUNDS):
        for at, (backbone, network) in enumerate(zip(tried, networks, strict=True)):
            framing, start = backbone.card.input.framing, time.thread_time()
            for first in range(0, len(files), 4):
                photos = [decode(file, framing, thumbnail=False) for file in files[first:][:4]]
                network(np.stack([photo.pixels for photo in photos]))
            took[number, at] = (time.thread_time() - start) / len(files)
    return [float(seconds) for seconds in took.min(axis=0)]


def _hidden_varieties(rows: Rows, labels: Labels) -> float:
    """Return the share of photos whose species is right though their variety was not shown."""
    species = np.array([str(group_of(label) or label) for label in labels])
    right = []
    for group in np.unique(species):
        varieties = np.unique(labels[species == group])
        for variety in varieties if len(varieties) > 1 else ():
            hidden = labels == variety
            shown, asked = (rows[~hidden], labels[~hidden]), (rows[hidden], labels[hidden])
            share = shares_named(shown, asked, _WAY[:1])
            right.append((share[_WAY][1], hidden.sum()))
    shares, counts = np.array(right).T
    return float(np.average(shares, weights=counts))


if __name__ == "__main__":
    main()
