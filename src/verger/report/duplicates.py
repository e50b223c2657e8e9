"""Photos that are there twice: the same file, or the same picture encoded again.

*Exact*: same size of file, width, height and small picture. *Near*: small pictures that differ by
no more than encoding does (`alike`). Both are looked for among all photos.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from verger.report.alike import Pictures, alike, differences
from verger.report.reading import Floats, Ints, Photos

NEAR_LEVELS = 1.1  # levels; see `benchmarks.findings` for what this finds


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

    def in_order(self, codes: Ints) -> list[slice]:
        """Order the groups, as slices of `rows`: those across labels first, then the largest."""
        if not len(self.rows):
            return []
        starts = np.append(0, np.flatnonzero(np.diff(self.groups)) + 1)
        mine = codes[self.rows]
        across = np.maximum.reduceat(mine, starts) != np.minimum.reduceat(mine, starts)
        exact = np.logical_and.reduceat(self.exact, starts)
        ends = np.append(starts[1:], len(self.rows))
        order = np.lexsort((~exact, starts - ends, ~across))
        return [slice(int(starts[at]), int(ends[at])) for at in order]


class Groups:
    """Sets of rows that only ever join; each is known by its least row.

    `first` (n,) is a row of the same set for each row: no greater, and its own first.
    """

    def __init__(self, first: Ints) -> None:
        self._above = first.copy()

    def of(self, rows: Ints) -> Ints:
        """Return the least row of the set of each of these."""
        found = self._above[rows]
        while (self._above[found] != found).any():
            found = self._above[found]
        self._above[rows] = found
        return found

    def join(self, rows: Ints) -> None:
        """Make one set of those that these rows are in."""
        found = self.of(rows)
        self._above[found] = found.min()


def find_duplicates(photos: Photos, pictures: Pictures) -> Duplicates:
    """Join exact and near duplicates into groups; `pictures` is uint8 (n, 384), of all photos."""
    size_too = np.stack([photos.digests.view(np.int64), photos.size, photos.width, photos.height])
    same_file = _first_like(size_too)
    same_picture = _first_like(photos.digests.view(np.int64)[None])
    shown = pictures.any(axis=1)
    # A thumbnail that cannot be opened is like none, were it not that of the same file.
    first = np.where(shown, same_picture, same_file)
    groups = Groups(first)
    everything = np.arange(len(photos))
    distinct = np.flatnonzero(shown & (first == everything))
    for row, others in alike(pictures, distinct, NEAR_LEVELS):
        groups.join(np.append(others, row))
    return _listed(groups.of(everything), same_file, pictures)


def _first_like(keys: Ints) -> Ints:
    """Return for each column of `keys` (q, n) the first column that equals it, (n,)."""
    n = keys.shape[1]
    order = np.lexsort(keys)  # stable: equal ones stay in the order of their rows
    ordered = keys[:, order]
    is_new = np.append(np.ones(min(n, 1), bool), (ordered[:, 1:] != ordered[:, :-1]).any(axis=0))
    out = np.empty(n, np.int64)
    out[order] = order[np.flatnonzero(is_new)][np.cumsum(is_new) - 1]
    return out


def _listed(roots: Ints, same_file: Ints, pictures: Pictures) -> Duplicates:
    members = np.bincount(roots, minlength=len(roots))[roots] > 1
    rows = np.flatnonzero(members)
    rows = rows[np.argsort(roots[rows], kind="stable")]
    first, groups = np.unique(roots[rows], return_inverse=True)
    exact = same_file[rows] == same_file[first[groups]]
    apart = np.zeros(len(rows), np.float32)
    apart[~exact] = differences(pictures, rows[~exact], first[groups[~exact]])
    return Duplicates(rows, groups + 1, exact, apart)
