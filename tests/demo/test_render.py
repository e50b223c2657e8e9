"""The rendered orchard: its layout, its determinism, and whether its fruit can be told apart."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from verger.demo.render import VARIETIES, render_orchard, render_photo

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

VIEWS, TEST_VIEWS = 3, 1

# Recipes of every kind: stems, leaves, bunches, bent tubes, spheres.
FEW = ("Apple Golden", "Banana", "Grape White", "Mandarine", "Raspberry")


@pytest.fixture(scope="module")
def orchard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every variety, in few views: the renderings most tests look at."""
    folder = tmp_path_factory.mktemp("orchard")
    render_orchard(folder, views=VIEWS, test_views=TEST_VIEWS)
    return folder


def load(path: Path) -> npt.NDArray[np.uint8]:
    with Image.open(path) as image:
        assert image.format == "JPEG"
        assert image.mode == "RGB"
        return np.asarray(image)


def photos(folder: Path, part: str) -> dict[str, list[npt.NDArray[np.uint8]]]:
    return {
        place.name: [load(path) for path in sorted(place.glob("*.jpg"))]
        for place in sorted((folder / part).iterdir())
    }


def fruit(photo: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """The pixels that are not the white ground."""
    mask: npt.NDArray[np.bool_] = photo.min(axis=2) < 235
    return mask


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def features(photo: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """A tiny description: a histogram of the fruit's chroma, and how much of the frame it fills."""
    mask = fruit(photo)
    rgb = photo[mask].astype(float)
    chroma = rgb / rgb.sum(axis=1, keepdims=True)
    hist = np.histogramdd(
        np.column_stack([chroma[:, :2], rgb.mean(axis=1) / 255]),
        bins=(14, 14, 3),
        range=((0, 0.8), (0, 0.8), (0, 1)),
    )[0].ravel()
    return np.append(np.sqrt(hist / hist.sum()), 0.5 * mask.mean())


def test_there_are_at_least_24_varieties_in_order() -> None:
    assert len(VARIETIES) >= 24
    assert list(VARIETIES) == sorted(set(VARIETIES))


@pytest.mark.slow
def test_every_variety_has_its_training_and_test_photos(orchard: Path) -> None:
    for part, count in (("Training", VIEWS), ("Test", TEST_VIEWS)):
        assert tuple(sorted(p.name for p in (orchard / part).iterdir())) == VARIETIES
        for name in VARIETIES:
            assert len(list((orchard / part / name).iterdir())) == count


@pytest.mark.slow
def test_training_and_test_views_share_no_rotation(orchard: Path) -> None:
    every = [f"{n}_100.jpg" for n in range(VIEWS + TEST_VIEWS)]
    for name in VARIETIES:
        both = [p.name for part in ("Training", "Test") for p in (orchard / part / name).iterdir()]
        assert sorted(both) == every


@pytest.mark.slow
def test_by_default_a_variety_has_12_and_4_views_spread_around(tmp_path: Path) -> None:
    seen: list[int] = []
    written = render_orchard(tmp_path, varieties=1, on_photo=seen.append)
    training = list((tmp_path / "Training").glob("*/*_100.jpg"))
    test = sorted(int(p.name.split("_")[0]) for p in (tmp_path / "Test").glob("*/*_100.jpg"))
    assert written == 16
    assert len(training) == 12
    assert len(test) == 4
    assert {b - a for a, b in itertools.pairwise(test)} == {4}
    assert seen == list(range(1, 17))


@pytest.mark.slow
def test_photos_are_100_px_on_white_with_the_fruit_filling_the_frame(orchard: Path) -> None:
    for part in ("Training", "Test"):
        for name, views in photos(orchard, part).items():
            for photo in views:
                assert photo.shape == (100, 100, 3), name
                assert photo[::99, ::99].min() >= 250, f"{name}: a corner is not white"
                mask = fruit(photo)
                high, wide = (np.ptp(np.flatnonzero(mask.any(axis=k))) + 1 for k in (1, 0))
                assert max(high, wide) >= 80, f"{name}: {wide} x {high} px"
                assert mask.mean() > 0.12, f"{name} is too thin"


@pytest.mark.slow
def test_no_ground_shines_through_a_rugged_fruit() -> None:
    for name in ("Apple Golden", "Banana", "Coconut", "Raspberry"):
        for view in (3, 6, 9):
            white = render_photo(name, view).min(axis=2) > 215
            near = [np.roll(~white, s, axis) for axis in (0, 1) for s in (-3, 3)]
            assert not (white & np.logical_and.reduce(near)).any(), f"{name}, view {view}"


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes_and_another_gives_others(tmp_path: Path) -> None:
    for folder, seed in (("a", 3), ("b", 3), ("c", 4)):
        render_orchard(tmp_path / folder, varieties=3, views=1, test_views=1, seed=seed)
    a, b, c = (tree(tmp_path / folder) for folder in "abc")
    assert len(a) == 6
    assert a == b
    assert a.keys() == c.keys()
    assert all(a[name] != c[name] for name in a)


def test_a_photo_does_not_depend_on_what_was_rendered_before() -> None:
    first = render_photo("Plum", 2)
    for name in FEW:
        render_photo(name, 0, size=32)
    assert np.array_equal(first, render_photo("Plum", 2))


@pytest.mark.slow
def test_views_of_a_fruit_differ_and_go_once_around() -> None:
    for name in FEW:
        views = [render_photo(name, k, views=4).astype(int) for k in range(4)]
        for a, b in itertools.combinations(views, 2):
            assert np.abs(a - b).mean() > 2.0, name
        assert np.array_equal(render_photo(name, 5, views=4), views[1])


def test_fruit_is_shaded_by_light_from_above_left() -> None:
    photo = render_photo("Apple Granny Smith", 0).astype(float).mean(axis=2)
    assert photo[20:45, 20:45].mean() > photo[60:85, 60:85].mean() + 25


@pytest.mark.slow
def test_a_test_view_is_nearest_to_a_training_view_of_its_variety(orchard: Path) -> None:
    known = [(n, features(p)) for n, ps in photos(orchard, "Training").items() for p in ps]
    table = np.stack([f for _, f in known])
    asked = [(n, features(p)) for n, ps in photos(orchard, "Test").items() for p in ps]
    wrong = [
        (n, guess)
        for n, f in asked
        if (guess := known[int(((table - f) ** 2).sum(axis=1).argmin())][0]) != n
    ]
    assert len(wrong) <= 0.15 * len(asked), wrong


@pytest.mark.slow
def test_most_pairs_of_varieties_are_further_apart_than_views_of_one(orchard: Path) -> None:
    described = {
        n: np.stack([features(p) for p in ps]) for n, ps in photos(orchard, "Training").items()
    }
    centre = {n: f.mean(axis=0) for n, f in described.items()}
    spread = {n: float(np.sqrt(((f - centre[n]) ** 2).sum(1)).mean()) for n, f in described.items()}
    pairs = list(itertools.combinations(VARIETIES, 2))
    apart = sum(math.dist(centre[a], centre[b]) > max(spread[a], spread[b]) for a, b in pairs)
    assert apart > 0.9 * len(pairs)


def test_other_sizes_show_the_same_fruit() -> None:
    small = render_photo("Lemon", 1, size=50)
    assert small.shape == (50, 50, 3)
    assert small.dtype == np.uint8
    halved = render_photo("Lemon", 1).reshape(50, 2, 50, 2, 3).mean(axis=(1, 3))
    assert np.abs(halved - small).mean() < 10


def test_what_cannot_be_rendered_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown variety 'Durian'; known: Apple"):
        render_photo("Durian", 0)
    with pytest.raises(ValueError, match="views must be at least 1"):
        render_photo("Plum", 0, views=0)
    with pytest.raises(ValueError, match="16 to 400"):
        render_photo("Plum", 0, size=8)
    with pytest.raises(ValueError, match="varieties must be 1 to"):
        render_orchard(tmp_path, varieties=0)
    with pytest.raises(ValueError, match="varieties must be 1 to"):
        render_orchard(tmp_path, varieties=len(VARIETIES) + 1)
    with pytest.raises(ValueError, match="views >= 1"):
        render_orchard(tmp_path, views=0)
    with pytest.raises(ValueError, match="test_views >= 0"):
        render_orchard(tmp_path, test_views=-1)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_an_orchard_leaves_no_partial_files_and_can_be_rendered_again(tmp_path: Path) -> None:
    assert render_orchard(tmp_path, varieties=2, views=2, test_views=0) == 4
    before = tree(tmp_path)
    render_orchard(tmp_path, varieties=2, views=2, test_views=0)
    assert tree(tmp_path) == before
    assert all(name.startswith("Training") and name.endswith("_100.jpg") for name in before)
