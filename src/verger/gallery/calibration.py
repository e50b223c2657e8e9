"""From evidence to honest confidences and a verdict: fitted to held-out photos, then stored.

Formulas and what each gave are in docs/identification.md.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from verger.gallery.evidence import Evidence, Floats

Doubles = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]

REFUSED = 0.05  # share of right answers that "unlike anything in the gallery" may cost
PRECISION = 0.9  # share of claims that must be right
CLAIMED_UNSEEN = 0.25  # share of photos of never-seen labels that may be given one
NEVER_SEEN = 0.1  # share of the photos to come that show a label that the gallery lacks
_LEVELS = np.linspace(0, 1, 101)
_STEPS = 60
_RIDGE = 1e-4  # keeps the weights finite where held-out photos are told apart without a mistake
_TINY = 1e-9
_MOST_SURE = 1e-4  # confidences beyond count as this far from 0 and 1


@dataclasses.dataclass(frozen=True, slots=True)
class Trust:
    """Whether a claim may be made: P(it is right) = sigmoid(a · logit(confidence) + b · f + c).

    f is the familiarity; a and b are not negative. It may where P is at least `least`. The
    defaults take the confidence as it is.
    """

    confidence: float = 1.0
    familiarity: float = 0.0
    offset: float = 0.0
    least: float = 0.6

    def probability(self, confidences: Doubles, familiarities: Doubles) -> Doubles:
        """Return the probability that a claim is right: float64 (m,)."""
        at = (self.confidence, self.familiarity, self.offset)
        return sigmoid(_trust_features(confidences, familiarities) @ np.array(at))

    def allows(self, confidences: Doubles, familiarities: Doubles) -> Booleans:
        """Say which claims may be made: bool (m,)."""
        return self.probability(confidences, familiarities) >= self.least


@dataclasses.dataclass(frozen=True, slots=True)
class Calibration:
    """How evidence becomes an answer.

    nearest, mean:       weights of a label's nearest photo and of its mean; not negative
    centre, spread:      of (best score, likeness) of held-out photos of labels in the gallery
    familiarity:         101 percentiles, increasing, of the familiarity of right answers
    variety, group:      how far a claim of a label, of a group, is to be trusted
    photos:              how many held-out photos it was fitted to; 0 for these defaults
    """

    nearest: float = 4.0
    mean: float = 10.0
    centre: tuple[float, float] = (0.0, 0.0)
    spread: tuple[float, float] = (1.0, 1.0)
    familiarity: tuple[float, ...] = ()
    variety: Trust = Trust()
    group: Trust = Trust()
    photos: int = 0

    def scores(self, evidence: Evidence) -> Floats:
        """Return the score of each label: float32 (m, L)."""
        return np.asarray(
            self.nearest * evidence.nearest + self.mean * evidence.means, dtype=np.float32
        )

    def confidences(self, evidence: Evidence) -> Doubles:
        """Return the probability of each label, given that it is one of them: float64 (m, L)."""
        return softmax(self.scores(evidence))

    def familiarities(self, evidence: Evidence) -> Doubles:
        """Return how much like the gallery each query is, in standard deviations: float64 (m,)."""
        best = self._best(evidence)
        values = np.stack([best, evidence.likeness.astype(np.float64)])
        centre, spread = np.array(self.centre)[:, None], np.array(self.spread)[:, None]
        return np.asarray(((values - centre) / spread).sum(axis=0))

    def known(self, familiarities: Doubles) -> Doubles:
        """Return the share of right answers that were less familiar: float64 (m,), 0 to 1.

        Below the least familiar of them it goes on falling, and never reaches 0.
        """
        if not self.familiarity:
            return np.ones(len(familiarities))
        knots = np.array(self.familiarity)
        below = _LEVELS[1] * np.exp(np.minimum(familiarities - knots[1], 0))
        inside = np.interp(familiarities, knots, _LEVELS)
        return np.where(familiarities < knots[1], below, inside)

    def _best(self, evidence: Evidence) -> Doubles:
        total = self.nearest + self.mean
        return np.asarray(self.scores(evidence).max(axis=1) / total, dtype=np.float64)

    def as_record(self) -> dict[str, Any]:
        """Return it as a gallery stores it."""
        return dataclasses.asdict(self)

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Self:
        """Read what `as_record` gave. Raises ValueError, KeyError, TypeError for anything else."""
        if set(raw) != {field.name for field in dataclasses.fields(cls)}:
            raise ValueError("the calibration has other fields")
        nearest, mean = _number(raw["nearest"]), _number(raw["mean"])
        trusts = {
            name: Trust(**{part: _number(value) for part, value in raw[name].items()})
            for name in ("variety", "group")
        }
        centre, spread = _pair(raw["centre"]), _pair(raw["spread"])
        knots = tuple(_number(value) for value in raw["familiarity"])
        if len(knots) not in (0, len(_LEVELS)) or any(np.diff(knots) < 0):
            raise ValueError("the calibration's percentiles do not increase")
        if min(nearest, mean) < 0 or nearest + mean <= 0:
            raise ValueError("the calibration's weights are negative")
        if min(spread) <= 0:
            raise ValueError("the calibration's spread is not positive")
        photos = raw["photos"]
        if type(photos) is not int or photos < 0:
            raise ValueError(f"the calibration's photos are {photos!r}")
        return cls(
            nearest=nearest,
            mean=mean,
            centre=centre,
            spread=spread,
            familiarity=knots,
            photos=photos,
            **trusts,
        )


@dataclasses.dataclass(frozen=True, slots=True)
class HeldOut:
    """Held-out photos and the evidence on them.

    evidence:   of m photos; labels that the round's gallery lacked are `ABSENT`
    labels:     (m,), the true label of each
    seen:       (m,), whether that label was in the round's gallery
    groups:     (L,), the group of each label
    """

    evidence: Evidence
    labels: npt.NDArray[np.int64]
    seen: Booleans
    groups: npt.NDArray[np.int64]


def calibrate(held: HeldOut) -> Calibration:
    """Fit to held-out photos; those of seen labels give the confidences, all give the verdicts."""
    seen = held.seen
    known = Evidence(*(part[seen] for part in held.evidence))
    weights = fit_weights(np.stack([known.nearest, known.means], axis=2), held.labels[seen])
    fitted = Calibration(nearest=weights[0], mean=weights[1])
    best, likeness = fitted._best(known), known.likeness.astype(np.float64)
    fitted = dataclasses.replace(
        fitted,
        centre=(float(best.mean()), float(likeness.mean())),
        spread=(float(best.std()) + _TINY, float(likeness.std()) + _TINY),
        photos=len(held.labels),
    )
    right = fitted.scores(known).argmax(axis=1) == held.labels[seen]
    if not right.any():
        return dataclasses.replace(Calibration(), photos=0)
    percentiles = np.quantile(fitted.familiarities(known)[right], _LEVELS)
    fitted = dataclasses.replace(fitted, familiarity=tuple(percentiles.tolist()))
    return _with_trust(fitted, held)


def fit_weights(features: Floats, labels: npt.NDArray[np.int64]) -> tuple[float, float]:
    """Fit a conditional logit: features (m, L, 2), true labels (m,) → two weights of at least 0.

    Damped Newton steps on the mean negative log-likelihood, which is convex.
    """
    features = features.astype(np.float64)
    rows = np.arange(len(labels))
    weights = np.array([4.0, 10.0])

    def loss_at(at: Doubles) -> float:
        shares = softmax(features @ at)[rows, labels]
        return float(-np.log(np.maximum(shares, _TINY)).mean() + _RIDGE * at @ at)

    loss = loss_at(weights)
    for _ in range(_STEPS):
        shares = softmax(features @ weights)
        expected = np.einsum("ml,mlf->mf", shares, features)
        gradient = (expected - features[rows, labels]).mean(axis=0) + 2 * _RIDGE * weights
        squares = np.einsum("ml,mlf,mlg->fg", shares, features, features) / len(rows)
        hessian = squares - expected.T @ expected / len(rows) + 2 * _RIDGE * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        for damping in 0.5 ** np.arange(12):
            tried = np.maximum(weights - damping * step, 0)
            if (new := loss_at(tried)) < loss:
                break
        else:
            break
        weights, loss = tried, new
    return (float(weights[0]), float(weights[1])) if weights.sum() > _TINY else (4.0, 10.0)


def by_group(confidences: Doubles, groups: npt.NDArray[np.int64]) -> Doubles:
    """Add up the confidences (m, L) of the labels of each group: float64 (m, G)."""
    sums = np.zeros((len(confidences), int(groups.max(initial=-1)) + 1))
    np.add.at(sums.T, groups, confidences.T)
    return sums


def softmax(scores: npt.NDArray[np.floating]) -> Doubles:
    """Return the softmax of each row, float64."""
    shifted = scores.astype(np.float64) - scores.max(axis=1, keepdims=True)
    shares = np.exp(shifted)
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def calibration_error(confidences: Doubles, right: Booleans, bins: int = 15) -> float:
    """Return the expected calibration error: mean |confidence − share right|, over equal bins.

    C. Guo et al., "On calibration of modern neural networks", 2017.
    """
    if not len(confidences):
        return 0.0
    which = np.minimum((confidences * bins).astype(int), bins - 1)
    gaps = np.bincount(which, confidences, bins) - np.bincount(which, right.astype(float), bins)
    return float(np.abs(gaps).sum() / len(confidences))


def _with_trust(fitted: Calibration, held: HeldOut) -> Calibration:
    """Fit both trusts to all held-out photos, as many of never-seen labels as are to come."""
    unseen = ~held.seen
    weights = np.where(
        unseen,
        NEVER_SEEN / max(unseen.sum(), 1),
        (1 - NEVER_SEEN) / max(held.seen.sum(), 1),
    )
    shares = fitted.confidences(held.evidence)
    grouped = by_group(shares, held.groups)
    familiar = fitted.familiarities(held.evidence)
    right_label = (shares.argmax(axis=1) == held.labels) & held.seen
    right_group = grouped.argmax(axis=1) == held.groups[held.labels]
    return dataclasses.replace(
        fitted,
        variety=fit_trust(shares.max(axis=1), familiar, right_label, weights, unseen),
        group=fit_trust(grouped.max(axis=1), familiar, right_group, weights),
    )


def fit_trust(
    confidences: Doubles,
    familiarities: Doubles,
    right: Booleans,
    weights: Doubles,
    unseen: Booleans | None = None,
) -> Trust:
    """Fit a weighted logistic regression by Newton's method, and the least trust for a claim.

    It is the least from which on the share of right claims reaches `PRECISION`, and that of claims
    on `unseen` photos, if given, falls to `CLAIMED_UNSEEN`; a half at least, since below that a
    claim is more likely wrong.
    """
    features = _trust_features(confidences, familiarities)
    at = np.array([1.0, 0.0, 0.0])
    for _ in range(_STEPS):
        chance = sigmoid(features @ at)
        gradient = features.T @ (weights * (chance - right)) + _RIDGE * at
        curvature = (features.T * (weights * chance * (1 - chance))) @ features
        step = np.linalg.solve(curvature + _RIDGE * np.eye(3), gradient)
        new = at - step / max(1.0, np.abs(step).max())
        new[:2] = np.maximum(new[:2], 0)
        done, at = np.abs(new - at).max() < _TINY, new
        if done:
            break
    trust = Trust(float(at[0]), float(at[1]), float(at[2]))
    chance = trust.probability(confidences, familiarities)
    order = np.argsort(-chance, kind="stable")
    claimed = np.cumsum(weights[order])
    correct = np.cumsum((weights * right)[order])
    good = np.flatnonzero(correct >= PRECISION * claimed)
    least = float(chance[order[good[-1]]]) if len(good) else 1.0
    if unseen is not None and unseen.any():
        least = max(least, float(np.quantile(chance[unseen], 1 - CLAIMED_UNSEEN)))
    return dataclasses.replace(trust, least=max(0.5, least))


def sigmoid(values: Doubles) -> Doubles:
    """Return 1 / (1 + exp(−values)), without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(values / 2)))


def _trust_features(confidences: Doubles, familiarities: Doubles) -> Doubles:
    clipped = np.clip(confidences, _MOST_SURE, 1 - _MOST_SURE)
    logits = np.log(clipped) - np.log1p(-clipped)
    return np.stack([logits, familiarities, np.ones(len(logits))], axis=1)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"the calibration holds {value!r}")
    return float(value)


def _pair(values: Any) -> tuple[float, float]:
    one, two = values
    return _number(one), _number(two)
