"""Calibration: probabilities that mean what they say, on data whose truth is known."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt
import pytest

from galleries import LABELS, features_of
from verger.gallery.calibration import Calibration, softmax
from verger.gallery.evidence import ABSENT, Evidence, label_means
from verger.gallery.fitting import (
    HeldOut,
    calibrate,
    calibration_error,
    fit_trust,
    fit_weights,
    least_for,
)
from verger.gallery.odds import Honest, Trust, by_group, rescaled
from verger.gallery.validation import validate
from verger.projections.discriminant import fit_discriminant
from verger.projections.moments import Moments, root_unit, unit_length

RNG = np.random.default_rng(0)


def test_the_weights_that_made_the_labels_are_found() -> None:
    features = RNG.uniform(-1, 1, (20_000, 6, 2)).astype(np.float32)
    shares = softmax(features @ np.array([3.0, 8.0]))
    labels = np.array([RNG.choice(6, p=row) for row in shares])
    assert fit_weights(features, labels) == pytest.approx((3.0, 8.0), rel=0.1)


def test_a_weight_is_never_negative() -> None:
    features = RNG.uniform(-1, 1, (2_000, 4, 2)).astype(np.float32)
    labels = (2 * features[..., 0] - 5 * features[..., 1]).argmax(axis=1)
    nearest, mean = fit_weights(features, labels)
    assert mean == 0
    assert nearest > 0


def test_trust_is_logistic_regression() -> None:
    from sklearn.linear_model import LogisticRegression  # takes seconds: not for other tests

    confidences, familiar = RNG.uniform(0.05, 0.95, 5_000), RNG.normal(size=5_000)
    logits = np.log(confidences / (1 - confidences))
    right = RNG.random(5_000) < 1 / (1 + np.exp(-(0.8 * logits + 0.5 * familiar + 0.2)))
    trust = fit_trust(confidences, familiar, right, np.full(5_000, 1 / 5_000))
    oracle = LogisticRegression(C=1e4).fit(np.stack([logits, familiar], axis=1), right)
    ours = [trust.share, trust.familiarity, trust.offset]
    np.testing.assert_allclose(ours, [*oracle.coef_[0], *oracle.intercept_], rtol=0.02, atol=0.02)
    chances = trust.probability(confidences, familiar)
    claimed = chances >= least_for(chances, right, np.full(5_000, 1 / 5_000), 0.9)
    assert right[claimed].mean() == pytest.approx(0.9, abs=0.02)


def test_more_confidence_or_familiarity_never_costs_a_claim() -> None:
    confidences = np.linspace(0, 1, 50)
    right = RNG.random(50) < confidences
    trust = fit_trust(confidences, RNG.normal(size=50), right, np.full(50, 0.02))
    assert (np.diff(trust.probability(confidences, np.zeros(50))) >= 0).all()
    assert (np.diff(trust.probability(np.full(50, 0.7), np.linspace(-3, 3, 50))) >= 0).all()


def test_the_calibration_error_of_honest_confidences_is_small() -> None:
    confidences = RNG.random(50_000)
    assert calibration_error(confidences, RNG.random(50_000) < confidences) < 0.01
    assert calibration_error(confidences, RNG.random(50_000) < 0.5) == pytest.approx(0.25, abs=0.01)
    assert calibration_error(np.ones(4), np.array([True, True, False, False])) == 0.5
    assert calibration_error(np.zeros(0), np.zeros(0, bool)) == 0


def test_known_is_a_share_and_grows_with_familiarity() -> None:
    knots = tuple(np.linspace(-2, 3, 101).tolist())
    known = Calibration(familiarity=knots).known(np.linspace(-30, 6, 500))
    assert (np.diff(known) >= 0).all()
    assert 0 < known[0] < 1e-6
    assert known[-1] == 1


def test_groups_add_up() -> None:
    shares = np.array([[0.5, 0.2, 0.3]])
    np.testing.assert_allclose(by_group(shares, np.array([1, 0, 1])), [[0.2, 0.8]])


def test_a_validation_tells_how_often_new_photos_will_be_named_right() -> None:
    labels = [label for _ in range(40) for label in LABELS]
    ids = np.array([LABELS.index(label) for label in labels])
    groups = np.array([0, 0, 0, 1, 2, 3, 4])
    held = validate(features_of(list(labels)), ids, groups, 0.3)
    assert held is not None
    assert set(held.labels.tolist()) == set(range(7))
    assert (~held.seen).any()
    fitted = calibrate(held)
    known = Evidence(*(part[held.seen] for part in held.evidence))
    shares = fitted.shares(known)
    right = shares.argmax(axis=1) == held.labels[held.seen]
    assert calibration_error(shares.max(axis=1), right) < 0.06
    # Each photo is hidden twice: with its occasion, and with its label.
    assert fitted.photos == held.photos == len(held.labels) // 2
    # Varieties are as right as is asked for, though one photo in ten shows what was hidden.
    everything, there = fitted.shares(held.evidence), held.evidence.means > ABSENT
    odds = fitted.honest(everything, fitted.familiarities(held.evidence), groups, there)
    claimed = ~odds.single & (odds.labels.max(axis=1) >= fitted.bounds.variety)
    named = odds.labels.argmax(axis=1) == held.labels
    weights = np.where(held.seen, 0.9 / held.seen.sum(), 0.1 / (~held.seen).sum())
    assert (weights * named)[claimed].sum() >= 0.949 * weights[claimed].sum()
    # And what it says of them is what comes of it.
    assert calibration_error(odds.groups.max(axis=1)[held.seen], right_group(held, odds)) < 0.1


def right_group(held: HeldOut, odds: Honest) -> npt.NDArray[np.bool_]:
    """Say of which held-out photos of labels that were there the species is named right."""
    return np.asarray(odds.groups.argmax(axis=1) == held.groups[held.labels])[held.seen]


def test_the_first_share_changes_and_the_others_keep_their_proportions() -> None:
    shares = RNG.dirichlet(np.ones(5), 200)
    firsts = RNG.random(200)
    scaled = rescaled(shares, firsts)
    best = shares.argmax(axis=1)
    np.testing.assert_allclose(scaled[np.arange(200), best], firsts)
    others = np.arange(5)[None, :] != best[:, None]
    assert (scaled[others] <= shares[others] + 1e-12).all()
    assert (scaled.sum(axis=1) <= 1 + 1e-12).all()
    ratio = np.where(others, scaled / shares, np.nan)
    np.testing.assert_allclose(np.nanmax(ratio, axis=1), np.nanmin(ratio, axis=1))


def test_no_label_is_surer_than_its_species() -> None:
    groups = np.array([0, 0, 1, 2, 2, 2])
    shares, familiar = RNG.dirichlet(np.ones(6), 300), RNG.normal(size=300)
    trusts = Trust(1.2, 0.4, -0.3), Trust(0.8, 0.1, 0.5)
    odds = Honest(shares, familiar, groups, np.ones(shares.shape, bool), *trusts)
    assert (by_group(odds.labels, groups) <= odds.groups + 1e-9).all()
    # Of a species with one label, both are the same: no second number contradicts the first.
    np.testing.assert_allclose(odds.labels[:, 2], odds.groups[:, 1])
    best = by_group(shares, groups).max(axis=1)
    np.testing.assert_allclose(odds.groups.max(axis=1), trusts[0].probability(best, familiar))


def test_what_a_gallery_of_before_says_is_read() -> None:
    trust = {"confidence": 0.9, "familiarity": 0.5, "offset": -0.2, "least": 0.7}
    before = {
        "nearest": 5.0, "mean": 11.0, "centre": [0.5, 0.8], "spread": [0.1, 0.05],
        "familiarity": np.linspace(-2, 3, 101).tolist(), "variety": trust | {"least": 0.65},
        "group": trust, "photos": 400,
    }  # fmt: skip
    read = Calibration.parse(before)
    assert read.group == Trust(0.9, 0.5, -0.2)
    assert (read.bounds.variety, read.bounds.group) == (0.65, 0.7)
    assert read.bounds.unlike < -2
    assert Calibration.parse(read.as_record()) == read
    with pytest.raises((TypeError, ValueError)):
        Calibration.parse(before | {"variety": trust | {"more": 1.0}})


def test_rounds_at_once_come_to_the_same() -> None:
    labels = [label for _ in range(24) for label in LABELS]
    rows, ids = features_of(labels), np.array([LABELS.index(label) for label in labels])
    one, two = (validate(rows, ids, np.arange(len(LABELS)), 0.3, threads=n) for n in (1, 3))
    assert one is not None
    assert two is not None
    assert_same = np.testing.assert_array_equal
    assert_same(one.labels, two.labels)
    assert_same(one.seen, two.seen)
    for ours, theirs in zip(one.evidence, two.evidence, strict=True):
        assert_same(ours, theirs)


def test_a_validation_projects_photos_as_the_gallery_does() -> None:
    """Prepared rows that go through `transform` are prepared twice: the wrong space, in silence."""
    labels = [label for _ in range(24) for label in LABELS]
    ids = np.array([LABELS.index(label) for label in labels])
    rows = features_of(list(labels))
    held = validate(rows, ids, np.arange(len(LABELS)), 0.3)
    assert held is not None
    hidden = ids % 4 == 0  # the first of the rounds that hide labels, after each photo's own turn
    shown = [label for label, gone in zip(labels, hidden, strict=True) if not gone]
    model = fit_discriminant(Moments.of(root_unit(rows[~hidden]), shown), 0.3)
    near, far = (unit_length(model.transform(part)) for part in (rows[~hidden], rows[hidden]))
    means = label_means(near.astype(np.float32), ids[~hidden], len(LABELS))
    there = np.flatnonzero(np.arange(len(LABELS)) % 4)
    of_round = held.evidence.means[len(rows) :][: hidden.sum()]
    np.testing.assert_allclose(of_round[:, there], (far @ means.T)[:, there], atol=1e-4)
    assert not held.seen[len(rows) :].any()
    assert held.seen[: len(rows)].all()


def test_too_few_photos_are_not_validated() -> None:
    ids = np.repeat([0, 1, 2], 20)
    rows = np.abs(RNG.normal(size=(60, 5))).astype(np.float32)
    assert validate(rows, ids, np.arange(3), 0.3) is None
    assert validate(np.tile(rows, (4, 1)), np.repeat([0, 1], 120), np.arange(2), 0.3) is None


def test_photos_that_are_all_alike_do_no_harm() -> None:
    ids = np.repeat(np.arange(4), 30)
    held = validate(np.ones((120, 5), np.float32), ids, np.arange(4), 0.3)
    assert held is not None
    assert np.isfinite(calibrate(held).scores(held.evidence)[:, :1]).all()


def test_a_calibration_comes_back_as_it_was() -> None:
    knots = tuple(np.linspace(-2, 3, 101).tolist())
    one = dataclasses.replace(Calibration(), familiarity=knots, centre=(0.5, 0.8), photos=7)
    assert Calibration.parse(one.as_record()) == one
