"""t-SNE in NumPy: photos in the plane, near those that are near them in feature space.

L. van der Maaten and G. Hinton, "Visualizing data using t-SNE", JMLR 9, 2008. All neighbours of a
photo pull alike, which gives the same maps as weighing them (J. N. Böhm, P. Berens and D. Kobak,
"Attraction-repulsion spectrum in neighbor embeddings", JMLR 23, 2022); the map begins as the first
two components, and the learning rate is the number of photos (D. Kobak and P. Berens, "The art of
using t-SNE", Nature Communications 10, 2019). What pushes photos apart is looked up in a field on a
grid (G. Linderman et al., "Fast interpolation-based t-SNE", Nature Methods 16, 2019), here with
cubic B-splines. One thread, and no number that depends on how many there are.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt

from verger.machine.blas import on_one_thread
from verger.report.reading import Floats, Ints

_Array = npt.NDArray[np.float64]

EARLY, LATE, SETTLING = 100, 250, 30  # steps
_EXAGGERATION = 12.0  # of the pull, in the early steps
_MOMENTUM = 0.8
_LONGEST_STEP = 5.0
_FASTER, _SLOWER, _SLOWEST = 0.2, 0.8, 0.01  # of what each coordinate gains
_START, _JITTER = 1e-4, 0.01

_SPACING = 0.5  # of the grid; the kernel is 1 wide
_FEWEST_CELLS, _MOST_CELLS = 40, 600
_ROOM = 1.25  # for points to spread before a wider grid is needed
_AROUND = 4  # nodes that a cubic spline reaches in each direction
_FEW = 400  # points, below which a grid takes longer than each pair


@on_one_thread
def lay_out(near: Ints, start: Floats) -> Floats:
    """Lay n points out in the plane so that neighbours lie together; float32 (n, 2).

    near:   int64 (n, k), the places of each point's neighbours; -1 where one is missing
    start:  float32 (n, 2), of any scale

    The same arguments give the same points, whatever the number of cores.
    """
    places = start.T.astype(np.float64)
    places -= places.mean(axis=1, keepdims=True)
    places *= _START / (places.std(axis=1).max() or 1.0)
    places = _parted(places, _JITTER * _START)
    pulls, field = _Pulls(near), _Field()
    for steps, exaggeration in ((EARLY, _EXAGGERATION), (LATE, 1.0)):
        slope = partial(_slope, pulls, field, exaggeration)
        places = _descended(places, slope, steps, len(near) / exaggeration, centred=True)
    return places.T.astype(np.float32)


@on_one_thread
def settle(near: Ints, start: Floats, new: npt.NDArray[np.bool_]) -> Floats:
    """Let new points find their places on a map whose others stay; float32 (n, 2).

    near:   as for `lay_out`
    start:  float32 (n, 2), of the scale that `lay_out` gives
    new:    bool (n,), true of one or more, not of all

    What the others do to them is looked up in a field that is made once.
    """
    places = start.T.astype(np.float64)
    places[:, new] = _parted(places[:, new], _JITTER)
    held, whole = _Held(places, new), places.copy()
    among = _pair_by_pair if new.sum() <= _FEW else _Field().of
    # Of all pulls, those of the new ones, and of those whose neighbours they are.
    touched = new | (new[near] & (near >= 0)).any(axis=1)
    pulls = _Pulls(near, touched)

    def slope(some: _Array) -> _Array:
        whole[:, new] = some
        potential, slope = held.at(some)
        own, apart = among(some)
        total = held.total + 2 * potential.sum() + own.sum()
        return np.asarray(2 * ((slope + apart) / total + pulls.of(whole)[:, new]))

    found = start.copy()
    found[new] = _descended(places[:, new], slope, SETTLING, len(near)).T
    return found


def _slope(pulls: _Pulls, field: _Field, exaggeration: float, places: _Array) -> _Array:
    """Return the gradient of the divergence that t-SNE makes small, at places (2, n) of all."""
    potential, slope = field.of(places)
    return np.asarray(2 * (slope / potential.sum() + exaggeration * pulls.of(places)))


def _parted(places: _Array, far: float) -> _Array:
    """Part points that coincide, which nothing else would."""
    return np.asarray(places + np.random.default_rng(0).normal(0, far, places.shape))


def _descended(
    places: _Array,
    slope_at: Callable[[_Array], _Array],
    steps: int,
    rate: float,
    *,
    centred: bool = False,
) -> _Array:
    """Go down the gradient of t-SNE from places (2, n); if `centred`, keep their mean at 0."""
    moved, gains = np.zeros_like(places), np.ones_like(places)
    for _ in range(steps):
        slope = slope_at(places)
        gains = np.where((moved > 0) == (slope > 0), gains * _SLOWER, gains + _FASTER)
        gains = np.maximum(gains, _SLOWEST)
        moved = _MOMENTUM * moved - rate * gains * slope
        moved *= _LONGEST_STEP / np.maximum(np.hypot(*moved), _LONGEST_STEP)
        places = places + moved
        if centred:
            places -= places.mean(axis=1, keepdims=True)
    return places


class _Pulls:
    """How neighbours pull points, or some of them; `near` as for `lay_out`."""

    def __init__(self, near: Ints, some: npt.NDArray[np.bool_] | None = None) -> None:
        n = len(near)
        self._rows = np.arange(n) if some is None else np.flatnonzero(some)
        near = near[self._rows]
        missing = (near < 0).T
        self._near = np.ascontiguousarray(np.where(missing, self._rows, near.T))
        self._pull = ~missing / np.maximum((~missing).sum(axis=0), 1) / n

    def of(self, places: _Array) -> _Array:
        """Sum up how neighbours pull each point, and how it pulls them; (2, n)."""
        across = places[:, None, self._rows] - places[:, self._near]
        across *= self._pull / (1 + across[0] ** 2 + across[1] ** 2)
        nodes, n = self._near.ravel(), places.shape[1]
        pulled = -np.stack([np.bincount(nodes, each.ravel(), n) for each in across])
        pulled[:, self._rows] += across.sum(axis=1)
        return np.asarray(pulled)


def _pair_by_pair(places: _Array) -> tuple[_Array, _Array]:
    """Return what `_Field.of` does, summed up: for few points, where a grid takes longer."""
    across = places[:, :, None] - places[:, None]
    potential = 1 / (1 + across[0] ** 2 + across[1] ** 2)
    return potential.sum(axis=1) - 1, -2 * (across * potential**2).sum(axis=2)


class _Field:
    """The potential that points of weight 1 make with the kernel 1 / (1 + distance²).

    Weights are spread over the nodes of a grid, convolved with the kernel by Fourier transforms,
    and read at the points again, by cubic B-splines both times; the transform of the kernel is
    divided by that of the splines, so that at the nodes the field is exact.
    """

    def __init__(self) -> None:
        self._step, self._wide = 0.0, 0  # of the grid's cells; nodes a side

    def of(self, places: _Array) -> tuple[_Array, _Array]:
        """Return potential (n,) and slope (2, n) at points (2, n), each without what it makes."""
        _, potential, slope = self._made_by(places - self._fit(places))
        return potential, slope

    def _made_by(self, places: _Array) -> tuple[_Array, _Array, _Array]:
        """Return the field at all nodes, and what `of` does, for points (2, n) on the grid."""
        nodes, values, slopes = self._around(places)
        weights = values[:, None, 0] * values[:, 1]
        field = self._convolved(nodes, weights)
        own = (self._own @ weights.reshape(_AROUND**2, -1)).reshape(nodes.shape)
        return field, *self._read(field[nodes] - own, values, slopes)

    def _around(self, places: _Array) -> tuple[Ints, _Array, _Array]:
        """Return the nodes around points on the grid, (4, 4, n), and their splines there."""
        at = places / self._step
        cells = at.astype(np.int64)
        values, slopes = _splines(at - cells)
        around = self._wide * np.arange(_AROUND)[:, None] + np.arange(_AROUND)
        return around[:, :, None] + (self._wide * cells[0] + cells[1]), values, slopes

    def _read(self, seen: _Array, values: _Array, slopes: _Array) -> tuple[_Array, _Array]:
        """Return the potential (n,) and its slope (2, n), of what is seen at nodes (4, 4, n)."""
        along = (seen * values[:, 1]).sum(axis=1)
        across = (seen * slopes[:, 1]).sum(axis=1)
        slope = np.stack([(along * slopes[:, 0]).sum(axis=0), (across * values[:, 0]).sum(axis=0)])
        return (along * values[:, 0]).sum(axis=0), slope / self._step

    def _fit(self, places: _Array) -> _Array:
        """Make the grid anew where points do not fit into it, or it has become too coarse.

        Returns where it begins, (2, 1).
        """
        low, extent = places.min(axis=1, keepdims=True), float(np.ptp(places, axis=1).max())
        reach = self._step * (self._wide - _AROUND)
        if reach / 2 < extent <= reach:
            return np.asarray(low)
        extent = max(extent * _ROOM, np.finfo(np.float64).tiny)
        self._step = max(min(_SPACING, extent / _FEWEST_CELLS), extent / _MOST_CELLS)
        self._wide = wide = _smooth(int(np.ceil(extent / self._step)) + _AROUND)
        apart = self._step * np.minimum(np.arange(2 * wide), np.arange(2 * wide, 0, -1))
        splines = (2 + np.cos(np.pi * np.arange(2 * wide) / wide)) / 3
        kernel = np.fft.rfft2(1 / (1 + apart[:, None] ** 2 + apart**2))
        self._kernel = kernel / (splines[:, None] * splines[: wide + 1]) ** 2
        nearby = np.fft.irfft2(self._kernel, (2 * wide, 2 * wide))
        steps = np.abs(np.arange(_AROUND)[:, None] - np.arange(_AROUND))
        own = nearby[steps[:, None, :, None], steps[None, :, None, :]]
        self._own = own.reshape(_AROUND**2, _AROUND**2)
        return np.asarray(low)

    def _convolved(self, nodes: Ints, weights: _Array) -> _Array:
        """Convolve weights at nodes with the kernel; beside the grid are as many empty nodes."""
        wide = self._wide
        spread = np.bincount(nodes.ravel(), weights.ravel(), wide**2).reshape(wide, wide)
        waves = np.fft.rfft(spread, 2 * wide, axis=1)
        waves = np.fft.fft(waves, 2 * wide, axis=0) * self._kernel
        field = np.fft.irfft(np.fft.ifft(waves, axis=0)[:wide], 2 * wide, axis=1)
        return np.asarray(field[:, :wide].ravel())


class _Held(_Field):
    """The field of points that stay, made once, for others to be moved in.

    total: the sum of the potential at each, which all but itself make
    """

    def __init__(self, places: _Array, free: npt.NDArray[np.bool_]) -> None:
        super().__init__()
        self._low = self._fit(places)
        self._made, potential, _ = self._made_by(places[:, ~free] - self._low)
        self.total = float(potential.sum())

    def at(self, places: _Array) -> tuple[_Array, _Array]:
        """Return potential (n,) and slope (2, n) at others; off the grid, as at its edge."""
        far = self._step * (self._wide - _AROUND)
        nodes, values, slopes = self._around(np.clip(places - self._low, 0, far))
        return self._read(self._made[nodes], values, slopes)


def _splines(part: _Array) -> tuple[_Array, _Array]:
    """Return the four cubic B-splines that reach into a cell, and their slopes, at parts of it."""
    rest = 1 - part
    a, b = part * part, rest * rest
    values = [b * rest / 6, 2 / 3 - a + a * part / 2, 2 / 3 - b + b * rest / 2, a * part / 6]
    slopes = [-b / 2, 1.5 * a - 2 * part, 2 * rest - 1.5 * b, a / 2]
    return np.stack(values), np.stack(slopes)


def _smooth(least: int) -> int:
    """Return a size, `least` or little more, of which Fourier transforms are quick."""
    powers = [1 << power for power in range(least.bit_length() + 1)]
    return min(size for odd in (1, 3, 5, 9, 15) for two in powers if (size := odd * two) >= least)
