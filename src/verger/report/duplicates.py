"""Photos that are there twice: the same file, or the same picture encoded again.

*Exact*: same size of file, width, height and thumbnail; looked for among all photos.

*Near*: thumbnails that differ by no more than encoding does. Features do not tell that from a fruit
that turned a little: on 100-pixel photos, saving as JPEG again moves them further than turning by
3°. So the pictures themselves are compared, small: brightness on 16 × 16 points and colour on
8 × 8, which averages the noise of encoders away and keeps what moved. The difference is the root
mean square over these values, in levels of 0 to 255. In the spirit of the perceptual hashes of
C. Zauner, "Implementation and benchmarking of perceptual image hash functions", 2010, but with the
distance itself in place of bits, as a turning fruit differs by little more than a bit.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from verger.report.reading import Floats, Ints, Photos

NEAR_LEVELS = 1.1  # levels; see `benchmarks.findings` for what this finds
_BRIGHTNESS, _COLOUR = 16, 8
_ROWS_A_BLOCK = 1024


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Groups of photos that show the same picture.

    rows:        int64 (g,), places among all photos
    groups:      int64 (g,), 1, 2, …; the members of a group follow one another
    exact:       bool (g,), whether the photo is the same file as the group's first
    difference:  float32 (g,), levels from the group's first photo
    """

    rows: Ints
    groups: Ints
    exact: np.ndarray[tuple[int], np.dtype[np.bool_]]
    difference: Floats

    @property
    def extra(self) -> int:
        """How many photos could go without any picture being lost."""
        return len(self.rows) - int(self.groups.max(initial=0))


def small_pictures(thumbnails: list[bytes]) -> Floats:
    """Return brightness (16 × 16) and colour (2 × 8 × 8) of each thumbnail, float32 (m, 384).

    One that cannot be opened is NaN throughout, and near to nothing.
    """
    wide = _BRIGHTNESS**2 + 2 * _COLOUR**2
    out = np.full((len(thumbnails), wide), np.nan, np.float32)
    for row, data in enumerate(thumbnails):
        try:
            with Image.open(io.BytesIO(data), formats=("JPEG",)) as opened:
                image = opened.convert("YCbCr")
        except (OSError, ValueError, SyntaxError):
            continue
        brightness = _resized(image, _BRIGHTNESS)[..., 0]
        colour = _resized(image, _COLOUR)[..., 1:]
        out[row] = np.concatenate([brightness.ravel(), colour.ravel()])
    return out


def exact_groups(photos: Photos) -> list[Ints]:
    """Return the rows of each set of photos with one size, width, height and thumbnail."""
    if not len(photos):
        return []
    same = np.stack([photos.digests.view(np.int64), photos.size, photos.width, photos.height])
    order = np.lexsort(same)
    ordered = same[:, order]
    breaks = np.flatnonzero((ordered[:, 1:] != ordered[:, :-1]).any(axis=0)) + 1
    return [np.sort(group) for group in np.split(order, breaks) if len(group) > 1]


def near_pairs(pictures: Floats, levels: float = NEAR_LEVELS) -> list[tuple[int, int, float]]:
    """Return every pair of rows whose pictures differ by at most `levels`, with the difference."""
    shown = np.flatnonzero(np.isfinite(pictures).all(axis=1))
    rows = pictures[shown] - (pictures[shown].mean(axis=0) if len(shown) else 0)
    square = (rows**2).sum(axis=1)
    limit = levels**2 * pictures.shape[1]
    pairs: list[tuple[int, int, float]] = []
    for start in range(0, len(rows), _ROWS_A_BLOCK):
        block = rows[start : start + _ROWS_A_BLOCK]
        # Later rows alone: each pair once. The product rounds, so some more pass here.
        rough = (
            square[start:] + square[start : start + len(block), None] - 2 * block @ rows[start:].T
        )
        for a, b in zip(*np.nonzero(rough <= limit * 1.1 + 1), strict=True):
            if b > a:
                apart = float(np.sqrt(((block[a] - rows[start + b]) ** 2).mean()))
                if apart <= levels:
                    pairs.append((int(shown[start + a]), int(shown[start + b]), apart))
    return pairs


def find_duplicates(photos: Photos, rows: Ints, pictures: Floats) -> Duplicates:
    """Join exact duplicates (of all photos) and near ones (of `rows`) into groups."""
    exact = exact_groups(photos)
    parent: dict[int, int] = {}

    def root(row: int) -> int:
        while parent.setdefault(row, row) != row:
            parent[row] = row = parent[parent[row]]
        return row

    for group in exact:
        for row in group[1:].tolist():
            parent[root(row)] = root(int(group[0]))
    for a, b, _ in near_pairs(pictures):
        one, two = sorted((root(int(rows[a])), root(int(rows[b]))))
        parent[two] = one
    members: dict[int, list[int]] = {}
    for row in sorted(parent):
        members.setdefault(root(row), []).append(row)
    return _listed(sorted(members.values()), exact, rows, pictures)


def _listed(groups: list[list[int]], exact: list[Ints], rows: Ints, pictures: Floats) -> Duplicates:
    twin = {row: at for at, group in enumerate(exact) for row in group.tolist()}
    place = {int(row): at for at, row in enumerate(rows)}
    out_rows, numbers, same, apart = [], [], [], []
    for number, group in enumerate(groups, start=1):
        first = group[0]
        for row in group:
            is_same = row == first or (row in twin and twin[row] == twin.get(first))
            difference = 0.0
            if not is_same and row in place and first in place:
                gap = pictures[place[row]] - pictures[place[first]]
                difference = float(np.sqrt((gap**2).mean()))
            out_rows.append(row)
            numbers.append(number)
            same.append(is_same)
            apart.append(difference)
    return Duplicates(
        np.array(out_rows, np.int64),
        np.array(numbers, np.int64),
        np.array(same, bool),
        np.array(apart, np.float32),
    )


def _resized(image: Image.Image, side: int) -> Floats:
    return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC), dtype=np.float32)
