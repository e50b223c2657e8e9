"""How far a projection is from one fitted anew: SciPy's angles, and variances by the rows."""

from __future__ import annotations

import numpy as np
import pytest

from verger.projections.change import change_of, largest_angle
from verger.projections.discriminant import fit_discriminant, separation_kept
from verger.projections.moments import Moments, root_unit
from verger.projections.pca import fit_pca

from .test_discriminant import LABELS
from .test_discriminant import data as labelled
from .test_pca import data


@pytest.mark.parametrize("apart", [1e-12, 1e-7, 1e-3, 0.5, 10.0])
@pytest.mark.parametrize("k", [1, 4])
def test_the_largest_angle_is_scipys(apart: float, k: int) -> None:
    import scipy.linalg

    rng = np.random.default_rng(1)
    one = np.linalg.qr(rng.normal(size=(9, k)))[0].T
    other = np.linalg.qr(one.T + apart * rng.normal(size=(9, k)))[0].T
    theirs = np.degrees(scipy.linalg.subspace_angles(one.T, other.T)[0])
    assert largest_angle(one, other) == pytest.approx(theirs, rel=1e-6, abs=1e-13)
    assert largest_angle(other, one) == pytest.approx(theirs, rel=1e-6, abs=1e-13)


def test_components_that_turn_within_their_subspace_are_no_change() -> None:
    rows = data()
    pca = fit_pca(Moments.of(rows), 4)
    turned = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))[0] @ pca.components
    assert largest_angle(turned, pca.components) < 1e-12


@pytest.mark.parametrize("standardize", [False, True])
def test_nothing_is_lost_on_the_rows_that_it_was_fitted_to(standardize: bool) -> None:
    moments = Moments.of(data())
    pca = fit_pca(moments, 5, standardize=standardize)
    change = change_of(pca, moments)
    assert change is not None
    assert change.angle < 1e-6
    assert change.kept == pytest.approx(change.best, abs=1e-12)
    assert change.best == pytest.approx(pca.explained_variance_ratio.sum(), abs=1e-12)


def test_what_is_kept_is_what_the_rows_lose_by_going_there_and_back() -> None:
    rows = np.concatenate([data(), data(80, seed=3) * 1.3 + 0.4]).astype(np.float32)
    pca, moments = fit_pca(Moments.of(data()), 5), Moments.of(rows)
    change = change_of(pca, moments)
    assert change is not None
    total = np.trace(moments.scatter) / moments.n
    lost = pca.reconstruction_error(rows) / total
    # The mean counts with n rows there, and with n - 1 in a variance.
    assert 1 - change.kept == pytest.approx(lost, rel=1 / len(rows))
    assert change.lost > 0.001
    assert change.angle > 0.1
    best = fit_pca(moments, 5)
    assert change.best == pytest.approx(best.explained_variance_ratio.sum(), abs=1e-12)
    assert change == change_of(pca, moments, best)


def test_standardised_variance_is_taken_in_the_units_of_the_new_fit() -> None:
    rows = np.concatenate([data(), data(80, seed=3) * 1.3]).astype(np.float32)
    pca = fit_pca(Moments.of(data()), 5, standardize=True)
    change = change_of(pca, Moments.of(rows))
    assert change is not None
    exact = rows.astype(np.float64)
    scaled = (exact - exact.mean(axis=0)) / exact.std(axis=0, ddof=1)
    moved = (exact.mean(axis=0) - pca.mean) / exact.std(axis=0, ddof=1)
    # As a function of a row in the new units, a component of old is this:
    axes = np.linalg.qr((pca.components * exact.std(axis=0, ddof=1) / pca.scale).T)[0]
    outside = (scaled + moved) - (scaled + moved) @ axes @ axes.T
    wanted = 1 - (outside**2).mean(axis=0).sum() / scaled.var(axis=0).sum()
    assert change.kept == pytest.approx(wanted, rel=2 / len(rows))
    assert change.lost > 0


def test_components_that_rows_do_not_have_cannot_be_compared() -> None:
    moments = Moments.of(data())
    assert change_of(fit_pca(moments, 8), Moments.of(data(6))) is None
    assert change_of(fit_pca(Moments.of(data(1)), 1), moments) is None


@pytest.mark.parametrize("shrinkage", [0.0, 0.3])
def test_directions_fitted_to_rows_separate_their_labels_best(shrinkage: float) -> None:
    rows, labels = labelled()
    moments = Moments.of(root_unit(rows), labels)
    model = fit_discriminant(moments, shrinkage)
    assert separation_kept(model, moments) == pytest.approx(1, abs=1e-9)
    others, names = labelled(120, seed=5)
    merged = moments.merge(Moments.of(root_unit(others), names))
    share = separation_kept(model, merged)
    assert share < 0.999
    # By the rows themselves: the same ratio of spreads in the space of the directions.
    unit, which = root_unit(np.concatenate([rows, others])), np.array(labels + names)
    means = np.stack([unit[which == one].mean(axis=0) for one in LABELS])
    weights = np.array([(which == one).mean() for one in LABELS])
    between = (means - unit.mean(axis=0)).T * weights @ (means - unit.mean(axis=0))
    within = np.cov(unit.T, ddof=0) - between
    d = unit.shape[1]
    shrunk = (1 - shrinkage) * within + shrinkage * np.trace(within) / d * np.eye(d)
    a = model.components
    mine = np.trace(np.linalg.solve(a @ shrunk @ a.T, a @ between @ a.T))
    best = np.trace(np.linalg.solve(shrunk, between))
    assert share == pytest.approx(mine / best, rel=1e-6)
