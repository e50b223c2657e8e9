"""Render studio photos of fruit, in the style and the folder layout of the Fruits-360 data set.

A fruit is grown once per variety and seed as a cloud of surface points
(``verger.demo.orchard``); a photo rotates the cloud, splats it into a depth buffer at twice the
size, lights what is visible with a soft box, a fill light and a white surround, and averages down.
"""

from __future__ import annotations

import functools
import io
import os
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from verger.demo import berries, exotics, stone  # noqa: F401  (they enter their recipes)
from verger.demo.orchard import RECIPES
from verger.demo.solids import Bench, Cloud, gather
from verger.demo.textures import Floats, f32, smooth, turn, unit

VARIETIES: tuple[str, ...] = tuple(sorted(RECIPES))
"""The names of the varieties that can be rendered, sorted."""

_OVER = 2  # supersampling, per side
_FILL = 0.95  # share of the frame the fruit's larger side takes
_KEY = unit([-0.50, 0.62, 0.66])
_FILL_LIGHT = unit([0.80, 0.05, 0.50])
_BOX_X = unit(np.cross([0.0, 1.0, 0.0], _KEY))
_BOX_Y = f32(np.cross(_KEY, _BOX_X))


@functools.lru_cache(maxsize=2)
def _grow(variety: str, seed: int, size: int) -> tuple[Cloud, Floats, Floats]:
    """Return the fruit's points, the camera's tilt (3, 3), and how the fruit is laid (3, 3)."""
    recipe = RECIPES[variety]
    rng = np.random.default_rng([seed % 2**64, zlib.crc32(variety.encode())])
    bench = Bench(rng, 1.75 / (size * _OVER))
    cloud = gather(recipe.grow(bench))
    middle = (cloud.pos.min(axis=1) + cloud.pos.max(axis=1)) / 2
    pos = cloud.pos - middle[:, None]
    pos /= np.float32(np.sqrt((pos * pos).sum(axis=0)).max())
    cloud = Cloud(f32(pos), cloud.nrm, cloud.col, cloud.mat, cloud.both)
    lean, way = np.radians(recipe.wobble) * bench.some(0.9, 0.2), rng.random() * 2 * np.pi
    lay = turn([np.cos(way), 0, np.sin(way)], lean) @ turn([0, 1, 0], rng.random() * 2 * np.pi)
    camera = turn([1, 0, 0], np.radians(recipe.tilt + bench.some(0.0, 3.0)))
    return cloud, camera, f32(lay)


def _visible(cloud: Cloud, view: Floats, side: int) -> tuple[npt.NDArray[np.int64], Floats]:
    """Return, for a (side, side) frame, the index of the point seen (-1: none) and its depth."""
    x, y, z = view @ cloud.pos
    span = max(float(np.ptp(x)), float(np.ptp(y)), 1.3)
    scale = side * _FILL / span
    keep = np.flatnonzero((view[2] @ cloud.nrm > 0.0) | cloud.both)
    px = (x[keep] - (x.min() + x.max()) / 2) * scale + side / 2
    py = side / 2 - (y[keep] - (y.min() + y.max()) / 2) * scale
    depth = (z[keep] + 1.5) * np.float32(2**26)
    key = depth.astype(np.int64) << 32 | keep
    frame = np.full(side * side, -1, dtype=np.int64)
    np.maximum.at(frame, py.astype(np.int64) * side + px.astype(np.int64), key)
    seen = frame.reshape(side, side)
    gap = np.int64(2**26 * 3.0 / side) << 32
    for axis in (1, 0):  # close pinholes: both opposite neighbours clearly in front
        near = np.minimum(np.roll(seen, 1, axis), np.roll(seen, -1, axis))
        seen = np.where((near >= 0) & (seen < near - gap), near, seen)
    far = (seen >> 32).astype(np.float32) / np.float32(2**26) - np.float32(1.5)
    return np.where(seen >= 0, seen & 0xFFFFFFFF, -1), far


def _blur(grid: Floats, reach: int) -> Floats:
    """Return the box mean of ``grid`` over (2 reach + 1) squared cells, edges repeated."""
    out, n = grid, 2 * reach + 1
    for _ in (0, 1):  # down the rows, twice, transposed in between
        wide = np.pad(out, [(reach + 1, reach), (0, 0)], "edge")
        total = np.cumsum(wide, axis=0, dtype=np.float64)
        out = np.ascontiguousarray(f32((total[n:] - total[:-n]) / n).T)
    return out


