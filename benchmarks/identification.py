"""`python -m benchmarks.identification GALLERY QUERIES`: what each lever gives, and the look-up.

Both are folders of labelled photos (the label is the folder's name). They are embedded once. Then
each way of naming is tried twice: on QUERIES, and by hiding occasions of GALLERY, with nothing but
GALLERY looked at (the photos of each label are cut in two along their main direction of variation,
and each half is named by the other). Choose by the second; the first is what it comes to.

Then what a validation on GALLERY says of its own photos, and with `--crops` what it gives to embed
three crops of each photo (as the backbone's card says, the whole square, and closer).

`--look-up N` only times the look-up among N photos drawn at random, in 100 dimensions.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from verger.embed import open_backbone
from verger.gallery.evaluate import auroc
from verger.gallery.evidence import ABSENT, NEIGHBOURS, label_means, nearest_by_label, nearest_rows
from verger.gallery.fitting import calibrate, calibration_error
from verger.gallery.validation import validate
from verger.knowledge import group_of
from verger.photos.decode import Framing, decode
from verger.photos.labels import labeller_from
from verger.projections.discriminant import DEFAULT_SHRINKAGE, fit_discriminant
from verger.projections.moments import Moments, root_unit, unit_length
from verger.storage.folder import LocalPlace

SHRINKAGES = (0.1, 0.3, 0.5, 0.7)
_BATCH = 8
_SIDES = (256, 224, 320)  # pixels of the shorter side, of which 224 are seen

Rows = npt.NDArray[np.float64]
Labels = npt.NDArray[np.str_]


def main() -> None:
    """Embed, measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="*", metavar="GALLERY QUERIES")
    parser.add_argument("--crops", action="store_true")
    parser.add_argument("--look-up", type=int, default=0, metavar="N")
    options = parser.parse_args()
    if options.look_up:
        _look_up(options.look_up)
    if not options.folders:
        return
    gallery, queries = (_embedded(folder) for folder in options.folders)
    print("| prepared by | shrinkage | named by | other photos | by species | hidden halves |")
    print("|---|---|---|---|---|---|")
    for name, prepare in _PREPARED.items():
        shown, asked = (prepare(gallery[0]), gallery[1]), (prepare(queries[0]), queries[1])
        halves = [shares_named(*pair) for pair in hidden_halves(*shown)]
        apart = shares_named(shown, asked)
        for way, (labels, species) in apart.items():
            hidden = np.mean([half[way][0] for half in halves])
            print(f"| {name} | {way[0]} | {way[1]} | {labels:.1%} | {species:.1%} | {hidden:.1%} |")
    _validated(*gallery)
    if options.crops:
        _crops(options.folders[0], options.folders[1])


_PREPARED: dict[str, Callable[[npt.NDArray[np.float32]], Rows]] = {
    "unit length": unit_length,
    "square root, unit length": root_unit,
}


def _validated(features: npt.NDArray[np.float32], labels: Labels) -> None:
    """Print what held-out photos of the gallery say of the calibration."""
    names, ids = np.unique(labels, return_inverse=True)
    species, groups = np.unique([str(group_of(n) or n) for n in names], return_inverse=True)
    held = validate(features, ids, groups, DEFAULT_SHRINKAGE)
    if held is None:
        print("\nToo few photos to validate on.")
        return
    fitted = calibrate(held)
    shares, familiar = fitted.shares(held.evidence), fitted.familiarities(held.evidence)
    right = shares.argmax(axis=1) == held.labels
    error = calibration_error(shares.max(axis=1)[held.seen], right[held.seen])
    own = held.groups[held.labels][:, None] == held.groups[None, :]
    relative = ((held.evidence.means > ABSENT) & own).any(axis=1)
    print(f"\nValidated on {len(right):,} held-out photos of {len(species)} species:")
    print(f"- of labels that were there: {right[held.seen].mean():.1%} right, error {error:.3f}")
    for what, which in (("varieties", ~held.seen & relative), ("species", ~held.seen & ~relative)):
        if which.any():
            apart = auroc(familiar[held.seen], familiar[which])
            print(f"- of {which.sum():,} of {what} that were hidden: AUROC {apart:.3f}")


