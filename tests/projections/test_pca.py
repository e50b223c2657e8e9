"""PCA against independent oracles: NumPy's SVD and scikit-learn, compared signed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from verger.projections.moments import Moments, merge_all
from verger.projections.pca import PCA, fit_pca, fixed_signs, load_pca, save_pca

Oracle = Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]


def data(n: int = 200, d: int = 12, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    mixed = rng.normal(size=(n, d)) * np.geomspace(10, 0.1, d) @ rng.normal(size=(d, d))
    return (mixed + rng.uniform(-5, 5, d)).astype(np.float32)


def by_numpy(rows: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    centred = rows.astype(np.float64) - rows.astype(np.float64).mean(axis=0)
    _, singular, right = np.linalg.svd(centred, full_matrices=False)
    return fixed_signs(right[:k]), singular[:k] ** 2 / (len(rows) - 1)


def by_sklearn(rows: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    from sklearn import decomposition  # takes seconds: not where no test asks for it

    fitted = decomposition.PCA(k, svd_solver="full").fit(rows.astype(np.float64))
    return fixed_signs(fitted.components_), fitted.explained_variance_


@pytest.mark.parametrize("oracle", [by_numpy, by_sklearn])
@pytest.mark.parametrize(("n", "d", "k"), [(200, 12, 5), (200, 12, 12), (8, 40, 7), (3, 5, 2)])
def test_components_are_the_oracles(oracle: Oracle, n: int, d: int, k: int) -> None:
    rows = data(n, d)
    pca = fit_pca(Moments.of(rows), k)
    components, variance = oracle(rows, k)
    np.testing.assert_allclose(pca.components, components, atol=1e-6)
    np.testing.assert_allclose(pca.explained_variance, variance, rtol=1e-9, atol=1e-9 * variance[0])


def test_standardised_is_the_pca_of_standardised_rows() -> None:
    rows = data()
    exact = rows.astype(np.float64)
    scaled = (exact - exact.mean(axis=0)) / exact.std(axis=0, ddof=1)
    pca = fit_pca(Moments.of(rows), 5, standardize=True)
    components, variance = by_numpy(scaled, 5)
    np.testing.assert_allclose(pca.components, components, atol=1e-6)
    np.testing.assert_allclose(pca.explained_variance, variance, rtol=1e-9)
    assert pca.total_variance == pytest.approx(rows.shape[1])
    np.testing.assert_allclose(pca.transform(rows), scaled @ components.T, atol=1e-5)


def test_the_projection_is_centred_and_uncorrelated() -> None:
    projected = fit_pca(Moments.of(data()), 8).transform(data()).astype(np.float64)
    covariance = np.cov(projected.T)
    spread = np.sqrt(np.diagonal(covariance))
    assert (np.abs(projected.mean(axis=0)) < 1e-4 * spread).all()
    correlation = covariance / np.outer(spread, spread)
    np.testing.assert_allclose(correlation, np.eye(8), atol=1e-4)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.8, 0.95, 0.999, 0.999999])
def test_a_share_takes_the_smallest_k_that_reaches_it(share: float) -> None:
    pca = fit_pca(Moments.of(data()), share)
    ratios = np.cumsum(by_numpy(data(), 12)[1]) / by_numpy(data(), 12)[1].sum()
    assert pca.cumulative_ratio[-1] >= share
    assert pca.k == 1 or ratios[pca.k - 2] < share


def test_a_share_that_a_component_reaches_exactly_takes_no_more() -> None:
    rows = np.array([[3, 0], [-3, 0], [0, 1], [0, -1]], dtype=np.float32)  # variances 9 to 1
    assert fit_pca(Moments.of(rows), 0.9).k == 1
    assert fit_pca(Moments.of(rows), 0.9001).k == 2


@pytest.mark.parametrize(("n", "rank"), [(1, 0), (2, 1), (16, 15)])
def test_n_photos_give_n_minus_1_components_at_most(n: int, rank: int) -> None:
    pca = fit_pca(Moments.of(data(n, 40)), 100)
    assert (pca.rank, pca.k) == (rank, rank)


@pytest.mark.parametrize("offset", [0.0, 1.0, 1e4])
def test_rows_that_are_all_the_same_have_rank_zero(offset: float) -> None:
    rows = np.repeat(data(1, 40) + np.float32(offset), 9, axis=0)
    for standardize in (False, True):
        pca = fit_pca(Moments.of(rows), 0.95, standardize=standardize)
        assert (pca.rank, pca.k) == (0, 0)
        assert pca.transform(rows).shape == (9, 0)
        assert pca.explained_variance_ratio.shape == (0,)


def test_constant_and_repeated_columns_add_no_rank() -> None:
    rows = data(100, 6)
    wide = np.hstack([rows, np.full((100, 3), 7, np.float32), rows[:, :2]])
    for standardize in (False, True):
        pca = fit_pca(Moments.of(wide), 100, standardize=standardize)
        assert pca.rank == 6
        assert np.isfinite(pca.transform(wide)).all()


def test_repeating_all_rows_changes_no_component() -> None:
    one, three = Moments.of(data()), Moments.of(np.vstack([data()] * 3))
    np.testing.assert_allclose(fit_pca(one, 5).components, fit_pca(three, 5).components, atol=1e-9)


def test_the_order_and_grouping_of_rows_change_nothing() -> None:
    rows = data()
    mixed = np.random.default_rng(1).permutation(rows)
    parts = merge_all([Moments.of(mixed[i : i + 9]) for i in range(0, 200, 9)], rows.shape[1])
    np.testing.assert_allclose(
        fit_pca(parts, 5).transform(rows), fit_pca(Moments.of(rows), 5).transform(rows), atol=1e-4
    )


def test_signs_do_not_depend_on_the_solver() -> None:
    pca = fit_pca(Moments.of(data()), 12)
    largest = np.abs(pca.components).argmax(axis=1)
    assert (pca.components[np.arange(12), largest] > 0).all()


def test_the_whole_space_gives_the_rows_back() -> None:
    rows = data()
    whole = fit_pca(Moments.of(rows), 12)
    np.testing.assert_allclose(whole.inverse_transform(whole.transform(rows)), rows, atol=1e-3)
    assert whole.reconstruction_error(rows) == pytest.approx(0, abs=1e-8)
    five = fit_pca(Moments.of(rows), 5)
    lost = five.total_variance * (1 - five.cumulative_ratio[-1]) * (len(rows) - 1) / len(rows)
    assert five.reconstruction_error(rows) == pytest.approx(lost, rel=1e-6)


def test_whitened_components_have_variance_one() -> None:
    pca = fit_pca(Moments.of(data()), 5)
    np.testing.assert_allclose(pca.transform(data(), whiten=True).var(axis=0, ddof=1), 1, rtol=1e-4)


@pytest.mark.parametrize("standardize", [False, True])
def test_saving_and_loading_gives_the_same(tmp_path: Path, standardize: bool) -> None:
    pca = fit_pca(Moments.of(data()), 5, standardize=standardize)
    save_pca(pca, tmp_path)
    loaded = load_pca(tmp_path)
    assert loaded.standardized is standardize
    np.testing.assert_array_equal(loaded.transform(data()), pca.transform(data()))
    same: tuple[str, ...] = ("rank", "rows", "total_variance")
    assert [getattr(loaded, one) for one in same] == [getattr(pca, one) for one in same]


def test_fitting_changes_no_moments() -> None:
    moments = Moments.of(data())
    before = moments.scatter.copy()
    assert isinstance(fit_pca(moments, 3, standardize=True), PCA)
    np.testing.assert_array_equal(moments.scatter, before)


def test_standardised_features_may_be_of_very_unlike_units() -> None:
    rows = data(200, 3)
    units = np.array([1e6, 1.0, 1e-6], dtype=np.float32)
    one = fit_pca(Moments.of(rows), 3, standardize=True)
    two = fit_pca(Moments.of(rows * units), 3, standardize=True)
    assert two.rank == 3
    np.testing.assert_allclose(two.explained_variance, one.explained_variance, rtol=1e-5)


def test_whitened_rows_come_back() -> None:
    rows = data()
    whole = fit_pca(Moments.of(rows), 12)
    white = whole.transform(rows, whiten=True)
    np.testing.assert_allclose(whole.inverse_transform(white, whiten=True), rows, atol=1e-3)


def test_rows_of_another_width_are_a_clear_error() -> None:
    pca = fit_pca(Moments.of(data()), 5)
    for wrong in (pca.transform, pca.reconstruction_error):
        with pytest.raises(ValueError, match=r"shape \(2, 11\) for a projection of 12 columns"):
            wrong(np.zeros((2, 11), dtype=np.float32))
    with pytest.raises(ValueError, match="of 5 columns"):
        pca.inverse_transform(np.zeros((2, 12), dtype=np.float32))
