"""Validating on the gallery's own photos: hide some, and see how well the rest names them.

Photos come in bursts: leaving one photo out leaves its twin in, and every answer looks right. So
the photos of a label are clustered into occasions of about five look-alikes, and whole occasions
are hidden: a quarter of them in each of four rounds. In four rounds more, a quarter of the labels
is hidden altogether. The projection is fitted again to what is left.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from verger.gallery.evidence import (
    ABSENT,
    NEIGHBOURS,
    Evidence,
    Floats,
    label_means,
    nearest_by_label,
    nearest_rows,
)
from verger.gallery.fitting import HeldOut
from verger.projections.discriminant import Discriminant, fit_discriminant
from verger.projections.moments import Moments, merge_all, root_unit, unit_length

FOLDS = 4
AN_OCCASION = 5  # photos
LEAST_PHOTOS = 4  # of a label, for it to take part
LEAST_LABELS = 3
LEAST_VALIDATED = 100  # photos of such labels; fewer say too little of the share of right answers
_ROWS_A_BLOCK = 1024
_LLOYD = 10
_TINY = 1e-12

Ids = npt.NDArray[np.int64]


def validate(
    rows: Floats, label_ids: Ids, groups: Ids, shrinkage: float, *, threads: int = 1
) -> HeldOut | None:
    """Hide photos and labels in rounds; return the evidence on what was hidden.

    rows:       float32 (n, d), features of labelled photos
    label_ids:  (n,), from 0 to L − 1
    groups:     (L,), the group of each label
    threads:    rounds at once; each more takes some 170 MB of memory, of 6,000 rows of 1,280
    None where there are too few photos.
    """
    counts = np.bincount(label_ids, minlength=len(groups))
    kept = np.flatnonzero(counts >= LEAST_PHOTOS)
    if len(kept) < LEAST_LABELS or counts[kept].sum() < LEAST_VALIDATED:
        return None
    number = np.full(len(groups), -1)
    number[kept] = np.arange(len(kept))
    mine = np.flatnonzero(number[label_ids] >= 0)
    rows, label_ids = _prepared(rows, mine), number[label_ids[mine]]
    photos = _Photos(rows, label_ids, len(kept), shrinkage, threads)
    rounds = [
        *photos.rounds(folds_of(rows, label_ids, len(kept)), FOLDS),
        *photos.rounds(label_ids % FOLDS, min(FOLDS, len(kept))),
    ]
    evidence = Evidence(*(np.concatenate([one.evidence[i] for one in rounds]) for i in range(3)))
    labels = np.concatenate([one.labels for one in rounds])
    seen = np.concatenate([one.seen for one in rounds])
    return HeldOut(evidence, labels, seen, groups[kept], len(mine)) if seen.any() else None


def _prepared(rows: Floats, mine: Ids) -> Floats:
    """Prepare some of the rows, a block at a time: all of them in float64 would be much memory."""
    prepared = np.empty((len(mine), rows.shape[1]), dtype=np.float32)
    for start in range(0, len(mine), _ROWS_A_BLOCK):
        some = slice(start, start + _ROWS_A_BLOCK)
        prepared[some] = root_unit(rows[mine[some]])
    return prepared


class _Round(NamedTuple):
    """The evidence on the m photos that were hidden, their labels, and whether these were there."""

    evidence: Evidence
    labels: Ids
    seen: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Photos:
    """Prepared rows, of which some are to be hidden: rows (n, d), label_ids (n,) below `labels`."""

    rows: Floats
    label_ids: Ids
    labels: int
    shrinkage: float
    threads: int

    def rounds(self, fold: Ids, folds: int) -> list[_Round]:
        """Hide one fold after another, and look it up in a gallery of all others."""
        moments = [self._moments(fold == one) for one in range(folds)]

        def without(hidden: int) -> _Round:
            others = [part for one, part in enumerate(moments) if one != hidden]
            model = fit_discriminant(merge_all(others, self.rows.shape[1]), self.shrinkage)
            return self._looked_up(model, fold != hidden)

        with ThreadPoolExecutor(self.threads) as threads:
            return list(threads.map(without, range(folds)))

    def _moments(self, which: npt.NDArray[np.bool_]) -> Moments:
        return Moments.of(self.rows[which], [f"{label:06d}" for label in self.label_ids[which]])

    def _looked_up(self, model: Discriminant, shown: npt.NDArray[np.bool_]) -> _Round:
        # Not `transform`, which takes the square root first: these rows have been through it.
        projected = np.empty((len(self.rows), model.k), dtype=np.float32)
        for start in range(0, len(self.rows), _ROWS_A_BLOCK):
            some = self.rows[start : start + _ROWS_A_BLOCK] - model.mean
            projected[start : start + len(some)] = unit_length(some @ model.components.T)
        ids, labels = self.label_ids, self.labels
        near, far = projected[shown], projected[~shown]
        photos, similarities = nearest_rows(far, near, NEIGHBOURS)
        means = label_means(self.rows[shown], ids[shown], labels)
        evidence = Evidence(
            nearest_by_label(similarities, ids[shown][photos], labels),
            far @ label_means(near, ids[shown], labels).T,
            (self.rows[~shown] @ means.T).max(axis=1),
        )
        there = np.bincount(ids[shown], minlength=labels) > 0
        evidence.nearest[:, ~there] = evidence.means[:, ~there] = ABSENT
        return _Round(evidence, ids[~shown], there[ids[~shown]])


def folds_of(rows: Floats, label_ids: Ids, labels: int) -> Ids:
    """Deal the occasions of each label to the folds, so that none is cut: (n,)."""
    folds = np.zeros(len(rows), dtype=np.int64)
    for label in range(labels):
        (mine,) = np.nonzero(label_ids == label)
        occasions = _occasions(rows[mine], max(2, round(len(mine) / AN_OCCASION)))
        sizes = np.bincount(occasions)
        loads = np.zeros(FOLDS, dtype=np.int64)
        for occasion in np.argsort(-sizes, kind="stable"):
            fold = loads.argmin()
            loads[fold] += sizes[occasion]
            folds[mine[occasions == occasion]] = fold
        if np.count_nonzero(loads) < 2:  # one photo over and over
            folds[mine] = np.arange(len(mine)) % FOLDS
    return folds


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
