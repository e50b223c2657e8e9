"""The laws of moments: zero is an identity, and no grouping or order of rows matters."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verger.errors import UsageError
from verger.projections.moments import (
    Moments,
    NotFinite,
    check_width,
    merge_all,
    root_unit,
    unit_length,
)

WIDTH = 6
LABELS = ("Apple", "Lemon", "Éclair", None)


def rows_of(seed: int, n: int = 50, offset: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    spread = rng.uniform(0.1, 10, WIDTH)
    return (rng.normal(size=(n, WIDTH)) * spread + offset).astype(np.float32)


def labels_of(seed: int, n: int = 50) -> list[str | None]:
    return [LABELS[i] for i in np.random.default_rng(seed).integers(0, len(LABELS), n)]


def assert_same(one: Moments, two: Moments, rtol: float = 1e-10) -> None:
    assert one.n == two.n
    assert one.labels == two.labels
    np.testing.assert_array_equal(one.label_counts, two.label_counts)
    scale = max(np.abs(two.scatter).max(), 1e-300)
    np.testing.assert_allclose(one.scatter, two.scatter, atol=rtol * scale, rtol=0)
    np.testing.assert_allclose(one.mean, two.mean, rtol=rtol, atol=rtol * np.sqrt(scale))
    np.testing.assert_allclose(
        one.label_means, two.label_means, rtol=rtol, atol=rtol * np.sqrt(scale)
    )


def test_they_are_what_numpy_says() -> None:
    rows, labels = rows_of(0), labels_of(0)
    moments = Moments.of(rows, labels)
    exact = rows.astype(np.float64)
    np.testing.assert_allclose(moments.mean, exact.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(moments.covariance(), np.cov(exact.T), rtol=1e-10)
    assert moments.labels == ("Apple", "Lemon", "Éclair")
    for label, count, mean in zip(
        moments.labels, moments.label_counts, moments.label_means, strict=True
    ):
        mine = exact[[one == label for one in labels]]
        assert count == len(mine)
        np.testing.assert_allclose(mean, mine.mean(axis=0), rtol=1e-10)


@given(st.lists(st.integers(0, 50), max_size=8), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_any_partitioning_in_any_order_is_the_same(cuts: list[int], random: object) -> None:
    rows, labels = rows_of(1), labels_of(1)
    edges = [0, *sorted(cuts), len(rows)]
    parts = [Moments.of(rows[a:b], labels[a:b]) for a, b in pairwise(edges)]
    random.shuffle(parts)  # type: ignore[attr-defined]
    assert_same(merge_all(parts, WIDTH), Moments.of(rows, labels))


def test_one_row_a_part_is_the_same() -> None:
    rows, labels = rows_of(2), labels_of(2)
    parts = [Moments.of(rows[i : i + 1], labels[i : i + 1]) for i in range(len(rows))]
    assert_same(merge_all(parts, WIDTH), Moments.of(rows, labels))


def test_a_tree_of_merges_is_the_same_as_a_chain() -> None:
    parts = [Moments.of(rows_of(seed), labels_of(seed)) for seed in range(8)]
    chain = merge_all(parts, WIDTH)
    while len(parts) > 1:
        parts = [one.merge(two) for one, two in zip(parts[::2], parts[1::2], strict=True)]
    assert_same(parts[0], chain)


def test_zero_is_an_identity_on_both_sides_and_with_itself() -> None:
    moments, zero = Moments.of(rows_of(3), labels_of(3)), Moments.zero(WIDTH)
    assert moments.merge(zero) is moments
    assert zero.merge(moments) is moments
    assert zero.merge(zero).n == 0
    assert Moments.of(np.zeros((0, WIDTH), dtype=np.float32)).n == 0


def test_a_large_common_offset_costs_no_precision() -> None:
    rows = rows_of(4).astype(np.float64)
    near = merge_all([Moments.of(rows[i : i + 7]) for i in range(0, 50, 7)], WIDTH)
    far = merge_all([Moments.of(rows[i : i + 7] + 1e4) for i in range(0, 50, 7)], WIDTH)
    np.testing.assert_allclose(far.scatter, near.scatter, atol=1e-9 * np.abs(near.scatter).max())


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_no_number_names_its_row(bad: float) -> None:
    rows = rows_of(5)
    rows[17, 3] = bad
    with pytest.raises(NotFinite) as error:
        Moments.of(rows)
    assert error.value.row == 17


def test_unlike_widths_do_not_merge() -> None:
    with pytest.raises(ValueError, match="6 and of 5 features"):
        Moments.of(rows_of(6)).merge(Moments.zero(5).merge(Moments.of(rows_of(6)[:, :5])))


def test_merging_changes_neither_side() -> None:
    one, two = Moments.of(rows_of(7), labels_of(7)), Moments.of(rows_of(8), labels_of(8))
    before = one.scatter.copy(), one.label_means.copy()
    one.merge(two)
    np.testing.assert_array_equal(one.scatter, before[0])
    np.testing.assert_array_equal(one.label_means, before[1])


def test_distances_after_root_unit_are_hellingers() -> None:
    one, two = np.array([[1.0, 4.0, 0.0], [2.0, 2.0, 1.0]])
    apart = np.linalg.norm(np.diff(root_unit(np.array([one, two])), axis=0))
    shared = np.sqrt(one / one.sum() * two / two.sum()).sum()
    assert apart == pytest.approx(np.sqrt(2 - 2 * shared))
    np.testing.assert_array_equal(root_unit(-one[None]), -root_unit(one[None]))


def test_unit_length_leaves_zeros() -> None:
    rows = rows_of(9)
    rows[3] = 0
    lengths = np.linalg.norm(unit_length(rows), axis=1)
    assert lengths[3] == 0
    np.testing.assert_allclose(np.delete(lengths, 3), 1.0)


@pytest.mark.parametrize("huge", [1e160, 1e300, 1.7e308])
def test_a_value_too_large_to_square_names_its_row(huge: float) -> None:
    rows = rows_of(10).astype(np.float64)
    rows[31, 2] = huge
    with pytest.raises(NotFinite, match="too large to square") as error:
        Moments.of(rows)
    assert error.value.row == 31
    with pytest.raises(NotFinite):  # by itself it has no scatter, and could not be merged
        Moments.of(rows[31:32])


def test_unit_length_takes_values_whose_squares_overflow() -> None:
    rows = rows_of(11).astype(np.float64)
    np.testing.assert_allclose(unit_length(rows * 1e200), unit_length(rows), rtol=1e-12)


def test_a_width_beyond_the_memory_is_refused_with_the_figures() -> None:
    with pytest.raises(
        UsageError, match=r"^1000000 features need 7450\.6 GiB for each .+ there is"
    ):
        check_width(1_000_000)
    check_width(4096)


def test_the_memory_that_a_worker_is_limited_to_counts() -> None:
    """Spark limits the address space of its workers where it is told how much they may have."""
    program = """
import resource
from verger.projections.moments import check_width
check_width(4096)
resource.setrlimit(resource.RLIMIT_AS, (700 * 2**20, 700 * 2**20))
check_width(4096)
"""
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 1
    assert ran.stderr.splitlines()[-1].endswith("are held at once; there is 0.7 GiB.")
