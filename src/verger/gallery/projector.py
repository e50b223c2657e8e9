"""From features to the space that photos are compared in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from verger.gallery.files import sha256_of
from verger.projections.discriminant import Discriminant, load_discriminant
from verger.projections.moments import unit_length
from verger.projections.pca import PCA, load_pca

Kind = Literal["discriminant", "pca"]


@dataclass(frozen=True, slots=True)
class Projector:
    """A projection whose rows come out at unit length, so that dot products are cosines.

    sha256 is that of the model's JSON file, which holds those of its arrays: it names the fit.
    """

    kind: Kind
    sha256: str
    model: Discriminant | PCA

    @property
    def k(self) -> int:
        """The number of dimensions."""
        return self.model.k

    @property
    def width(self) -> int:
        """The number of features that a row has."""
        return len(self.model.mean)

    def __call__(self, rows: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        """Project rows (n, width) and scale them to length 1: float32 (n, k)."""
        return unit_length(self.model.transform(rows)).astype(np.float32)

    def record(self) -> dict[str, str]:
        """Return what a gallery keeps of it, to know it again."""
        return {"kind": self.kind, "sha256": self.sha256}


def open_projector(folder: Path) -> Projector:
    """Open the discriminant projection of a run, or its PCA where it has none."""
    file = folder / "discriminant.json"
    if file.exists():
        return Projector("discriminant", sha256_of(file), load_discriminant(folder))
    pca = load_pca(folder)
    return Projector("pca", sha256_of(folder / "pca.json"), pca)
