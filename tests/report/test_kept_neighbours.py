"""Neighbours that a report leaves for the next one: found again, whatever came, went or moved."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verger.report import kept_neighbours, neighbours
from verger.report.kept_neighbours import KeptNeighbours, nearest_from
from verger.report.neighbours import nearest
from verger.report.reading import Floats
from verger.storage.folder import LocalPlace

POOL = np.random.default_rng(0).normal(0.5, 1, (2_000, 24)).astype(np.float32)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_neighbours, "_FEW", 2)
    monkeypatch.setattr(neighbours, "_ROWS_A_BLOCK", 64)


def check(found: KeptNeighbours, rows: Floats, k: int) -> None:
    """Compare with what is found from nothing: similarities, which the rows named have."""
    expected = nearest(rows, k)
    around = found.around.first(k)
    np.testing.assert_allclose(around.similarity, expected.similarity, atol=2e-6)
    scaled = neighbours.unit(rows)
    named = np.einsum("md,mkd->mk", scaled, scaled[around.index])
    np.testing.assert_allclose(named, around.similarity, atol=2e-6)
    for row, others in enumerate(around.index.tolist()):
        assert len({row, *others}) == len(others) + 1


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.02, 0.3, 0.7]), st.integers(1, 25))
def test_any_history_ends_as_from_nothing(seed: int, share: float, k: int) -> None:
    """Rows come, go, are there twice, and change their order."""
    rng = np.random.default_rng(seed)
    have, kept = rng.choice(len(POOL), 300), KeptNeighbours.none()
    for _ in range(5):
        have = have[rng.random(len(have)) >= rng.uniform(0, share)]
        new = rng.choice(len(POOL), rng.integers(0, 1 + int(share * 300)))
        have = rng.permutation(np.concatenate([have, new]))
        kept = nearest_from(POOL[have], k, kept)
        check(kept, POOL[have], k)


def test_what_is_known_is_not_compared_again(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = nearest_from(POOL[:1_000], 10, KeptNeighbours.none())
    compared: list[int] = []
    keep = neighbours.keep_nearest

    def noted(index: object, similarity: object, cosines: Floats, first: int) -> None:
        compared.append(cosines.size)
        keep(index, similarity, cosines, first)  # type: ignore[arg-type]

    monkeypatch.setattr(kept_neighbours, "keep_nearest", noted)
    check(nearest_from(POOL[5:1_010], 10, kept), POOL[5:1_010], 10)
    assert sum(compared) < 0.05 * 1_000**2
    compared.clear()
    nearest_from(POOL[:1_000][::-1], 10, kept)
    assert not compared


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 12, 300])
def test_they_are_written_and_read(tmp_path: Path, rows: int) -> None:
    (tmp_path / "report").mkdir()
    made = nearest_from(POOL[:rows], 10, KeptNeighbours.none())
    made.write(tmp_path / "report")
    read = KeptNeighbours.read(LocalPlace(tmp_path), "report")
    np.testing.assert_array_equal(read.marks, made.marks)
    if rows:
        np.testing.assert_array_equal(read.around.index, made.around.index)
        np.testing.assert_array_equal(read.around.similarity, made.around.similarity)
    check(nearest_from(POOL[:rows], 10, read), POOL[:rows], 10)
    check(nearest_from(POOL[: rows + 3], 10, read), POOL[: rows + 3], 10)


@pytest.mark.parametrize(
    ("column", "value"), [("index", 2**31 - 1), ("similarity", np.nan), ("similarity", None)]
)
def test_what_cannot_be_is_not_believed(tmp_path: Path, column: str, value: float | None) -> None:
    (tmp_path / "report").mkdir()
    nearest_from(POOL[:30], 10, KeptNeighbours.none()).write(tmp_path / "report")
    file = tmp_path / "report" / kept_neighbours._FILE
    table = pq.read_table(file)
    lists = table[column].to_pylist()
    lists[3][2] = value
    table = table.set_column(
        table.column_names.index(column), column, pa.array(lists, table.schema.field(column).type)
    )
    pq.write_table(table, file)
    assert not len(KeptNeighbours.read(LocalPlace(tmp_path), "report").marks)
