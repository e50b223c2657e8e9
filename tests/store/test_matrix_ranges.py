"""The matrix in ranges of paths: whatever the files and however they are cut, the same rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from verger.embed.features import features_schema
from verger.projections.moments import Moments
from verger.projections.pca import PCA, fit_pca
from verger.storage.folder import LocalPlace
from verger.store.blocks import matrix
from verger.store.gathering import Gathered, Gathering, packed, unpacked
from verger.store.matrix import SCHEMA, Files, groups_of, in_order, ranges, write_range
from verger.store.tables import Table

WIDTH, ROWS = 12, 900
RNG = np.random.default_rng(3)
VALUES = RNG.random((ROWS, WIDTH), dtype=np.float32)
# In the order of their bytes: capitals first, letters with accents last.
PATHS = sorted({f"{'aZé桃'[n % 4]}/{n * 7919 % 1009:04d}.jpg" for n in range(ROWS)})


@pytest.fixture(scope="module")
def pca() -> PCA:
    return fit_pca(Moments.of(VALUES), 5)


def table(folder: Path, files: list[list[int]], rows_a_group: int = 64) -> Table:
    """Write files of features, each with the rows of these numbers, in the order given."""
    names = []
    for number, rows in enumerate(files):
        columns = {
            "path": [PATHS[row] for row in rows],
            "label": [None if row % 5 == 0 else f"label {row % 5}" for row in rows],
            "features": list(VALUES[rows]),
        }
        schema = pa.schema([features_schema().field(name) for name in columns])
        names.append(f"features/{number}.parquet")
        (folder / "features").mkdir(exist_ok=True)
        written = pa.Table.from_pydict(columns, schema)
        pq.write_table(written, folder / names[-1], row_group_size=rows_a_group)
    return Table(LocalPlace(folder), names)


class Sums:
    """Takes the sum of each photo's features."""

    columns = ("features",)

    @property
    def fields(self) -> dict[str, pa.DataType]:
        return {"vector": pa.binary()}

    def __call__(self, rows: pa.Table) -> dict[str, pa.Array]:
        return {"vector": packed(matrix(rows["features"], WIDTH).sum(axis=1, keepdims=True))}


def matrix_of(features: Table, pca: PCA, cores: int) -> tuple[pa.Table, Gathered]:
    groups = groups_of(features)
    spans = ranges(groups, pca.k, cores)
    assert spans[0].start == ""
    assert spans[-1].stop is None
    gathering = Gathering(features.place, (Sums(),), np.arange(0, ROWS, 11), ("features",))
    done = [
        write_range(
            features, span, pca, gathering, Files(f"m/{number}", f"l/{number}", f"h/{number}")
        )
        for number, span in enumerate(spans)
    ]
    assert sum(group.rows for group in groups) == sum(files.rows for files in done)
    tables = [pq.read_table(features.place.open(files.matrix)) for files in done]
    light, heavy = [files.light for files in done], [files.heavy for files in done]
    rows = sum(group.rows for group in groups)
    return pa.concat_tables(tables), Gathered(features.place, rows, light, heavy)


CUTS = {
    "one file": [list(range(ROWS))],
    "files that follow one another": [list(range(at, at + 300)) for at in (0, 300, 600)],
    "files all over": [list(range(at, ROWS, 7)) for at in range(7)],
    "a large one, and small ones of later days": [
        [row for row in range(ROWS) if row % 9],
        *([row] for row in range(0, ROWS, 9)),
    ],
    "a file that is out of order": [list(range(ROWS - 1, 299, -1)), list(range(300))],
    "an empty one": [[], list(range(ROWS)), []],
}


@pytest.mark.parametrize("files", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize("cores", [1, 5])
def test_rows_are_those_of_all_features_in_order_of_path(
    tmp_path: Path, pca: PCA, files: list[list[int]], cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("verger.store.matrix._LEAST_ROWS", 100)
    made, gathered = matrix_of(table(tmp_path, files), pca, cores)
    assert made.schema.equals(SCHEMA)
    assert made["path"].to_pylist() == PATHS
    assert made["label"].to_pylist() == [
        None if row % 5 == 0 else f"label {row % 5}" for row in range(ROWS)
    ]
    components = np.stack(made["components"].to_numpy())
    np.testing.assert_allclose(components, pca.transform(VALUES), atol=1e-6)
    assert len(list((tmp_path / "m").iterdir())) == cores
    # What is gathered comes back in the order of the table, whoever wrote it.
    order = [row for rows in files for row in rows]
    assert gathered.in_order("path").to_pylist() == [PATHS[row] for row in order]
    sums = np.zeros((ROWS, 1), np.float32)
    for rows, batch in gathered.of_all("vector"):
        sums[rows] = unpacked(batch.column("vector"), np.float32, 1)
    np.testing.assert_array_equal(sums, VALUES[order].sum(axis=1, keepdims=True))
    some = np.array([22, 55, 880])
    np.testing.assert_array_equal(gathered.features(some, WIDTH), VALUES[order][some])


def test_a_table_without_rows_is_one_empty_file(tmp_path: Path) -> None:
    none = fit_pca(Moments.zero(WIDTH), 5)
    made, gathered = matrix_of(table(tmp_path, [[]]), none, 4)
    assert gathered.in_order("path").to_pylist() == []
    assert made.schema.equals(SCHEMA)
    assert len(made) == 0


def test_groups_that_follow_one_another_are_read_once_and_one_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("verger.store.matrix._LEAST_ROWS", 100)
    features = table(tmp_path, CUTS["files that follow one another"])
    spans = ranges(groups_of(features), 5, cores=4)
    assert len(spans) == 4
    touched = [group for span in spans for group in span.groups]
    assert sorted(touched) == sorted(groups_of(features))
    read = 0

    def rows(group: object) -> pa.Table:
        nonlocal read
        read += 1
        return pa.table({"path": PATHS[64 * read - 64 : 64 * read]})

    for given, _ in enumerate(in_order(spans[0].groups, rows), 1):
        assert read == given


def test_paths_too_long_for_a_footer_are_looked_up(tmp_path: Path, pca: PCA) -> None:
    """Parquet leaves a column's least and largest value out where they are long."""
    long = [f"{'x' * 5000}/{number}.jpg" for number in range(4)]
    schema = pa.schema([features_schema().field(name) for name in ("path", "label", "features")])
    rows = {"path": long, "label": ["a"] * 4, "features": list(VALUES[:4])}
    (tmp_path / "features").mkdir()
    pq.write_table(pa.Table.from_pydict(rows, schema), tmp_path / "features" / "0.parquet")
    features = Table(LocalPlace(tmp_path), ["features/0.parquet"])
    with pq.ParquetFile(tmp_path / "features" / "0.parquet") as file:
        known = file.metadata.row_group(0).column(0).statistics
        assert known is None or not known.has_min_max
    assert [group[4:] for group in groups_of(features)] == [(long[0], long[-1])]
    assert matrix_of(features, pca, 1)[0]["path"].to_pylist() == long
