"""The discriminant projection against independent oracles: scikit-learn and SciPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from verger.errors import StoreError, UsageError
from verger.projections.discriminant import fit_discriminant, load_discriminant, save_discriminant
from verger.projections.moments import Moments, merge_all, root_unit
from verger.projections.pca import fixed_signs

D, LABELS = 8, ("Apple", "Lemon", "Pear", "Plum")


def data(n: int = 240, seed: int = 0) -> tuple[np.ndarray, list[str]]:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(len(LABELS), D)) * 2 + 1
    which = rng.integers(0, len(LABELS), n)
    rows = centres[which] + rng.normal(size=(n, D)) * rng.uniform(0.2, 1.5, D)
    return rows.astype(np.float32), [LABELS[i] for i in which]


def fit_of(rows: np.ndarray, labels: list[str], shrinkage: float = 0.3) -> object:
    return fit_discriminant(Moments.of(root_unit(rows), labels), shrinkage)


@pytest.mark.slow
def test_without_shrinkage_it_is_scikit_learns() -> None:
    from sklearn import discriminant_analysis  # takes seconds: not where no test asks for it

    rows, labels = data()
    unit = root_unit(rows)
    ours = fit_discriminant(Moments.of(unit, labels), 0.0)
    lda = discriminant_analysis.LinearDiscriminantAnalysis(solver="eigen").fit(unit, labels)
    theirs = fixed_signs(lda.scalings_[:, : ours.k].T)
    assert ours.k == len(LABELS) - 1
    for one, two in zip(ours.components, theirs, strict=True):
        np.testing.assert_allclose(one / np.linalg.norm(one), two / np.linalg.norm(two), atol=1e-6)


@pytest.mark.parametrize("shrinkage", [0.0, 0.1, 0.3, 0.9, 1.0])
def test_it_solves_the_generalised_eigenproblem(shrinkage: float) -> None:
    import scipy.linalg

    rows, labels = data()
    unit, which = root_unit(rows), np.array(labels)
    total = np.cov(unit.T, ddof=0)
    means = np.stack([unit[which == one].mean(axis=0) for one in LABELS])
    weights = np.array([(which == one).mean() for one in LABELS])
    between = (means - unit.mean(axis=0)).T * weights @ (means - unit.mean(axis=0))
    within = total - between
    shrunk = (1 - shrinkage) * within + shrinkage * np.trace(within) / D * np.eye(D)
    values, vectors = scipy.linalg.eigh(between, shrunk)
    ours = fit_discriminant(Moments.of(unit, labels), shrinkage)
    np.testing.assert_allclose(ours.separation, values[::-1][: ours.k], rtol=1e-8)
    np.testing.assert_allclose(
        ours.components, fixed_signs(vectors[:, ::-1][:, : ours.k].T), rtol=1e-6, atol=1e-8
    )


def test_the_grouping_of_rows_changes_nothing() -> None:
    rows, labels = data()
    unit = root_unit(rows)
    parts = [Moments.of(unit[i : i + 11], labels[i : i + 11]) for i in range(0, len(unit), 11)]
    whole = fit_discriminant(Moments.of(unit, labels))
    np.testing.assert_allclose(
        fit_discriminant(merge_all(parts, D)).components, whole.components, rtol=1e-8
    )


def test_the_length_of_a_row_does_not_matter() -> None:
    rows, labels = data()
    model = fit_discriminant(Moments.of(root_unit(rows), labels))
    np.testing.assert_allclose(model.transform(rows * 7), model.transform(rows), atol=1e-4)


def test_an_unknown_input_is_refused(tmp_path: Path) -> None:
    rows, labels = data()
    save_discriminant(fit_discriminant(Moments.of(root_unit(rows), labels)), tmp_path)
    file = tmp_path / "discriminant.json"
    file.write_text(file.read_text().replace("square root, unit length", "cube root"))
    with pytest.raises(StoreError, match="made for other features"):
        load_discriminant(tmp_path)


def test_fewer_than_two_labels_is_a_clear_error() -> None:
    rows, _ = data(20)
    with pytest.raises(UsageError, match="two labels or more; there is 1"):
        fit_of(rows, ["Apple"] * 20)
    with pytest.raises(UsageError, match="there is 0"):
        fit_discriminant(Moments.of(root_unit(rows)))


def test_labels_of_a_single_photo_each_are_taken() -> None:
    rows, _ = data(6)
    model = fit_discriminant(Moments.of(root_unit(rows), [f"L{i}" for i in range(6)]))
    assert 1 <= model.k <= 5
    assert np.isfinite(model.transform(rows)).all()


def test_a_single_photo_among_fuller_labels_is_taken() -> None:
    rows, labels = data()
    model = fit_discriminant(Moments.of(root_unit(rows), ["Only one", *labels[1:]]))
    assert model.k == len(LABELS)
    assert np.isfinite(model.transform(rows)).all()


def test_labels_with_the_same_photos_have_no_direction() -> None:
    row = np.ones((4, D), dtype=np.float32)
    model = fit_discriminant(Moments.of(root_unit(row), ["a", "a", "b", "b"]))
    assert model.k == 0
    assert model.transform(row).shape == (4, 0)


def test_too_few_photos_without_shrinkage_is_a_clear_error() -> None:
    rows, labels = data(6)
    with pytest.raises(UsageError, match="Give a shrinkage above 0"):
        fit_of(rows, labels, 0.0)


@pytest.mark.parametrize("shrinkage", [-0.1, 1.1, float("nan")])
def test_a_shrinkage_outside_0_to_1_is_refused(shrinkage: float) -> None:
    with pytest.raises(UsageError, match="between 0 and 1"):
        fit_of(*data(), shrinkage=shrinkage)


def test_saving_and_loading_gives_the_same(tmp_path: Path) -> None:
    rows, labels = data()
    model = fit_discriminant(Moments.of(root_unit(rows), labels))
    save_discriminant(model, tmp_path)
    loaded = load_discriminant(tmp_path)
    np.testing.assert_array_equal(loaded.transform(rows), model.transform(rows))
    assert (loaded.shrinkage, loaded.rows, loaded.labels) == (0.3, 240, 4)


def test_labels_that_differ_by_rounding_alone_have_no_direction() -> None:
    pair = root_unit(data(2)[0])
    rows = np.tile(pair, (6, 1))  # each label has both rows, and so the same mean
    model = fit_discriminant(Moments.of(rows, ["a", "a", "b", "b"] * 3))
    assert model.k == 0
    same = np.repeat(root_unit(data(1)[0]), 30, axis=0)
    assert fit_discriminant(Moments.of(same, ["a", "b", "c"] * 10)).k == 0


def test_rows_of_another_width_are_a_clear_error() -> None:
    rows, labels = data()
    model = fit_discriminant(Moments.of(root_unit(rows), labels))
    with pytest.raises(ValueError, match=r"shape \(2, 7\) for a projection of 8 columns"):
        model.transform(np.zeros((2, 7), dtype=np.float32))
