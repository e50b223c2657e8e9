"""Rehearsing on the gallery's own photos: hide some, and see how well the rest names them.

Photos come in bursts: leaving one photo out leaves its twin in, and every answer looks right. So
the photos of a label are clustered into occasions of about five look-alikes, and whole occasions
are hidden. In each round, half of the occasions are hidden, and a quarter of the labels altogether;
the projection is fitted again to what is left.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from verger.discriminant import fit_discriminant
from verger.gallery.calibration import HeldOut
from verger.gallery.evidence import (
    ABSENT,
    NEIGHBOURS,
    Evidence,
    Floats,
    label_means,
    nearest_by_label,
    nearest_rows,
)
from verger.moments import Moments, root_unit, unit_length

ROUNDS = 4
AN_OCCASION = 5  # photos
LEAST_PHOTOS = 4  # of a label, for it to be rehearsed
LEAST_LABELS = 3
LEAST_REHEARSED = 100  # photos of such labels; fewer say too little of the share of right answers
_LLOYD = 10
_TINY = 1e-12

Ids = npt.NDArray[np.int64]


def rehearse(rows: Floats, label_ids: Ids, groups: Ids, shrinkage: float) -> HeldOut | None:
    """Hide photos and labels in rounds; return the evidence on what was hidden.

    rows:       float32 (n, d), features of labelled photos
    label_ids:  (n,), from 0 to L − 1
    groups:     (L,), the group of each label
    None where there are too few photos.
    """
    counts = np.bincount(label_ids, minlength=len(groups))
    kept = np.flatnonzero(counts >= LEAST_PHOTOS)
    if len(kept) < LEAST_LABELS or counts[kept].sum() < LEAST_REHEARSED:
        return None
    number = np.full(len(groups), -1)
    number[kept] = np.arange(len(kept))
    mine = number[label_ids] >= 0
    rows, label_ids = root_unit(rows[mine]).astype(np.float32), number[label_ids[mine]]
    halves = _halves(rows, label_ids, len(kept))
    parts = list(_rounds(rows, label_ids, halves, len(kept), shrinkage))
    evidence = Evidence(*(np.concatenate([part[0][i] for part in parts]) for i in range(3)))
    labels = np.concatenate([part[1] for part in parts])
    seen = np.concatenate([part[2] for part in parts])
    return HeldOut(evidence, labels, seen, groups[kept]) if seen.any() else None


def _rounds(
    rows: Floats, label_ids: Ids, halves: Ids, labels: int, shrinkage: float
) -> Iterator[tuple[Evidence, Ids, npt.NDArray[np.bool_]]]:
    rounds = min(ROUNDS, labels)
    for round_ in range(rounds):
        present = np.arange(labels) % rounds != round_  # of varieties in a row, some stay
        shown = present[label_ids] & (halves != round_ % 2)
        hidden = label_ids[~shown]
        evidence = _evidence(rows[shown], label_ids[shown], rows[~shown], labels, shrinkage)
        evidence.nearest[:, ~present] = evidence.means[:, ~present] = ABSENT
        yield evidence, hidden, present[hidden]


def _evidence(
    shown: Floats, shown_ids: Ids, hidden: Floats, labels: int, shrinkage: float
) -> Evidence:
    """Build a small gallery of the shown rows (root unit) and look the hidden ones up in it."""
    names = [f"{label:06d}" for label in shown_ids]
    model = fit_discriminant(Moments.of(shown, names), shrinkage)
    near = unit_length(model.transform(shown)).astype(np.float32)
    far = unit_length(model.transform(hidden)).astype(np.float32)
    photos, similarities = nearest_rows(far, near, NEIGHBOURS)
    by_label = nearest_by_label(similarities, shown_ids[photos], labels)
    likeness = (hidden @ label_means(shown, shown_ids, labels).T).max(axis=1)
    return Evidence(by_label, far @ label_means(near, shown_ids, labels).T, likeness)


def _halves(rows: Floats, label_ids: Ids, labels: int) -> Ids:
    """Cut the photos of each label in two, so that no occasion is cut."""
    halves = np.zeros(len(rows), dtype=np.int64)
    for label in range(labels):
        (mine,) = np.nonzero(label_ids == label)
        occasions = _occasions(rows[mine], max(2, round(len(mine) / AN_OCCASION)))
        sizes = np.bincount(occasions)
        loads = [0, 0]
        for occasion in np.argsort(-sizes, kind="stable"):
            half = int(loads[1] < loads[0])
            loads[half] += sizes[occasion]
            halves[mine[occasions == occasion]] = half
        if not all(loads):  # one photo over and over
            halves[mine] = np.arange(len(mine)) % 2
    return halves


def _occasions(rows: Floats, count: int) -> Ids:
    """Cluster rows of unit length by spherical k-means from a farthest-first start.

    I. S. Dhillon and D. S. Modha, "Concept decompositions for large sparse text data using
    clustering", 2001; T. F. Gonzalez, "Clustering to minimize the maximum intercluster distance",
    1985.
    """
    similarities = rows @ rows.T
    centres, nearest = [0], similarities[0]
    while len(centres) < count:
        centres.append(int(nearest.argmin()))
        nearest = np.maximum(nearest, similarities[centres[-1]])
    to_means = similarities[:, centres]
    for _ in range(_LLOYD):
        members = np.eye(count, dtype=np.float32)[to_means.argmax(axis=1)]
        to_sums = similarities @ members
        lengths = np.sqrt(np.maximum((members * to_sums).sum(axis=0), _TINY))
        to_means = to_sums / lengths
    return np.asarray(to_means.argmax(axis=1), dtype=np.int64)
