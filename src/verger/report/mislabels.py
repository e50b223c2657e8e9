"""Photos that look mislabelled: two judges that have not seen the photo's label agree against it.

1. A discriminant that was fitted without the photo (5-fold cross-validation, on the first
   256 principal components) puts it nearer to another label's mean. To judge out of sample is what
   confident learning does: C. G. Northcutt, L. Jiang and I. L. Chuang, "Confident learning:
   estimating uncertainty in dataset labels", JAIR 70, 2021. Photos are ranked by the margin, the
   difference of the two log likelihoods.
2. None of its nearest neighbours in raw feature space carries its label.

Either alone names 2 to 5 photos in 100 that are well labelled; `benchmarks.findings` shows what
both together find.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import numpy as np
import numpy.typing as npt

from verger.projections.discriminant import DEFAULT_SHRINKAGE, fit_discriminant
from verger.projections.moments import Moments
from verger.report.neighbours import Neighbours
from verger.report.reading import Floats, Ints

COMPONENTS = 256
_FOLDS = 5
_FEWEST = 3  # photos a label, below which there is nothing to compare one with


@dataclass(frozen=True, slots=True)
class Judged:
    """What the discriminants fitted without each row say of it.

    suggested:  int64 (m,), the label nearest among the others; -1 where there is no judgement
    margin:     float64 (m,), log likelihood of that label over the row's own; -inf without one
    named:      int64 (m,), the label nearest of all; -1 where there is no judgement
    right:      share of the judged rows that were named by their own label; NaN where none is
    """

    suggested: Ints
    margin: npt.NDArray[np.float64]
    named: Ints
    right: float


@dataclass(frozen=True, slots=True)
class Mislabels:
    """Rows that look mislabelled, the surest first.

    votes: float64 (s,), share of the neighbours that carry the suggested label
    """

    rows: Ints
    suggested: Ints
    margin: npt.NDArray[np.float64]
    votes: npt.NDArray[np.float64]

    def without(self, rows: npt.NDArray[np.bool_]) -> Mislabels:
        """Leave some out, given of all m rows whether they are to be."""
        stay = ~rows[self.rows]
        return Mislabels(self.rows[stay], self.suggested[stay], self.margin[stay], self.votes[stay])


def judge(rows: Floats, codes: Ints, seed: int = 0) -> Judged:
    """Judge each labelled row by discriminants that were fitted without it.

    `rows` is (m, q): components, of which the first 256 are used.
    """
    m = len(codes)
    suggested, margin = np.full(m, -1, np.int64), np.full(m, -np.inf)
    named = suggested.copy()
    known = np.flatnonzero(codes >= 0)
    if len(np.unique(codes[known])) < 2 or len(known) < _FOLDS or not rows.shape[1]:
        return Judged(suggested, margin, named, float("nan"))
    placed, mine = rows[known, :COMPONENTS].astype(np.float64), codes[known]
    fold = _folds(mine, seed)
    width = len(str(int(mine.max())))
    parts = [_moments(placed[fold == f], mine[fold == f], width) for f in range(_FOLDS)]
    for held in range(_FOLDS):
        moments = reduce(Moments.merge, [part for f, part in enumerate(parts) if f != held])
        here = np.flatnonzero(fold == held)
        if len(moments.labels) < 2 or not len(here):
            continue
        likelihood = _log_likelihood(placed[here], moments, int(codes.max()) + 1)
        each = np.arange(len(here))
        own = likelihood[each, mine[here]]
        named[known[here]] = likelihood.argmax(axis=1)
        likelihood[each, mine[here]] = -np.inf
        other = likelihood.argmax(axis=1)
        suggested[known[here]] = other
        seen = np.isfinite(own)
        gap = likelihood[each, other] - np.where(seen, own, 0)
        margin[known[here]] = np.where(seen, gap, -np.inf)
    judged = named >= 0
    right = float((named == codes)[judged].mean()) if judged.any() else float("nan")
    return Judged(suggested, margin, named, right)


def find_mislabels(judged: Judged, neighbours: Neighbours, codes: Ints) -> Mislabels:
    """Return the rows that both judges speak against, by decreasing margin."""
    counts = np.bincount(codes[codes >= 0], minlength=1)
    enough = (codes >= 0) & (counts[np.maximum(codes, 0)] >= _FEWEST)
    near = codes[neighbours.index]
    alone = (near != codes[:, None]).all(axis=1) & (near.shape[1] > 0)
    rows = np.flatnonzero(enough & alone & (judged.margin > 0))
    rows = rows[np.argsort(-judged.margin[rows], kind="stable")]
    votes = (near[rows] == judged.suggested[rows, None]).mean(axis=1) if len(rows) else np.zeros(0)
    return Mislabels(rows, judged.suggested[rows], judged.margin[rows], votes)


def _folds(codes: Ints, seed: int) -> Ints:
    """Deal each label's rows out to the folds in turn, in random order."""
    rng = np.random.default_rng(seed)
    order = np.lexsort((rng.random(len(codes)), codes))
    fold = np.empty(len(codes), np.int64)
    fold[order] = np.arange(len(codes)) % _FOLDS
    return fold


def _moments(rows: npt.NDArray[np.float64], codes: Ints, width: int) -> Moments:
    # Moments name labels by strings and sort them; zeros in front keep the order of the codes.
    return Moments.of(rows, [f"{code:0{width}}" for code in codes.tolist()])


def _log_likelihood(
    rows: npt.NDArray[np.float64], moments: Moments, labels: int
) -> npt.NDArray[np.float64]:
    """Return −½ ‖z − z̄‖² to each label's mean in discriminant space, (n, labels), -inf unseen."""
    model = fit_discriminant(moments, DEFAULT_SHRINKAGE)
    placed = (rows - model.mean) @ model.components.T
    means = (moments.label_means - model.mean) @ model.components.T
    apart = (placed**2).sum(axis=1)[:, None] + (means**2).sum(axis=1) - 2 * placed @ means.T
    out = np.full((len(rows), labels), -np.inf)
    out[:, [int(label) for label in moments.labels]] = -0.5 * apart
    return out
