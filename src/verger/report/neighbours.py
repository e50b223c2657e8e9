"""Nearest neighbours, and what they say of labels: purity, and the pairs that mix most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from verger.machine.blas import on_one_thread
from verger.report.reading import Floats, Ints

NEIGHBOURS = 10
_ROWS_A_BLOCK = 1024
_EQUALLY_NEAR = 1e-6  # cosines, of which float32 keeps some 2e-7


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The k nearest other rows of each of m rows, the nearest first.

    index:       int64 (m, k)
    similarity:  float32 (m, k), the cosine
    """

    index: Ints
    similarity: Floats

    @classmethod
    def unknown(cls, m: int, k: int) -> Neighbours:
        """Return (m, k) places to fill: -1, at -inf."""
        return cls(np.full((m, k), -1, np.int64), np.full((m, k), -np.inf, np.float32))

    def in_order(self) -> Neighbours:
        """Return these with the nearest first; of those equally near, the first row first.

        Rows that are alike are equally near, but for rounding, which depends on what else is
        multiplied: without a rule, their order would too, and with it what is found.
        """
        nearest = np.argsort(-self.similarity, axis=1, kind="stable")
        similarity = np.take_along_axis(self.similarity, nearest, axis=1)
        index = np.take_along_axis(self.index, nearest, axis=1)
        with np.errstate(invalid="ignore"):  # of -inf, from one another
            is_further = similarity[:, :-1] - similarity[:, 1:] > _EQUALLY_NEAR
        ranks = np.zeros(index.shape, np.int64)
        np.cumsum(is_further, axis=1, out=ranks[:, 1:])
        order = np.argsort(ranks * (len(index) + 1) + index, axis=1, kind="stable")
        return Neighbours(
            np.take_along_axis(index, order, axis=1),
            np.take_along_axis(similarity, order, axis=1),
        )

    def first(self, k: int) -> Neighbours:
        """Return the k nearest of these."""
        return Neighbours(self.index[:, :k], self.similarity[:, :k])

    def among(self, rows: Ints) -> Ints:
        """Return those of some rows by their places among these rows, (r, k); -1 for others."""
        places = np.full(len(self.index), -1)
        places[rows] = np.arange(len(rows))
        return np.asarray(places[self.index[rows]])


def unit(rows: Floats) -> Floats:
    """Return rows (m, d) at length 1, float32; those of length 0 as they are."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(lengths > 0, lengths, 1)).astype(np.float32)


@on_one_thread
def nearest(rows: Floats, k: int = NEIGHBOURS) -> Neighbours:
    """Find by cosine the k nearest others of each row (m, d), exactly; fewer where m ≤ k.

    A block of rows is compared with another once, for the rows of both. On one thread, so that
    those which lie equally near are the same whatever the number of cores; choosing takes as long.
    """
    m = len(rows)
    k = max(min(k, m - 1), 0)
    found, scaled = Neighbours.unknown(m, k), unit(rows)
    index, similarity = found.index, found.similarity
    blocks = blocks_of(0, m if k else 0)
    for number, one in enumerate(blocks):
        for two in blocks[number:]:
            cosines = scaled[one] @ scaled[two].T
            if one == two:
                np.fill_diagonal(cosines, -np.inf)
            else:
                keep_nearest(index[two], similarity[two], cosines.T, one.start)
            keep_nearest(index[one], similarity[one], cosines, two.start)
    return found.in_order()


def blocks_of(start: int, stop: int) -> list[slice]:
    """Cut a range of rows into blocks that are compared at once."""
    starts = range(start, stop, _ROWS_A_BLOCK)
    return [slice(at, min(at + _ROWS_A_BLOCK, stop)) for at in starts]


def keep_nearest(index: Ints, similarity: Floats, cosines: Floats, first: int) -> None:
    """Keep the nearest of those found so far, (n, k), and of the rows from `first` on."""
    k = index.shape[1]
    some = np.argpartition(cosines, -min(k, cosines.shape[1]), axis=1)[:, -k:]
    known = np.hstack([index, first + some])
    near = np.hstack([similarity, np.take_along_axis(cosines, some, axis=1)])
    best = np.argpartition(near, -k, axis=1)[:, -k:]
    index[:] = np.take_along_axis(known, best, axis=1)
    similarity[:] = np.take_along_axis(near, best, axis=1)


def purity(neighbours: Neighbours, codes: Ints) -> npt.NDArray[np.float64]:
    """Return the share of each row's neighbours that carry its label, (m,); NaN without a label."""
    same = codes[neighbours.index] == codes[:, None]
    shares = same.mean(axis=1) if same.shape[1] else np.full(len(codes), np.nan)
    return np.where(codes >= 0, shares, np.nan)


def purity_by_label(shares: npt.NDArray[np.float64], codes: Ints, labels: int) -> list[float]:
    """Return the mean purity of each label's rows; NaN for a label that has none."""
    known = (codes >= 0) & np.isfinite(shares)
    counts = np.bincount(codes[known], minlength=labels)
    sums = np.bincount(codes[known], shares[known], minlength=labels)
    return [
        float(total / count) if count else float("nan")
        for total, count in zip(sums, counts, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class MixedPair:
    """Two labels that lie close together.

    share:     of the neighbours of both labels' rows, how many carry the other label
    examples:  rows (one of the first label, one of the second) that are near each other
    """

    first: int
    second: int
    share: float
    examples: tuple[tuple[int, int], ...]


def mixed_pairs(neighbours: Neighbours, codes: Ints, most: int, examples: int) -> list[MixedPair]:
    """Return the pairs of labels whose rows are neighbours of one another most often."""
    m, k = neighbours.index.shape
    if not m or not k:
        return []
    rows, near = np.repeat(np.arange(m), k), neighbours.index.ravel()
    one, two = codes[rows], codes[near]
    across = (one != two) & (one >= 0) & (two >= 0)
    if not across.any():
        return []
    rows, near, closeness = rows[across], near[across], neighbours.similarity.ravel()[across]
    one, two = codes[rows], codes[near]
    labels = int(codes.max()) + 1
    pair = np.minimum(one, two) * labels + np.maximum(one, two)
    links = np.bincount(codes[codes >= 0], minlength=labels) * k
    found, inverse, counts = np.unique(pair, return_inverse=True, return_counts=True)
    shares = counts / (links[found // labels] + links[found % labels])
    out = []
    for at in np.argsort(-shares, kind="stable")[:most]:
        first, second = divmod(int(found[at]), labels)
        members = np.flatnonzero(inverse == at)
        members = members[np.argsort(-closeness[members], kind="stable")]
        shown = _distinct(rows[members], near[members], codes, first, examples)
        out.append(MixedPair(first, second, float(shares[at]), shown))
    return out


def _distinct(
    rows: Ints, near: Ints, codes: Ints, first: int, most: int
) -> tuple[tuple[int, int], ...]:
    """Take the closest links, no photo twice; the photo of the first label comes first."""
    used: set[int] = set()
    out: list[tuple[int, int]] = []
    for a, b in zip(rows.tolist(), near.tolist(), strict=True):
        if a in used or b in used:
            continue
        used |= {a, b}
        out.append((a, b) if codes[a] == first else (b, a))
        if len(out) == most:
            break
    return tuple(out)