def _crops(gallery: Path, queries: Path) -> None:
    """Print what more crops of the photos of either folder give."""
    near = [_embedded(gallery, side) for side in _SIDES]
    far = [_embedded(queries, side) for side in _SIDES]
    print("\n| crops of the gallery | crops of the query | other photos |\n|---|---|---|")
    for shown in (1, len(_SIDES)):
        rows = np.concatenate([root_unit(part[0]) for part in near[:shown]])
        labels = np.concatenate([part[1] for part in near[:shown]])
        for asked in (1, len(_SIDES)):
            views = np.mean([root_unit(part[0]) for part in far[:asked]], axis=0)
            named = shares_named((rows, labels), (unit_length(views), far[0][1]))
            print(f"| {shown} | {asked} | {named[DEFAULT_SHRINKAGE, 'both'][0]:.1%} |")


def _embedded(
    folder: Path, shorter_side: int = _SIDES[0]
) -> tuple[npt.NDArray[np.float32], Labels]:
    backbone = open_backbone("efficientnet-lite0")
    network, framing = backbone.network(), Framing(224, (shorter_side,))
    refs = list(LocalPlace(folder).list(labeller_from("parent", folder.name)))
    rows = []
    for start in range(0, len(refs), _BATCH):
        batch = [decode((folder / r.path).read_bytes(), framing) for r in refs[start:][:_BATCH]]
        rows.append(network(np.stack([photo.pixels for photo in batch])))
    return np.concatenate(rows), np.array([ref.label for ref in refs])


def shares_named(
    gallery: tuple[Rows, Labels],
    queries: tuple[Rows, Labels],
    shrinkages: Sequence[float] = SHRINKAGES,
) -> dict[tuple[float, str], tuple[float, float]]:
    """Return the share named right, by label and by species, of each shrinkage and way."""
    names, ids = np.unique(gallery[1], return_inverse=True)
    species = np.array([str(group_of(name) or name) for name in names])
    true_species = np.array([str(group_of(name) or name) for name in queries[1]])
    out = {}
    for shrinkage in shrinkages:
        model = fit_discriminant(Moments.of(gallery[0], gallery[1].tolist()), shrinkage)
        near, far = (
            _projected(model.components, part - model.mean) for part in (gallery[0], queries[0])
        )
        photos, similarities = nearest_rows(far, near, NEIGHBOURS)
        nearest = nearest_by_label(similarities, ids[photos], len(names))
        means = far @ label_means(near, ids, len(names)).T
        ways = {"nearest photo": nearest, "label mean": means, "both": nearest + 2 * means}
        for way, scores in ways.items():
            best = scores.argmax(axis=1)
            right = (names[best] == queries[1]).mean(), (species[best] == true_species).mean()
            out[shrinkage, way] = (float(right[0]), float(right[1]))
    return out


def _projected(components: Rows, rows: Rows) -> npt.NDArray[np.float32]:
    return unit_length(rows @ components.T).astype(np.float32)


def hidden_halves(
    rows: Rows, labels: Labels
) -> Iterator[tuple[tuple[Rows, Labels], tuple[Rows, Labels]]]:
    """Cut each label in two along its main direction; give (shown, hidden), both ways around."""
    upper = np.zeros(len(rows), dtype=bool)
    for label in np.unique(labels):
        (mine,) = np.nonzero(labels == label)
        along = np.linalg.svd(rows[mine] - rows[mine].mean(axis=0), full_matrices=False)[0][:, 0]
        upper[mine] = along > np.median(along)
    for held in (upper, ~upper):
        yield (rows[~held], labels[~held]), (rows[held], labels[held])


def _look_up(photos: int) -> None:
    rng = np.random.default_rng(0)
    rows = np.concatenate(
        [
            unit_length(rng.normal(size=(min(50_000, photos - start), 100))).astype(np.float32)
            for start in range(0, photos, 50_000)
        ]
    )
    took = []
    for _ in range(60):
        query = unit_length(rng.normal(size=(1, 100))).astype(np.float32)
        start = time.perf_counter()
        nearest_rows(query, rows, NEIGHBOURS)
        took.append(1000 * (time.perf_counter() - start))
    p50, p95 = np.percentile(took, (50, 95))
    print(f"{photos:,} photos, exact: p50 {p50:.1f} ms, p95 {p95:.1f} ms\n")


if __name__ == "__main__":
    main()
