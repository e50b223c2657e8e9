"""Models of every format that was ever written are read, forever. Never write a fixture again."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from verger.errors import StoreError
from verger.projections.discriminant import load_discriminant
from verger.projections.pca import load_pca, save_pca

FIXTURES = Path(__file__).parent.parent / "fixtures"
MODELS = FIXTURES / "models-format-1"
ROWS = np.array([[1, 2, 3, 4], [0, -1, 2, 0.5]], dtype=np.float32)


def test_a_pca_of_format_1_projects_as_it_did() -> None:
    pca = load_pca(MODELS)
    assert (pca.k, pca.rank, pca.rows, pca.standardized) == (3, 4, 30, True)
    expected = [
        [-0.32283708, 0.01642012, 0.00595919],
        [-6.17426491, -0.68458420, -0.98950237],
    ]
    np.testing.assert_allclose(pca.transform(ROWS), expected, rtol=1e-5)


def test_a_discriminant_of_format_2_projects_as_it_did() -> None:
    model = load_discriminant(FIXTURES / "models-format-2")
    assert (model.k, model.shrinkage, model.rows, model.labels) == (2, 0.3, 30, 3)
    expected = [[-0.63398612, -1.33679879], [-5.50768423, -2.45095658]]
    np.testing.assert_allclose(model.transform(ROWS), expected, rtol=1e-5)


def test_a_discriminant_of_format_1_projects_as_it_did() -> None:
    model = load_discriminant(MODELS)
    assert (model.k, model.shrinkage, model.rows, model.labels) == (2, 0.3, 30, 3)
    expected = [[0.18305413, 0.68221331], [-1.98927736, -4.09855413]]
    np.testing.assert_allclose(model.transform(ROWS), expected, rtol=1e-5)


@pytest.mark.parametrize("wrong", [None, "x", -1, [], {}, math.inf, 10**400, "false", True, 1.5])
@pytest.mark.parametrize(
    ("kind", "field"),
    [
        *[("pca", field) for field in ("format", "k", "rank", "rows")],
        *[("discriminant", field) for field in ("format", "k", "rows", "labels", "input")],
    ],
)
def test_a_field_of_another_kind_is_refused(
    kind: str, field: str, wrong: object, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(MODELS, tmp_path / "models"))
    header = json.loads((copy / f"{kind}.json").read_text())
    (copy / f"{kind}.json").write_text(json.dumps({**header, field: wrong}))
    with pytest.raises(StoreError) as error:
        {"pca": load_pca, "discriminant": load_discriminant}[kind](copy)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("field", "wrong"),
    [("standardized", "false"), ("standardized", 1), ("total_variance", -1.0),
     ("total_variance", math.inf), ("total_variance", "1"), ("k", 2)],
)  # fmt: skip
def test_a_pca_that_contradicts_itself_is_refused(
    field: str, wrong: object, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(MODELS, tmp_path / "models"))
    header = json.loads((copy / "pca.json").read_text())
    (copy / "pca.json").write_text(json.dumps({**header, field: wrong}))
    with pytest.raises(StoreError, match="not a saved pca model"):
        load_pca(copy)


def test_scales_and_variances_that_cannot_be_are_refused(tmp_path: Path) -> None:
    pca = load_pca(MODELS)
    for field in ("scale", "explained_variance"):
        for wrong in (0.0, -1.0):
            changed = getattr(pca, field).copy()
            changed[0] = wrong
            save_pca(dataclasses.replace(pca, **{field: changed}), tmp_path)
            with pytest.raises(StoreError, match=f"{field} is not above 0"):
                load_pca(tmp_path)
