"""Draw docs/views.svg: what each network and its views cost, and what they name right.

pip install matplotlib==3.10.7
python scripts/plot_views.py docs/decisions/0038-eight-bits-and-views.md docs/views.svg

The numbers are those of the first table of the decision, as `python -m benchmarks.views` gave them.
"""

from __future__ import annotations

import re
import sys
from itertools import takewhile
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt

_PANELS = {"hidden halves": "Phone photos, halves hidden", "unseen varieties": "Studio, by species"}
_ERRORS = {"hidden halves": 1.1, "unseen varieties": 0.7}  # points, one standard error
_CHOSEN, _OTHER = "#b3261e", "#8a8a86"


def main(decision: Path, out: Path) -> None:
    """Read the table, and draw one panel for phone photos and one for studio photos."""
    rows = _table(decision.read_text(encoding="utf-8"))
    mpl.rcParams.update({"svg.hashsalt": "verger", "svg.fonttype": "none", "font.size": 9})
    figure, axes = plt.subplots(1, 2, figsize=(10, 5.2), layout="constrained", sharex=True)
    figure.supxlabel("Labels: side of the input: shorter side of each view", fontsize=8)
    for axis, (column, title) in zip(axes, _PANELS.items(), strict=True):
        points = [(_number(row["ms"]), _number(row[column])) for row in rows]
        best = sorted(
            point for point in points if not any(_dominates(other, point) for other in points)
        )
        axis.plot(*zip(*best, strict=True), color=_OTHER, linewidth=0.8, zorder=0)
        for row, point in zip(rows, points, strict=True):
            chosen = row["network"].startswith("**")
            colour = _CHOSEN if chosen else _OTHER
            axis.errorbar(*point, _ERRORS[column], fmt="o", ms=5, elinewidth=0.5, color=colour)
            axis.annotate(
                f"{re.sub('[*`]', '', row['network'])}\n{_short(row)}",
                point,
                xytext=(6, 2 if point in best else -3),
                textcoords="offset points",
                va="bottom" if point in best else "top",
                fontsize=6.5,
                weight="bold" if chosen else "normal",
            )
        axis.set(title=title, xlabel="milliseconds of a core a photo", ylabel="named right, %")
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(out, metadata={"Date": None})


def _short(row: dict[str, str]) -> str:
    """Tell the side of the input, and the shorter side of each view: "224: 224, 420"."""
    views = row["side/shorter side of each view"]
    return f"{views.partition('/')[0]}: {', '.join(re.findall('/([0-9]+)', views))}"


def _table(text: str) -> list[dict[str, str]]:
    lines = takewhile(bool, text[text.index("| network |") :].splitlines())
    cells = [line.strip("|").split("|") for line in lines]
    head, _, *rows = ([cell.strip() for cell in row] for row in cells)
    return [dict(zip(head, row, strict=True)) for row in rows]


def _number(cell: str) -> float:
    return float(re.sub(r"[*%]", "", cell))


def _dominates(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one[0] <= other[0] and one[1] >= other[1] and one != other


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
