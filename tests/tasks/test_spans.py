"""Cutting the list of photos into tasks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from verger.tasks.spans import COST_A_PHOTO, MOST_PHOTOS, cut


@given(
    sizes=st.lists(st.integers(0, 20_000_000), max_size=300),
    cores=st.integers(1, 64),
)
def test_each_row_is_in_exactly_one_span_in_order(sizes: list[int], cores: int) -> None:
    spans = cut(sizes, len(sizes), sum(sizes), cores)
    assert [row for span in spans for row in range(*span)] == list(range(len(sizes)))
    assert all(span.start < span.stop for span in spans)


@given(photos=st.integers(0, 30_000), size=st.integers(0, 500_000), cores=st.integers(1, 32))
def test_spans_of_like_photos_grow_shorter_and_none_is_too_long(
    photos: int, size: int, cores: int
) -> None:
    spans = cut((size for _ in range(photos)), photos, photos * size, cores)
    lengths = [span.stop - span.start for span in spans]
    assert sum(lengths) == photos
    assert lengths == sorted(lengths, reverse=True)
    assert max(lengths, default=0) <= MOST_PHOTOS
    assert all(length >= 8 for length in lengths[:-1])


def test_every_core_has_work_and_tasks_stay_few() -> None:
    for cores in (1, 2, 4, 16):
        spans = cut([100_000] * 5980, 5980, 598_000_000, cores)
        assert cores < len(spans) < 20 * cores
        longest = max(span.stop - span.start for span in spans)
        assert longest <= 5980 / cores
        # Short ones come last, so that no core waits long for another.
        assert spans[-2].stop - spans[-2].start <= max(longest / 4, 64)


def test_it_is_bytes_that_are_shared_out() -> None:
    sizes = [20 * COST_A_PHOTO] * 100 + [0] * 2000
    spans = cut(sizes, len(sizes), sum(sizes), 2)
    of_large = [span for span in spans if span.start < 100]
    assert len(of_large) >= 2
    assert spans[0].stop < 100 < spans[-1].stop - spans[-1].start + 1000


def test_no_photo_gives_no_span() -> None:
    assert cut([], 0, 0, 4) == []
    assert cut([5], 1, 5, 4) == [(0, 1)]
