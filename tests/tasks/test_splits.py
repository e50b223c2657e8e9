"""Cutting the list of photos into tasks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from verger.tasks.splits import COST_A_PHOTO, MOST_PHOTOS, cut


@given(
    sizes=st.lists(st.integers(0, 20_000_000), max_size=300),
    cores=st.integers(1, 64),
)
def test_each_row_is_in_exactly_one_span_in_order(sizes: list[int], cores: int) -> None:
    splits = cut(sizes, len(sizes), sum(sizes), cores)
    assert [row for split in splits for row in range(*split)] == list(range(len(sizes)))
    assert all(split.start < split.stop for split in splits)


@given(photos=st.integers(0, 30_000), size=st.integers(0, 500_000), cores=st.integers(1, 32))
def test_spans_of_like_photos_grow_shorter_and_none_is_too_long(
    photos: int, size: int, cores: int
) -> None:
    splits = cut((size for _ in range(photos)), photos, photos * size, cores)
    lengths = [split.stop - split.start for split in splits]
    assert sum(lengths) == photos
    assert lengths == sorted(lengths, reverse=True)
    assert max(lengths, default=0) <= MOST_PHOTOS
    assert all(length >= 8 for length in lengths[:-1])


def test_every_core_has_work_and_tasks_stay_few() -> None:
    for cores in (1, 2, 4, 16):
        splits = cut([100_000] * 5980, 5980, 598_000_000, cores)
        assert cores < len(splits) < 20 * cores
        longest = max(split.stop - split.start for split in splits)
        assert longest <= 5980 / cores
        # Short ones come last, so that no core waits long for another.
        assert splits[-2].stop - splits[-2].start <= max(longest / 4, 64)


def test_it_is_bytes_that_are_shared_out() -> None:
    sizes = [20 * COST_A_PHOTO] * 100 + [0] * 2000
    splits = cut(sizes, len(sizes), sum(sizes), 2)
    of_large = [split for split in splits if split.start < 100]
    assert len(of_large) >= 2
    assert splits[0].stop < 100 < splits[-1].stop - splits[-1].start + 1000


def test_no_photo_gives_no_span() -> None:
    assert cut([], 0, 0, 4) == []
    assert cut([5], 1, 5, 4) == [(0, 1)]
