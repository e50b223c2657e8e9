"""Weights of a layer → whole numbers of eight bits, such that no processor's kernel saturates."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.float64]

_MOST = 127
_NONE = 1e-30  # a row of such weights gives nothing
# Processors without VNNI add the products of two neighbours in 16 bits: 255 × 128 still fits.
_MOST_OF_A_PAIR = 128
_STRETCHES = np.linspace(1, 2.1, 34)  # of the scale that the largest weight alone would ask for


def rounded(rows: Rows, *, in_pairs: bool) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Round each row of weights on a grid of its own: whole numbers, and the row's scale.

    rows:     a row an output, in the order in which a kernel multiplies
    in_pairs: whether the kernel adds products of neighbours in 16 bits; then two neighbours of one
              sign come to 128 at most, for which the grid is made as coarse as it pays

    Of the grids that are tried, each row gets the one whose squared error is least.
    """
    largest = np.abs(rows).max(axis=1, keepdims=True)
    finest = np.where(largest > _NONE, largest, 1) / _MOST
    best = np.full((len(rows), 1), np.inf)
    whole, scale = np.zeros_like(rows), finest.astype(np.float32)
    for stretch in _STRETCHES if in_pairs else _STRETCHES[:1]:
        tried = (finest * stretch).astype(np.float32)
        numbers = np.clip(np.round(rows / tried), -_MOST, _MOST)
        if in_pairs:
            _spare_pairs(numbers)
        error = ((numbers * tried - rows) ** 2).sum(axis=1, keepdims=True)
        better = error < best
        whole = np.where(better, numbers, whole)
        scale = np.where(better, tried, scale)
        best = np.where(better, error, best)
    return whole.astype(np.int8), scale[:, 0]


def _spare_pairs(numbers: Rows) -> None:
    """Bring two neighbours of one sign nearer to zero, by half of what is too much each."""
    even = numbers.shape[1] // 2 * 2
    first, second = numbers[:, 0:even:2], numbers[:, 1:even:2]
    over = np.maximum(np.abs(first + second) - _MOST_OF_A_PAIR, 0)
    over = np.where(first * second > 0, over, 0)
    half = np.floor(over / 2)
    first -= np.sign(first) * half
    second -= np.sign(second) * (over - half)
