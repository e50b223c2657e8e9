"""A report from what a run gathered is the report from STORE."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from report_orchard import Orchard
from verger.photos.small import WIDE
from verger.projections.pca import load_pca
from verger.report import data
from verger.report.data import Report, build
from verger.report.findings import tables
from verger.report.reading import read_photos
from verger.storage.folder import LocalPlace
from verger.store.gathering import Gathered, Gathering, unpacked
from verger.store.label_codes import encoded
from verger.store.layout import FEATURES, PROJECTION
from verger.store.matrix import ALL, groups_of, reader
from verger.store.sampling import keys_of
from verger.store.store import Store
from verger.store.tables import Table


def gathered(store: Store, root: Path, scratch: Path, finished: str | None) -> Gathered:
    """Gather, in this process and in two files, what the tasks of a run do, the last rows first."""
    table = Table(store.place, store.table(FEATURES))
    labels = [b.column("label") for b in table.batches(range(len(table.files)), ["label"])]
    codes = encoded(pa.chunked_array(labels, pa.string())).codes
    light = data.light(store, load_pca(root / PROJECTION), finished)
    rows = data.looked_at(codes, lambda: keys_of(table.column("path")))
    gathering = Gathering(LocalPlace(scratch), (light,), rows, ("features", "thumbnail"))
    read = reader(table, gathering.columns)
    blocks = [each for group in groups_of(table) for each in read(group, ALL)]
    for number, half in enumerate((slice(50, None), slice(50))):
        with gathering.into(f"light/{number}", f"heavy/{number}") as take:
            for block, numbers in blocks:
                some = np.arange(len(block))[half]
                take(block.take(some), numbers[half])
    names = [[f"{kind}/{number}" for number in range(2)] for kind in ("light", "heavy")]
    return Gathered(gathering.place, len(codes), *names)


@pytest.mark.parametrize("most", [data.MOST_LOOKED_AT, pytest.param(20, marks=pytest.mark.slow)])
def test_a_report_from_what_was_gathered_is_that_from_the_store(
    orchard: Orchard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """With 20 looked at, most duplicates are among the others: their thumbnails are read."""
    monkeypatch.setattr(data, "MOST_LOOKED_AT", most)
    root = Path(orchard.store.root)
    finished = str(orchard.store.whole_run()["finished"])
    read = build(orchard.store)
    made = build(orchard.store, gathered=gathered(orchard.store, root, tmp_path, finished))
    others = set(shown(read)) - set(made.sample.rows.tolist())
    assert bool(others) is (most == 20)
    theirs = tables(read)
    for name, table in tables(made).items():
        assert table.equals(theirs[name]), name
    assert made.sample.thumbnails == read.sample.thumbnails
    assert set(made.sample.thumbnails) >= set(shown(read))
    np.testing.assert_array_equal(made.sample.features, read.sample.features)
    # Blocks of other sizes are added up in another order.
    np.testing.assert_allclose(made.sample.projected, read.sample.projected, atol=1e-5)
    np.testing.assert_array_equal(made.summary.keys, read.summary.keys)


def test_tables_without_small_pictures_are_read_as_those_that_have_them(
    orchard: Orchard, tmp_path: Path
) -> None:
    table = Table(orchard.store.place, orchard.store.table(FEATURES))
    for number, file in enumerate(table.files):
        rows = pq.read_table(table.place.open(file)).drop_columns(["picture"])
        pq.write_table(rows, tmp_path / f"{number}.parquet", row_group_size=50)
    old = Table(LocalPlace(tmp_path), [f"{number}.parquet" for number in range(len(table.files))])
    (photos, pictures), (theirs, shown) = read_photos(old), read_photos(table)
    assert pictures.any(axis=1).all()
    np.testing.assert_array_equal(pictures, shown)
    np.testing.assert_array_equal(photos.digests, theirs.digests)
    light = data.light(orchard.store, load_pca(Path(orchard.store.root) / PROJECTION), None)
    (block, _), *_ = reader(old, ["path", *light.columns])(groups_of(old)[0], ALL)
    np.testing.assert_array_equal(
        unpacked(light(block)["picture"], np.uint8, WIDE), pictures[: len(block)]
    )


def shown(report: Report) -> list[int]:
    return [int(row) for row in report.duplicates.rows]
