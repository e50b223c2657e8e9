"""Photos that a curator looks at first: blurred, very dark or bright, tiny, or of odd shape.

All is measured against what is usual here: brightness and sharpness against the photos of the same
label, sizes against the median of all. Nothing is opened here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from verger.report.measures import Measures
from verger.report.reading import Ints, Photos

SPREADS = 2.5
DARK, BRIGHT = 80.0, 170.0  # levels of 255 that a dark photo is below, and a bright one above
TIMES_DARKER, TIMES_BLURRED, TIMES_SMALLER, TIMES_LONGER = 2.0, 3.0, 3.0, 2.0
LESS_ROOM = 0.7  # of what is usual between a photo's brightness and white
_FEWEST = 10  # photos of a label that make it its own measure
_LEVELS, _LOGS = 3.0, 0.15  # the least that a spread is taken for, of brightness and of sharpness

KINDS = ("dark", "bright", "blurred", "tiny", "shape")


class Oddity(NamedTuple):
    """One finding: a photo by its place among all, what it is, its figure, and what is usual."""

    row: int
    what: str  # one of KINDS
    figure: float
    usual: float


def find_oddities(photos: Photos, rows: Ints, measures: Measures) -> list[Oddity]:
    """Return what is odd, each kind with the oddest first; `measures` are of the photos `rows`.

    Figures are mean brightness (0 to 255), sharpness (root mean square of the Laplacian, levels),
    the shorter side (pixels), and the longer side over the shorter.
    """
    codes = photos.codes[rows]
    found: list[Oddity] = []
    bright, sharp = measures.brightness, measures.sharpness
    logs = np.log(np.maximum(sharp, 1e-3))
    usual, score = _scores(bright, codes, _LEVELS)
    dark = (bright * TIMES_DARKER < usual) & (bright < DARK) & (score < -SPREADS)
    pale = (255 - bright < LESS_ROOM * (255 - usual)) & (bright > BRIGHT) & (score > SPREADS)
    found += _those(rows, dark, score, "dark", bright, usual)
    found += _those(rows, pale, -score, "bright", bright, usual)
    usual, score = _scores(logs, codes, _LOGS)
    # A dark or bright photo has little detail anyhow.
    blurred = (sharp * TIMES_BLURRED < np.exp(usual)) & (score < -SPREADS) & ~dark & ~pale
    found += _those(rows, blurred, score, "blurred", sharp, np.exp(usual))
    every = np.arange(len(photos))
    short = np.minimum(photos.width, photos.height).astype(np.float64)
    long = np.maximum(photos.width, photos.height)
    shape = long / np.maximum(short, 1)
    is_long = shape > _median(shape) * TIMES_LONGER  # whose shorter side says little
    for values, odd, order, what in (
        (short, (short < _median(short) / TIMES_SMALLER) & ~is_long, short, "tiny"),
        (shape, is_long, -shape, "shape"),
    ):
        found += _those(every, odd, order, what, values, np.full(len(values), _median(values)))
    return found


def _median(values: npt.NDArray[np.float64]) -> float:
    return float(np.median(values)) if len(values) else 0.0


def _those(
    rows: Ints,
    odd: npt.NDArray[np.bool_],
    order: npt.NDArray[np.float64],
    what: str,
    figures: npt.NDArray[np.float64],
    usual: npt.NDArray[np.float64],
) -> Iterator[Oddity]:
    at = np.flatnonzero(odd)
    for one in at[np.argsort(order[at], kind="stable")].tolist():
        yield Oddity(int(rows[one]), what, float(figures[one]), float(usual[one]))


def _scores(
    values: npt.NDArray[np.float64], codes: Ints, least: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return what is usual for each, and how many robust spreads it is from that; 0 if unknown."""
    known = np.isfinite(values)
    usual, score = np.full(len(values), np.nan), np.zeros(len(values))
    for code in np.unique(codes):
        mine = (codes == code) & known
        some = values[mine] if mine.sum() >= _FEWEST else values[known]
        usual[mine] = middle = _median(some)
        apart = values[mine] - middle
        score[mine] = apart / np.where(
            apart > 0, _spread(middle - some, least), _spread(some - middle, least)
        )
    return usual, score


def _spread(apart: npt.NDArray[np.float64], least: float) -> float:
    """Return the robust spread of one side, which odd ones on the other do not widen."""
    return max(1.4826 * _median(apart[apart >= 0]), least)
