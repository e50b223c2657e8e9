"""Many numbers become few: moments that merge, and PCA and discriminant of them.

NumPy alone, no Spark: this is where a projection is changed. Model files are here too.
"""

from verger.projections.discriminant import (
    Discriminant,
    fit_discriminant,
    load_discriminant,
    save_discriminant,
)
from verger.projections.moments import Moments
from verger.projections.pca import PCA, fit_pca, load_pca, save_pca

__all__ = [
    "PCA",
    "Discriminant",
    "Moments",
    "fit_discriminant",
    "fit_pca",
    "load_discriminant",
    "load_pca",
    "save_discriminant",
    "save_pca",
]
