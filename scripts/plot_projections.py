"""Draw docs/projections.svg: the demo's orchard in PCA and in discriminant space.

pip install matplotlib==3.10.7      # in an environment that has Verger
verger demo verger-demo
python scripts/plot_projections.py verger-demo/store docs/projections.svg
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pyarrow.parquet as pq

from verger.projections.discriminant import load_discriminant
from verger.projections.pca import load_pca

_SHOWN = ("Apple", "Cherry", "Lemon", "Pear", "Grape", "Tomato", "Banana", "Orange")


def main(store: Path, out: Path) -> None:
    """Read features and projections of a STORE, and draw the first two components of each."""
    table = pq.read_table(store / "features", columns=["label", "features"])
    species = np.array([str(label).split()[0] for label in table["label"].to_pylist()])
    rows = np.array(table["features"].to_pylist(), dtype=np.float32)
    mpl.rcParams.update({"svg.hashsalt": "verger", "font.size": 9})
    figure, axes = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained")
    folder = store / "projection"
    spaces = {
        "PCA: where photos differ most": load_pca(folder).transform(rows)[:, :2],
        "Discriminant: where labels differ most": load_discriminant(folder).transform(rows)[:, :2],
    }
    for axis, (title, points) in zip(axes, spaces.items(), strict=True):
        axis.scatter(*points.T, s=6, color="#cccccc", label="other")
        for name in _SHOWN:
            mine = points[species == name]
            axis.scatter(*mine.T, s=12, label=name)
        axis.set(title=title, xlabel="first component", ylabel="second component")
    axes[1].legend(fontsize=8, markerscale=1.5, frameon=False)
    figure.savefig(out, metadata={"Date": None})


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
