"""Models of every format that was ever written are read, forever. Never write a fixture again."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from verger.discriminant import load_discriminant
from verger.projection import load_pca

FIXTURES = Path(__file__).parent.parent / "fixtures"
ROWS = np.array([[1, 2, 3, 4], [0, -1, 2, 0.5]], dtype=np.float32)


def test_a_pca_of_format_1_projects_as_it_did() -> None:
    pca = load_pca(FIXTURES / "models-format-1")
    assert (pca.k, pca.rank, pca.rows, pca.standardized) == (3, 4, 30, True)
    expected = [
        [-0.32283708, 0.01642012, 0.00595919],
        [-6.17426491, -0.68458420, -0.98950237],
    ]
    np.testing.assert_allclose(pca.transform(ROWS), expected, rtol=1e-5)


def test_a_discriminant_of_format_1_projects_as_it_did() -> None:
    model = load_discriminant(FIXTURES / "models-format-1")
    assert (model.k, model.shrinkage, model.rows, model.labels) == (2, 0.3, 30, 3)
    expected = [[0.18305413, 0.68221331], [-1.98927736, -4.09855413]]
    np.testing.assert_allclose(model.transform(ROWS), expected, rtol=1e-5)
