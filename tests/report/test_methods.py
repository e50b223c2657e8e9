"""The methods behind the findings, on arrays whose answer is known."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from PIL import Image

from report_orchard import again, jpeg
from verger.demo.render import VARIETIES
from verger.photos.decode import decode
from verger.photos.small import WIDE, small_picture
from verger.projections.moments import Moments
from verger.projections.pca import fit_full_pca, fit_pca
from verger.report.alike import Pictures, alike, differences
from verger.report.duplicates import NEAR_LEVELS, find_duplicates
from verger.report.mislabels import find_mislabels, judge
from verger.report.neighbours import mixed_pairs, nearest, purity, purity_by_label
from verger.report.outliers import find_outliers
from verger.report.reading import Photos
from verger.report.variance import components_from, components_of, spectrum

Floats = npt.NDArray[np.float32]


def clouds(
    labels: int, each: int, wide: int = 20, seed: int = 0
) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Labelled rows (n, d) around means that lie well apart."""
    rng = np.random.default_rng(seed)
    means = rng.normal(0, 4, (labels, wide))
    codes = np.repeat(np.arange(labels), each)
    return (means[codes] + rng.normal(0, 1, (len(codes), wide))).astype(np.float32), codes


def test_neighbours_are_those_of_brute_force() -> None:
    rows, _ = clouds(5, 300)  # more than one block
    found = nearest(rows, 7)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    cosine = unit @ unit.T
    np.fill_diagonal(cosine, -np.inf)
    expected = np.sort(cosine, axis=1)[:, :-8:-1]
    np.testing.assert_allclose(found.similarity, expected, atol=1e-5)
    assert not (found.index == np.arange(len(rows))[:, None]).any()
    taken = np.take_along_axis(cosine, found.index, axis=1)
    np.testing.assert_allclose(taken, found.similarity, atol=1e-5)


@pytest.mark.parametrize("rows", [0, 1, 2, 5])
def test_few_rows_have_few_neighbours(rows: int) -> None:
    found = nearest(np.eye(5, dtype=np.float32)[:rows])
    assert found.index.shape == (rows, max(rows - 1, 0))


def test_purity_counts_neighbours_of_the_same_label() -> None:
    rows, codes = clouds(4, 30)
    shares = purity(nearest(rows), codes)
    assert shares.min() == 1
    assert purity_by_label(shares, codes, 5)[:4] == [1.0] * 4
    assert np.isnan(purity_by_label(shares, codes, 5)[4])
    codes[:3] = -1
    assert np.isnan(purity(nearest(rows), codes)[:3]).all()


def test_the_pair_that_mixes_is_named_with_examples_of_both() -> None:
    rows, codes = clouds(4, 30)
    mixed = codes.copy()
    mixed[codes == 2] = np.where(np.arange(30) % 2, 2, 1)  # half of label 2 is called 1
    pair = mixed_pairs(nearest(rows), mixed, 5, 3)[0]
    assert (pair.first, pair.second) == (1, 2)
    assert len(pair.examples) == 3
    for one, two in pair.examples:
        assert (mixed[one], mixed[two]) == (1, 2)
    assert len({row for example in pair.examples for row in example}) == 6


def test_a_flipped_label_is_found_and_no_other() -> None:
    rows, codes = clouds(6, 40)
    flipped = codes.copy()
    wrong = [3, 50, 101, 170]
    flipped[wrong] = (codes[wrong] + 2) % 6
    found = find_mislabels(judge(rows, flipped), nearest(rows), flipped)
    assert sorted(found.rows.tolist()) == wrong
    assert (found.suggested == codes[found.rows]).all()
    assert (np.diff(found.margin) <= 0).all()


@pytest.mark.parametrize("codes", [[-1] * 40, [0] * 40, [0] * 39 + [1]])
def test_labels_that_cannot_be_judged_give_no_suspect(codes: list[int]) -> None:
    rows, _ = clouds(4, 10)
    found = find_mislabels(judge(rows, np.array(codes)), nearest(rows), np.array(codes))
    assert not len(found.rows)


