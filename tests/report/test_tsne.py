"""The map by neighbours: its field, its faith, and that it is the same every time."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import numpy.typing as npt
import pytest

from verger.report.neighbours import nearest
from verger.report.positions import LOOKED_AT, by_earlier_neighbours, by_neighbours
from verger.report.tsne import _Field, _Held, _pair_by_pair, lay_out

Rows = npt.NDArray[np.float32]


def rings(photos: int, fruits: int = 12, wide: int = 32) -> tuple[Rows, npt.NDArray[np.int64]]:
    """Make features of fruits that turn: a noisy ring each."""
    rng = np.random.default_rng(0)
    codes = np.arange(photos) % fruits
    turned = 2 * np.pi * rng.random(photos)
    middles, one, two = rng.normal(0, 1, (3, fruits, wide))
    rows = 2 * middles[codes] + rng.normal(0, 0.1, (photos, wide))
    rows += np.cos(turned)[:, None] * one[codes] + np.sin(turned)[:, None] * two[codes]
    return rows.astype(np.float32), codes


def kept(points: Rows, near: npt.NDArray[np.int64]) -> float:
    """Return the share of each point's 10 nearest that are among the 30 nearest there were."""
    apart = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    np.fill_diagonal(apart, np.inf)
    mine = np.argpartition(apart, 10, axis=1)[:, :10]
    return float((mine[:, :, None] == near[:, None, :30]).any(axis=2).mean())


def divergence(points: npt.NDArray[np.float64], near: npt.NDArray[np.int64]) -> float:
    """Return the Kullback-Leibler divergence that t-SNE makes small, summed over all pairs."""
    n, k = near.shape
    pull = np.zeros((n, n))
    pull[np.arange(n)[:, None], near] = 1 / (2 * n * k)
    pull += pull.T
    close = 1 / (1 + ((points[:, None] - points[None]) ** 2).sum(axis=2))
    np.fill_diagonal(close, 0)
    linked = pull > 0
    return float((pull[linked] * np.log(pull[linked] * close.sum() / close[linked])).sum())


@pytest.mark.parametrize("spread", [1e-4, 1.0, 15.0])
def test_the_field_is_what_the_points_make_one_by_one(spread: float) -> None:
    places = np.random.default_rng(0).normal(0, spread, (2, 600))
    potential, slope = _Field().of(places)
    apart = places[:, :, None] - places[:, None]
    close = 1 / (1 + (apart**2).sum(axis=0))
    np.testing.assert_allclose(potential, close.sum(axis=1) - 1, rtol=0.02)
    exact = -2 * (close**2 * apart).sum(axis=2)
    assert np.linalg.norm(slope - exact) < 0.05 * np.linalg.norm(exact)


@pytest.mark.parametrize("spread", [1.0, 15.0])
def test_the_field_of_points_that_stay_is_what_they_make_one_by_one(spread: float) -> None:
    places = np.random.default_rng(0).normal(0, spread, (2, 600))
    free = np.arange(600) % 5 == 0
    field, held, others = _Held(places, free), places[:, ~free], places[:, free]
    potential, slope = field.at(others)
    apart = others[:, :, None] - held[:, None]
    close = 1 / (1 + (apart**2).sum(axis=0))
    np.testing.assert_allclose(potential, close.sum(axis=1), rtol=0.02)
    exact = -2 * (close**2 * apart).sum(axis=2)
    assert np.linalg.norm(slope - exact) < 0.05 * np.linalg.norm(exact)
    among = 1 / (1 + ((held[:, :, None] - held[:, None]) ** 2).sum(axis=0))
    assert field.total == pytest.approx(among.sum() - len(among), rel=0.02)
    far, _ = field.at(np.array([[1e6, -1e6], [0, 1e6]]))
    assert np.isfinite(far).all()


def test_few_points_and_many_move_one_another_alike() -> None:
    places = np.random.default_rng(0).normal(0, 5, (2, 300))
    few, many = _pair_by_pair(places), _Field().of(places)
    np.testing.assert_allclose(few[0], many[0], rtol=0.02)
    assert np.linalg.norm(few[1] - many[1]) < 0.05 * np.linalg.norm(few[1])


