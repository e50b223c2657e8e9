"""Draw docs/images/pca.webp: what PCA does to the photos of a demo run, without a word.

python scripts/plot_pca.py verger-demo/store
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from PIL import Image

import verger
from verger.projections.pca import load_pca

FILE = Path(__file__).resolve().parent.parent / "docs" / "images" / "pca.webp"
_INK, _GREEN, _ORANGE, _GREY = "#24301f", "#2f7d32", "#d9822b", "#9aa593"
_PICTURES = 90
_WHITE = 240


def main(root: Path) -> None:
    """Read a STORE, and draw three panels side by side."""
    store = verger.open_store(root)
    table = store.features(thumbnails=True).to_pandas()
    rows = np.stack(table["features"]).astype(float)
    pca = load_pca(root / "projection")
    mpl.rcParams.update({"font.size": 11, "text.color": _INK, "axes.edgecolor": _GREY})
    figure, (pair, curve, chart) = plt.subplots(1, 3, figsize=(15, 4.8), layout="constrained")
    _pair(pair, rows)
    _curve(curve, np.cumsum(pca.explained_variance_ratio), pca.k)
    _map(chart, pca.transform(rows)[:, :2], list(table["thumbnail"]))
    for axes in (pair, curve, chart):
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(colors=_INK)
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=100)
    Image.open(drawn).convert("RGB").save(FILE, "WEBP", quality=84, method=6)
    print(f"{FILE}: {FILE.stat().st_size:,} bytes")


def _pair(axes: plt.Axes, rows: np.ndarray) -> None:
    """Two features that go together, with the directions along which photos differ."""
    large = np.argsort(rows.var(axis=0))[-60:]
    alike = np.corrcoef(rows[:, large].T) - 2 * np.eye(len(large))
    one, other = large[list(np.unravel_index(alike.argmax(), alike.shape))]
    points = rows[:, [one, other]]
    centre = points.mean(axis=0)
    variances, ways = np.linalg.eigh(np.cov(points.T))
    axes.scatter(*points.T, s=9, color=_GREY, alpha=0.6, linewidths=0)
    for variance, way, colour in zip(variances, ways.T, (_ORANGE, _GREEN), strict=True):
        end = way * np.sign(way.sum()) * 2 * np.sqrt(variance)
        axes.annotate(
            "", centre + end, centre, arrowprops={"color": colour, "width": 2.5, "headwidth": 10}
        )
    axes.set_aspect("equal", adjustable="datalim")
    axes.set(xlabel=f"{one + 1}", ylabel=f"{other + 1}")


def _curve(axes: plt.Axes, kept: np.ndarray, k: int) -> None:
    """The share of variance that so many components keep."""
    axes.plot(np.arange(1, len(kept) + 1), kept, color=_GREEN, linewidth=2.5)
    axes.fill_between(np.arange(1, len(kept) + 1), kept, color=_GREEN, alpha=0.12)
    axes.plot([0, k], [kept[k - 1]] * 2, color=_ORANGE, linestyle="--")
    axes.annotate(f"k = {k}: {kept[k - 1]:.0%}", (k, kept[k - 1]), (-12, -26), ha="right",
                  textcoords="offset points", color=_ORANGE, weight="bold")  # fmt: skip
    axes.set(xlabel="k", ylim=(0, 1.03), xlim=(0, k * 1.02))
    axes.yaxis.set_major_formatter(mpl.ticker.PercentFormatter(1))


def _map(axes: plt.Axes, points: np.ndarray, thumbnails: list[bytes]) -> None:
    """Photos where their first two components put them, each far from those before it."""
    axes.scatter(*points.T, s=5, color=_GREY, alpha=0.5, linewidths=0)
    chosen, far = [0], np.linalg.norm(points - points[0], axis=1)
    while len(chosen) < min(_PICTURES, len(points)):
        chosen.append(int(far.argmax()))
        far = np.minimum(far, np.linalg.norm(points - points[chosen[-1]], axis=1))
    for at in chosen:
        photo = Image.open(io.BytesIO(thumbnails[at])).convert("RGB").resize((28, 28))
        colours = np.asarray(photo)
        ground = 255 * (colours.min(axis=2, keepdims=True) < _WHITE).astype(np.uint8)
        picture = np.concatenate([colours, ground], axis=2)  # white would hide what is behind it
        axes.add_artist(AnnotationBbox(OffsetImage(picture), points[at], frameon=False))
    axes.set(xlabel="PC 1", ylabel="PC 2")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