def test_a_photo_far_from_all_is_an_outlier() -> None:
    rows, codes = clouds(3, 60)
    rows[70] = -8 * rows[70] + np.random.default_rng(1).normal(0, 9, rows.shape[1])
    assert find_outliers(nearest(rows), codes).rows.tolist() == [70]
    assert not len(find_outliers(nearest(rows[:5]), codes[:5]).rows)


def test_the_spectrum_is_completed_to_one() -> None:
    rows, _ = clouds(5, 60, wide=30)
    whole = fit_pca(Moments.of(rows), 30)
    kept = fit_pca(Moments.of(rows), 4)
    found = spectrum(kept, components_of(rows, kept.scale, 10))
    np.testing.assert_allclose(found.ratios, whole.explained_variance_ratio, rtol=1e-9)
    together = np.cumsum(whole.explained_variance_ratio)
    for target, at in found.needed:
        assert at is not None
        assert together[at - 1] >= target > (together[at - 2] if at > 1 else 0)


@pytest.mark.parametrize("each", [3, 60])
@pytest.mark.parametrize("standardize", [False, True])
def test_components_are_those_of_the_projection(each: int, standardize: bool) -> None:
    rows, _ = clouds(5, each, wide=30)  # fewer rows than features, and more
    pca = fit_pca(Moments.of(rows), 8, standardize=standardize)
    found = components_of(rows, pca.scale, 8)
    np.testing.assert_allclose(found.ratios[:8], pca.explained_variance_ratio, rtol=1e-5)
    expected = pca.transform(rows)
    signs = np.sign((expected * found.rows).sum(axis=0))
    np.testing.assert_allclose(found.rows * signs, expected, atol=2e-3)
    known = components_from(fit_full_pca(Moments.of(rows), standardize=standardize), rows, 8)
    np.testing.assert_allclose(known.ratios, found.ratios, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(known.rows, expected, atol=2e-3)


def test_what_is_beyond_the_last_share_is_not_known() -> None:
    rows, _ = clouds(5, 60, wide=30)
    none = fit_pca(Moments.zero(30), 4)
    nothing = components_of(rows[:0], none.scale, 10)
    assert [at for _, at in spectrum(none, nothing).needed] == [None] * 4
    kept = fit_pca(Moments.of(rows), 2)
    assert spectrum(kept, nothing).needed[-1] == (0.99, None)


def thumbnails(*photos: bytes) -> list[bytes]:
    return [decode(photo).thumbnail for photo in photos]


@pytest.mark.parametrize(
    "variety", [VARIETIES[0], *(pytest.param(v, marks=pytest.mark.slow) for v in VARIETIES[6::6])]
)
def test_encoding_again_is_a_duplicate_and_turning_is_not(variety: str) -> None:
    views = [jpeg(variety, view, views=60, quality=95) for view in range(4)]
    image = Image.open(io.BytesIO(views[0]))
    smaller = io.BytesIO()
    image.resize((85, 85), Image.Resampling.LANCZOS).save(smaller, "PNG")
    webp = io.BytesIO()
    image.save(webp, "WEBP", quality=75)
    copies = [again(views[0], 70), smaller.getvalue(), webp.getvalue()]
    pairs = near_pairs(small_pictures(thumbnails(*views, *copies)))
    assert {(0, 4), (0, 5), (0, 6)} <= pairs
    assert not {(a, b) for a, b in pairs if b < 4}


def small_pictures(shown: Sequence[bytes]) -> Pictures:
    return np.array([np.frombuffer(small_picture(one), np.uint8) for one in shown])


def near_pairs(pictures: Pictures) -> set[tuple[int, int]]:
    everything = np.arange(len(pictures))
    return {
        (min(row, other), max(row, other))
        for row, others in alike(pictures, everything, NEAR_LEVELS)
        for other in others.tolist()
    }


def test_a_thumbnail_that_cannot_be_opened_is_like_none() -> None:
    wide = io.BytesIO()
    Image.new("RGB", (3000, 20), "red").save(wide, "JPEG")
    grey = io.BytesIO()
    Image.new("L", (96, 96), 0).save(grey, "JPEG")
    shown = [b"", b"no photo", wide.getvalue(), grey.getvalue(), *thumbnails(jpeg(VARIETIES[0], 0))]
    pictures = small_pictures(shown)
    assert pictures.any(axis=1).tolist() == [False, False, False, True, True]
    assert find_duplicates(photos_of(shown, sizes=range(5)), pictures).rows.tolist() == []


# In one strip, and over many.
@pytest.mark.parametrize("spread", [3, pytest.param(60, marks=pytest.mark.slow)])
def test_alike_are_those_of_brute_force(spread: float) -> None:
    rng = np.random.default_rng(int(spread))
    base = 128 + rng.normal(0, spread, (1200, 12)) @ rng.normal(0, 0.3, (12, WIDE))
    close = base[:600] + rng.normal(0, rng.uniform(0.2, 1.6, (600, 1)), (600, WIDE))
    pictures = rng.permutation(np.clip(np.concatenate([base, close]), 0, 255).astype(np.uint8))
    one, two = np.triu_indices(len(pictures), 1)
    apart = differences(pictures, one, two)
    expected = set(zip(one[apart <= NEAR_LEVELS], two[apart <= NEAR_LEVELS], strict=True))
    assert 100 < len(expected) < 600
    assert near_pairs(pictures) == expected


@pytest.mark.slow
def test_a_thousand_photos_of_a_white_wall_are_one_group_by_few_pairs() -> None:
    rng = np.random.default_rng(0)
    pictures = rng.integers(250, 252, (3000, WIDE)).astype(np.uint8)
    found = list(alike(pictures, np.arange(3000), NEAR_LEVELS))
    assert sum(len(others) for _, others in found) < 300 * 3000
    shown = [bytes([row % 256, row // 256]) for row in range(3000)]
    groups = find_duplicates(photos_of(shown, sizes=range(3000)), pictures)
    assert groups.rows.tolist() == list(range(3000))
    assert set(groups.groups.tolist()) == {1}


def photos_of(shown: list[bytes], sizes: Sequence[int]) -> Photos:
    """Photos without labels, with these thumbnails and sizes in bytes."""
    n = len(shown)
    return Photos(
        paths=pa.chunked_array([[f"{row}.jpg" for row in range(n)]]),
        names=(),
        codes=np.full(n, -1),
        width=np.full(n, 100),
        height=np.full(n, 100),
        size=np.array(sizes),
        rows=np.arange(n),
        digests=np.array([hash(data) & 0xFFFFFFFF for data in shown], np.uint64),
        keys=np.arange(n, dtype=np.uint64),
        contents=np.arange(n, dtype=np.uint64),
    )


def test_exact_and_near_duplicates_join_one_group() -> None:
    photo = jpeg(VARIETIES[0], 0)
    shown = thumbnails(photo, photo, again(photo, 80), jpeg(VARIETIES[5], 0))
    found = find_duplicates(photos_of(shown, sizes=[500, 500, 400, 450]), small_pictures(shown))
    assert found.rows.tolist() == [0, 1, 2]
    assert found.groups.tolist() == [1, 1, 1]
    assert found.exact.tolist() == [True, True, False]
    assert found.difference[1] == 0 < found.difference[2]
    assert found.extra == 2


def test_groups_across_labels_come_first_and_then_the_largest() -> None:
    photo, other, third = (jpeg(variety, 0) for variety in VARIETIES[:3])
    shown = thumbnails(photo, other, photo, third, third, other, other)
    photos = replace(
        photos_of(shown, sizes=[1, 2, 1, 3, 3, 2, 2]), codes=np.array([0, 1, 0, 0, 2, 1, 1])
    )
    found = find_duplicates(photos, small_pictures(shown))
    order = [found.rows[group].tolist() for group in found.in_order(photos.codes)]
    assert order == [[3, 4], [1, 5, 6], [0, 2]]
