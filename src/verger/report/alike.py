"""Which pictures differ by no more than encoding does: small pictures, and pairs that are close.

Features do not tell a photo that was encoded again from a fruit that turned a little: on 100-pixel
photos, saving as JPEG again moves them further than turning by 3°. So the pictures themselves are
compared, small (`verger.photos.small`). In the spirit of the perceptual hashes of C. Zauner,
"Implementation and benchmarking of perceptual image hash functions", 2010, but with the distance
itself in place of bits, as a turning fruit differs by little more than a bit.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from verger.photos.small import WIDE

Pictures = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]

_DIRECTIONS = 16
_ROWS_FOR_DIRECTIONS = 4096
_ROWS_AT_ONCE = 256
_COLUMNS_AT_ONCE = 8192
_ENOUGH = 16
_BLOCK = 65_536


def differences(pictures: Pictures, one: Ints, two: Ints) -> npt.NDArray[np.float32]:
    """Return how far rows `one` are from rows `two`: the root mean square, in levels; (m,)."""
    out = np.empty(len(one), np.float32)
    for start in range(0, len(one), _COLUMNS_AT_ONCE):
        some = slice(start, start + _COLUMNS_AT_ONCE)
        out[some] = _squares(pictures, one[some], two[some]) / WIDE
    return np.sqrt(out)


def alike(pictures: Pictures, rows: Ints, levels: float) -> Iterator[tuple[int, Ints]]:
    """Find which of `rows` of `pictures` differ by at most `levels`: (row, those like it).

    Each pair is named once. A row that has been named by 16 others is not asked for its own, so
    that a million photos of a white wall are not 10¹² pairs; what they join is the same.

    All pairs are looked at, but few of them closely. Along directions of unit length, two pictures
    lie no further apart than they do in full. So rows are laid out in strips along the first
    principal component, as wide as the limit, and in each by the second: what is alike lies in the
    same strip or the next, at about the same place. There 16 components rule most pairs out.
    """
    if len(rows) < 2:
        return
    limit = levels**2 * WIDE
    reach = float(np.sqrt(limit)) + 0.1  # float32 rounds
    placed = _placed(pictures, rows)
    strip = np.floor(placed[:, 0] / reach).astype(np.int64)
    order = np.lexsort((placed[:, 1], strip))
    rows, placed, strip = rows[order], placed[order], strip[order]
    along = placed[:, 1]
    named = np.zeros(len(rows), np.int64)
    ends = np.append(np.flatnonzero(np.diff(strip)) + 1, len(rows)).tolist()
    for at, (first, last) in enumerate(zip([0, *ends], ends, strict=False)):
        follows = last < len(rows) and strip[last] == strip[first] + 1
        beyond = ends[at + 1] if follows else last
        for start in range(first, last, _ROWS_AT_ONCE):
            stop = min(start + _ROWS_AT_ONCE, last)
            asked = start + np.flatnonzero(named[start:stop] < _ENOUGH)
            low, high = along[start] - reach, along[stop - 1] + reach
            windows = [
                (start + 1, first + np.searchsorted(along[first:last], high, "right")),
                last + np.searchsorted(along[last:beyond], [low, high], "right"),
            ]
            for left, right in windows:
                for some in range(int(left), int(right), _COLUMNS_AT_ONCE):
                    others = np.arange(some, min(some + _COLUMNS_AT_ONCE, int(right)))
                    for row, near in _close(pictures, rows, placed, asked, others, limit):
                        named[near] += 1
                        yield int(rows[row]), rows[near]


def _placed(pictures: Pictures, rows: Ints) -> npt.NDArray[np.float32]:
    """Place rows along the first principal components of some of them, float32 (m, 16)."""
    step = -(-len(rows) // _ROWS_FOR_DIRECTIONS)
    some = pictures[rows[::step]].astype(np.float64)
    centred = some - some.mean(axis=0)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    directions = vectors[:, ::-1][:, :_DIRECTIONS].astype(np.float32)
    mean = some.mean(axis=0).astype(np.float32)
    out = np.empty((len(rows), _DIRECTIONS), np.float32)
    for start in range(0, len(rows), _BLOCK):
        block = pictures[rows[start : start + _BLOCK]].astype(np.float32)
        out[start : start + _BLOCK] = (block - mean) @ directions
    return out


def _close(
    pictures: Pictures,
    rows: Ints,
    placed: npt.NDArray[np.float32],
    asked: Ints,
    others: Ints,
    limit: float,
) -> Iterator[tuple[int, Ints]]:
    """Of the pairs of `asked` and later `others`, name those whose squares sum up to `limit`."""
    one, two = placed[asked], placed[others]
    apart = (one**2).sum(axis=1)[:, None] + (two**2).sum(axis=1) - 2 * one @ two.T
    rough = (apart <= limit * 1.1 + 1) & (others > asked[:, None])
    for at in np.flatnonzero(rough.any(axis=1)).tolist():
        near = others[rough[at]]
        near = near[_squares(pictures, rows[near], rows[asked[at : at + 1]]) <= limit]
        if len(near):
            yield int(asked[at]), near


def _squares(pictures: Pictures, one: Ints, two: Ints) -> npt.NDArray[np.int32]:
    gap = pictures[one].astype(np.int32) - pictures[two]
    return np.asarray(np.einsum("ij,ij->i", gap, gap))