def _occlusion(depth: Floats, hit: npt.NDArray[np.bool_]) -> Floats:
    """Return the openness, 0.35 to 1, of each pixel of a depth frame: low in creases."""
    side = depth.shape[0]
    solid = f32(hit)
    shut = np.zeros_like(depth)
    for share in (0.012, 0.045):
        reach = max(1, round(side * share))
        area = np.maximum(_blur(solid, reach), 1e-3)
        over = _blur(f32(np.where(hit, depth, 0.0)), reach) / area - depth
        shut += np.clip(over / (share * 1.6) - 0.05, 0.0, 1.0) * np.minimum(1.0, area)
    inside = smooth(0.55, 0.95, _blur(solid, max(1, round(side * 0.02))))
    return f32(np.clip(1.0 - 0.45 * shut * inside, 0.35, 1.0))


def _light(n: Floats, col: Floats, mat: Floats, open_: Floats, thin: Floats) -> Floats:
    """Return the linear colours (3, m) of lit points with unit normals ``n`` (3, m) in view.

    ``thin`` (m,) is 1 where light also shines through from behind, 0 elsewhere.
    """
    gloss, rough, fuzz, trans = mat
    nz = np.clip(n[2], 0.0, 1.0)  # rounding goes beyond
    wrap = 0.12 + 0.35 * trans
    facing = _KEY @ n
    key = np.clip((facing + wrap) / (1 + wrap), 0.0, 1.0)
    key = np.maximum(key, thin * (0.25 + 0.45 * np.abs(facing)))
    fill = np.clip(_FILL_LIGHT @ n * 0.6 + 0.4, 0.0, 1.0)
    sky = 0.62 + 0.38 * n[1]
    light = 0.86 * key * (0.45 + 0.55 * open_) + (0.17 * fill + 0.19 * sky) * open_
    deep = np.clip(1.0 - light, 0.0, 1.0)
    out = np.power(np.clip(col, 1e-4, 1.0), 1 + 0.45 * trans * deep) * light
    mirror = 2 * nz * n
    mirror[2] -= 1
    a, b, c = _BOX_X @ mirror, _BOX_Y @ mirror, _KEY @ mirror
    edge = 0.03 + 0.5 * rough
    box = 1 / (1 + np.exp(np.clip((np.abs(a) - 0.21) / (edge * 0.33), -30, 30)))
    box *= 1 / (1 + np.exp(np.clip((np.abs(b) - 0.27) / (edge * 0.33), -30, 30)))
    spec = gloss * box * (c > 0) * open_ * (0.80 - 0.45 * rough)
    rim = (1 - nz) ** 4
    glow = gloss * 0.30 * rim * open_ * (0.6 + 0.4 * n[1])
    down = fuzz * np.maximum(1 - nz, 0) ** 2.2 * 0.55 * light
    return f32(out * (1 - 0.5 * spec) + spec + glow + down * (0.45 + 0.55 * col))


def _soften(lit: Floats, hit: npt.NDArray[np.bool_]) -> Floats:
    """Return the frame, (side, side, 3), of lit pixels (m, 3) on white with a smooth outline."""
    side = len(hit)
    frame = np.zeros((side, side, 3), dtype=np.float32)
    frame[hit] = lit
    cover = _blur(f32(hit), 1)
    y, x = np.nonzero((cover > 0.2) & (cover < 0.999))
    around = [((y + dy).clip(0, side - 1), (x + dx).clip(0, side - 1))
              for dy in (-1, 0, 1) for dx in (-1, 0, 1)]  # fmt: skip
    near = sum(frame[at] for at in around) / sum(hit[at] for at in around)[:, None]
    colour = np.where(hit[y, x, None], frame[y, x], near)
    alpha = smooth(0.22, 0.78, cover[y, x])[:, None]
    frame[~hit] = 1.0
    frame[y, x] = colour * alpha + (1 - alpha)
    return frame


def _expose(cloud: Cloud, view: Floats, size: int, gain: float) -> npt.NDArray[np.uint8]:
    """Return the photo, uint8 (size, size, 3), of a cloud seen under the rotation ``view``."""
    side = size * _OVER
    index, depth = _visible(cloud, view, side)
    hit = index >= 0
    seen = index[hit]
    n = view @ cloud.nrm[:, seen]
    n *= np.where(cloud.both[seen] & (n[2] < 0), -1, 1).astype(np.float32)
    open_ = _occlusion(depth, hit)[hit]
    thin = cloud.both[seen].astype(np.float32)
    lit = _light(f32(n), cloud.col[:, seen], cloud.mat[:, seen], open_, thin) * np.float32(gain)
    bright = lit > 0.7
    lit[bright] = 0.7 + 0.3 * np.tanh((lit[bright] - 0.7) / 0.3)
    frame = _soften(f32(np.clip(lit.T, 0.0, 1.0)), hit)
    parts = [frame[i::_OVER, j::_OVER] for i in range(_OVER) for j in range(_OVER)]
    small = sum(parts[1:], parts[0]) / np.float32(len(parts))
    photo: npt.NDArray[np.uint8] = np.rint(small ** (1 / 2.2) * 255).astype(np.uint8)
    return photo


