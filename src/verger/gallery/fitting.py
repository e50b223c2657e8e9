"""Fitting a calibration to held-out photos, and choosing from where on something is claimed."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from verger.gallery.calibration import LEVELS, Calibration, softmax
from verger.gallery.evidence import ABSENT, Evidence, Floats
from verger.gallery.odds import Booleans, Doubles, Trust, by_group, sigmoid, trust_features
from verger.gallery.verdict import Bounds

RIGHT = 0.9  # share of the names claimed that must be right
# Of varieties. Where one is named wrongly, its species would mostly have been right: asking more of
# varieties lets more species be named.
VARIETIES_RIGHT = 0.95
LEAST = 0.5  # below, a claim is more likely wrong
NEVER_SEEN = 0.1  # share of the photos to come that show a label that the gallery lacks
UNLIKE = 0.01  # share of photos of produce that it lacks which may be taken for no produce
_FEW = 30  # photos, of which no trust can be learnt
_STEPS = 60
_RIDGE = 1e-4  # keeps the weights finite where held-out photos are told apart without a mistake
_TINY = 1e-9


@dataclasses.dataclass(frozen=True, slots=True)
class HeldOut:
    """Held-out photos and the evidence on them.

    evidence:   of m photos; labels that the round's gallery lacked are `ABSENT`
    labels:     (m,), the true label of each
    seen:       (m,), whether that label was in the round's gallery
    groups:     (L,), the group of each label
    photos:     how many photos these are: each may have been held out in several rounds
    """

    evidence: Evidence
    labels: npt.NDArray[np.int64]
    seen: Booleans
    groups: npt.NDArray[np.int64]
    photos: int


def calibrate(held: HeldOut) -> Calibration:
    """Fit to held-out photos; those of seen labels give the shares, all give the verdicts."""
    seen = held.seen
    known = Evidence(*(part[seen] for part in held.evidence))
    weights = fit_weights(np.stack([known.nearest, known.means], axis=2), held.labels[seen])
    fitted = Calibration(nearest=weights[0], mean=weights[1])
    best, likeness = fitted.best(known), known.likeness.astype(np.float64)
    fitted = dataclasses.replace(
        fitted,
        centre=(float(best.mean()), float(likeness.mean())),
        spread=(float(best.std()) + _TINY, float(likeness.std()) + _TINY),
        photos=held.photos,
    )
    right = fitted.scores(known).argmax(axis=1) == held.labels[seen]
    if not right.any():
        return dataclasses.replace(Calibration(), photos=0)
    percentiles = np.quantile(fitted.familiarities(known)[right], LEVELS)
    fitted = dataclasses.replace(fitted, familiarity=tuple(percentiles.tolist()))
    return _bounded(_trusting(fitted, held), held)


def _weights(held: HeldOut) -> Doubles:
    """Weigh photos so that as many are of never-seen labels as are to come; they add up to 1."""
    unseen = ~held.seen
    few, many = NEVER_SEEN / max(unseen.sum(), 1), (1 - NEVER_SEEN) / max(held.seen.sum(), 1)
    return np.asarray(np.where(unseen, few, many))


def _trusting(fitted: Calibration, held: HeldOut) -> Calibration:
    """Fit how far the likeliest species, and the likeliest label in it, are to be trusted."""
    weights, familiar = _weights(held), fitted.familiarities(held.evidence)
    shares = fitted.shares(held.evidence)
    sums = by_group(shares, held.groups)
    right_group = sums.argmax(axis=1) == held.groups[held.labels]
    fitted = dataclasses.replace(
        fitted, group=fit_trust(sums.max(axis=1), familiar, right_group, weights)
    )
    odds = fitted.honest(shares, familiar, held.groups, held.evidence.means > ABSENT)
    inside = np.where(odds.members, odds.inside, 0.0)
    some = right_group & ~odds.single
    if np.count_nonzero(some) < _FEW:
        return fitted
    right_label = (inside.argmax(axis=1) == held.labels)[some]
    within = fit_trust(inside.max(axis=1)[some], familiar[some], right_label, weights[some])
    return dataclasses.replace(fitted, variety=within)


def _bounded(fitted: Calibration, held: HeldOut) -> Calibration:
    """Choose the bounds from which on as many names as are asked for are right."""
    weights, familiar = _weights(held), fitted.familiarities(held.evidence)
    shares, there = fitted.shares(held.evidence), held.evidence.means > ABSENT
    odds = fitted.honest(shares, familiar, held.groups, there)
    right_label = odds.labels.argmax(axis=1) == held.labels
    right_group = odds.groups.argmax(axis=1) == held.groups[held.labels]
    label = odds.labels.max(axis=1)
    of_several = np.where(odds.single, 0.0, weights)
    variety = least_for(label, right_label, of_several, VARIETIES_RIGHT)
    as_label = (label >= variety) & ~odds.single
    # Of those that get no label, as many species as all names can bear.
    group = np.where(as_label, 1.0, odds.groups.max(axis=1))
    right = np.where(as_label, right_label, right_group)
    unlike = np.quantile(familiar[~held.seen] if (~held.seen).any() else familiar, UNLIKE)
    bounds = Bounds(variety, least_for(group, right, weights, RIGHT), float(unlike))
    return dataclasses.replace(fitted, bounds=bounds)


def least_for(chances: Doubles, right: Booleans, weights: Doubles, share: float) -> float:
    """Return the least chance from which on such a share of the claims is right.

    A half at least, since below that a claim is more likely wrong.
    """
    order = np.argsort(-chances, kind="stable")
    claimed = np.cumsum(weights[order])
    correct = np.cumsum((weights * right)[order])
    good = np.flatnonzero(correct >= share * claimed)
    return max(LEAST, float(chances[order[good[-1]]])) if len(good) else 1.0


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


def fit_trust(shares: Doubles, familiarities: Doubles, right: Booleans, weights: Doubles) -> Trust:
    """Fit a weighted logistic regression by Newton's method."""
    features = trust_features(shares, familiarities)
    weights = weights / weights.sum()
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
    return Trust(float(at[0]), float(at[1]), float(at[2]))


def calibration_error(confidences: Doubles, right: Booleans, bins: int = 15) -> float:
    """Return the expected calibration error: mean |confidence − share right|, over equal bins.

    C. Guo et al., "On calibration of modern neural networks", 2017.
    """
    if not len(confidences):
        return 0.0
    which = np.minimum((confidences * bins).astype(int), bins - 1)
    gaps = np.bincount(which, confidences, bins) - np.bincount(which, right.astype(float), bins)
    return float(np.abs(gaps).sum() / len(confidences))