def test_neighbours_stay_neighbours() -> None:
    rows, codes = rings(600)
    near = nearest(rows, LOOKED_AT).index
    points = by_neighbours(near, rows).points
    assert kept(points, near) > 0.85 > 0.7 > kept(rows[:, :2], near)
    apart = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    np.fill_diagonal(apart, np.inf)
    assert (codes[apart.argmin(axis=1)] == codes).mean() > 0.97


@pytest.mark.slow
def test_it_is_as_faithful_as_opentsne() -> None:
    """On the same neighbours, pulling alike: as little divergence, as many neighbours kept."""
    from openTSNE import TSNEEmbedding
    from openTSNE.affinity import PrecomputedAffinities
    from scipy.sparse import csr_matrix

    rows, _ = rings(1500)
    near = nearest(rows, 30).index
    mine = near[:, :15]
    n, k = mine.shape
    links = csr_matrix((np.ones(n * k), mine.ravel(), np.arange(0, n * k + 1, k)), shape=(n, n))
    start = rows[:, :2] / rows[:, 0].std() * 1e-4
    theirs = TSNEEmbedding(
        start.astype(np.float64), PrecomputedAffinities(links + links.T), n_jobs=1, random_state=0
    )
    theirs = theirs.optimize(250, exaggeration=12).optimize(500)
    ours = lay_out(mine, rows[:, :2])
    assert divergence(ours.astype(np.float64), mine) < 1.02 * divergence(np.asarray(theirs), mine)
    assert kept(ours, near) > kept(np.asarray(theirs, np.float32), near) - 0.02


def test_labels_of_few_photos_are_no_spots_far_from_one_another() -> None:
    """As in the demo, of 38 varieties with 16 photos: more of a fruit's neighbours are others."""
    rows, codes = rings(608, 38)
    points = by_neighbours(nearest(rows, LOOKED_AT).index, rows).points
    spread = np.mean([points[codes == code].std(axis=0).max() for code in range(38)])
    assert spread > 0.004 * np.ptp(points, axis=0).max()


def test_new_photos_are_placed_on_the_map_that_is_there() -> None:
    """Of fruits that it has, among these; of a fruit that it has not, together."""
    rows, codes = rings(600)
    new = (codes == 5) | (np.arange(600) % 4 == 0)
    earlier = np.full((600, 2), np.nan, np.float32)
    earlier[~new] = by_neighbours(nearest(rows[~new], LOOKED_AT).index, rows[~new]).points
    points = by_earlier_neighbours(nearest(rows, LOOKED_AT).index, rows, earlier).points
    np.testing.assert_array_equal(points[~new], earlier[~new])
    apart = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    np.fill_diagonal(apart, np.inf)
    right = codes[apart.argmin(axis=1)] == codes
    assert right[new & (codes != 5)].mean() > 0.95
    assert right[codes == 5].mean() > 0.95


def test_points_that_coincide_part_and_those_without_neighbours_stay() -> None:
    rows, _ = rings(40)
    rows[:20] = rows[0]
    near = nearest(rows, 5).index
    near[7] = -1
    near[8, 2:] = -1
    points = lay_out(near, np.zeros((40, 2), np.float32))
    assert np.isfinite(points).all()
    assert len(np.unique(points.round(3), axis=0)) == 40


_DIGEST = """
import hashlib, numpy as np
from verger.report.neighbours import nearest
from verger.report.positions import by_neighbours
rows = np.random.default_rng(0).normal(0, 1, (700, 640)).astype(np.float32)
points = by_neighbours(nearest(rows, 90).index, rows).points
print(hashlib.sha256(points.tobytes()).hexdigest())
"""


@pytest.mark.slow
def test_the_map_is_the_same_whatever_the_number_of_threads() -> None:
    digests = {
        subprocess.run(
            [sys.executable, "-c", _DIGEST],
            env={"OPENBLAS_NUM_THREADS": str(threads)},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for threads in (1, 2, 3)
    }
    assert len(digests) == 1