def render_photo(
    variety: str, view: int, *, views: int = 16, seed: int = 0, size: int = 100
) -> npt.NDArray[np.uint8]:
    """Return one photo of a variety's fruit: uint8 RGB (size, size, 3) on a white ground.

    The fruit is the same for all views of a variety and seed; it turns once around its axis in
    ``views`` views, of which this is number ``view`` (taken modulo ``views``). ``size`` is in
    pixels. Equal arguments give equal photos on one machine.

    Raises ValueError if the variety is unknown, ``views`` is below 1, or ``size`` is outside
    16 to 400.
    """
    if variety not in RECIPES:
        raise ValueError(f"unknown variety {variety!r}; known: {', '.join(VARIETIES)}")
    if views < 1:
        raise ValueError(f"views must be at least 1, not {views}")
    if not 16 <= size <= 400:
        raise ValueError(f"size must be 16 to 400 pixels, not {size}")
    cloud, camera, lay = _grow(variety, seed, size)
    angle = 2 * np.pi * (view % views) / views
    rng = np.random.default_rng([seed % 2**64, zlib.crc32(variety.encode()), view % views, views])
    gain = 1.0 + 0.02 * rng.standard_normal()
    return _expose(cloud, f32(camera @ turn([0, 1, 0], angle) @ lay), size, gain)


def _save(photo: npt.NDArray[np.uint8], path: Path) -> None:
    """Write a photo as JPEG under a temporary name, then rename it into place."""
    data = io.BytesIO()
    Image.fromarray(photo).save(data, "JPEG", quality=92, subsampling=0)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_bytes(data.getvalue())
    part.replace(path)


def render_orchard(
    folder: Path,
    *,
    varieties: int | None = None,
    views: int = 12,
    test_views: int = 4,
    seed: int = 0,
    on_photo: Callable[[int], None] = lambda _done: None,
) -> int:
    """Write an orchard of 100 x 100 px JPEG photos under ``folder``; return their number.

    The layout is that of Fruits-360: ``Training/<variety>/<n>_100.jpg`` (``views`` per variety)
    and ``Test/<variety>/<n>_100.jpg`` (``test_views``), n being the index of the view among
    ``views + test_views`` around the fruit; the test views are spread evenly between the others.
    ``varieties`` takes that many, spread over the sorted names (default: all). A photo that is
    there already is replaced. ``on_photo(done)`` is called after each photo.

    Raises ValueError if ``varieties`` is not 1 to ``len(VARIETIES)``, ``views`` is below 1 or
    ``test_views`` below 0; OSError if a file cannot be written.
    """
    known = len(VARIETIES)
    count = known if varieties is None else varieties
    if not 1 <= count <= known:
        raise ValueError(f"varieties must be 1 to {known}, not {count}")
    if views < 1 or test_views < 0:
        raise ValueError(f"need views >= 1 and test_views >= 0, not {views} and {test_views}")
    around = views + test_views
    held_out = {int((k + 0.5) * around / test_views) for k in range(test_views)}
    done = 0
    for name in (VARIETIES[k * known // count] for k in range(count)):
        for part in ("Training", "Test") if test_views else ("Training",):
            (Path(folder) / part / name).mkdir(parents=True, exist_ok=True)
        for n in range(around):
            part = "Test" if n in held_out else "Training"
            photo = render_photo(name, n, views=around, seed=seed)
            _save(photo, Path(folder) / part / name / f"{n}_100.jpg")
            done += 1
            on_photo(done)
    return done


def render_new(folder: Path) -> list[Path]:
    """Write a photo each of a few varieties, of sides that no orchard shows; return their paths.

    They are 200 x 200 px JPEG files, named by variety: ``pomegranate.jpg``.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    paths = []
    for name in ("Pomegranate", "Banana", "Lemon", "Strawberry"):
        path = Path(folder) / f"{name.lower()}.jpg"
        _save(render_photo(name, 7, views=29, size=200), path)
        paths.append(path)
    return paths
