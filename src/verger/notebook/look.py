"""How the notebook's charts look: as the report's, with names beside what they name."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from PIL import Image

from verger.photos.decode import decode
from verger.photos.reasons import Reject
from verger.report.mapped import colours
from verger.storage.place import Source

# The report's (`report/page/report.css` and `map.js`).
PAPER, CARD, INK, SOFT, FAINT, LINE = (
    "#f8f6f0", "#ffffff", "#1d2620", "#566058", "#b3b8b1", "#e1ddd1",
)  # fmt: skip
ACCENT, SECOND = "#2a6a3c", "#b4531a"
HUES = (
    "#c62f2f", "#1e6fc0", "#2b8a3e", "#8a3fc0", "#d9730d", "#0f8a8a",
    "#c2258a", "#8a6d00", "#5a5fd6", "#6b4a2b", "#5b7a1f", "#46586b",
)  # fmt: skip
STYLE: Mapping[str, Any] = {
    "figure.facecolor": PAPER, "axes.facecolor": CARD, "savefig.facecolor": PAPER,
    "axes.edgecolor": LINE, "axes.labelcolor": SOFT, "axes.titlecolor": INK,
    "axes.titlelocation": "left", "axes.titleweight": "bold", "axes.titlesize": 12,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": LINE,
    "axes.axisbelow": True, "xtick.color": SOFT, "ytick.color": SOFT, "text.color": INK,
    "lines.linewidth": 2.5, "figure.titlesize": 13, "figure.constrained_layout.use": True,
}  # fmt: skip
_NAME = 22  # characters of a label that are shown


def dress() -> None:
    """Give all charts from here on the report's look."""
    plt.rcParams.update(STYLE)


def short(name: object) -> str:
    """Cut a name that is too long for a chart, and keep it from being read as mathematics."""
    text = "" if name is None else str(name)
    text = text if len(text) <= _NAME else f"{text[: _NAME - 1]}…"
    return text.replace("$", r"\$")


def show(ax: Axes, photos: Source, path: str, name: object = "", colour: str = INK) -> None:
    """Draw one photo, and a name over it."""
    try:
        ax.imshow(Image.open(io.BytesIO(decode(photos.read(path)).thumbnail)))
    except (OSError, Reject):
        ax.text(0.5, 0.5, "?", ha="center", transform=ax.transAxes)
    ax.set_title(short(name), fontsize=8, color=colour, loc="center", fontweight="normal")
    ax.axis("off")


def scatter(
    ax: Axes, points: npt.NDArray[np.floating], labels: Sequence[str | None], language: str
) -> None:
    """Draw photos at their first two coordinates, in the report's colours, with labels over them.

    Each label, or where there are too many each species, has a colour of its own; those that
    have none are grey. A name that would lie over another one is left out.
    """
    names = sorted({label for label in labels if label is not None})
    counts = Counter(labels)
    found = colours(names, [counts[name] for name in names], language)
    of = np.array([-1 if label is None else names.index(label) for label in labels])
    y = min(1, points.shape[1] - 1)
    for code in [-1, *range(len(names))]:
        mine = points[of == code]
        group = found.groups[code] if code >= 0 else -1
        colour = HUES[group] if group >= 0 else FAINT
        ax.scatter(mine[:, 0], mine[:, y], s=16, alpha=0.75, color=colour, linewidths=0)
    ax.figure.canvas.draw()
    taken: list[Any] = []
    for name in sorted(names, key=lambda name: -counts[name]):
        middle = np.median(points[of == names.index(name)][:, [0, y]], axis=0)
        text = ax.annotate(
            short(name), (middle[0], middle[1]), fontsize=8, ha="center", va="center", color=INK,
            bbox={"facecolor": CARD, "edgecolor": "none", "alpha": 0.75, "pad": 1.0},
        )  # fmt: skip
        box = text.get_window_extent()
        if any(box.overlaps(other) for other in taken):
            text.remove()
        else:
            taken.append(box)
