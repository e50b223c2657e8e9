"""`verify` on STOREs that are sound file by file, and break a law between their parts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from report_orchard import jpeg
from report_stores import lay, make_store
from verger.demo.render import VARIETIES
from verger.errors import StoreError
from verger.gallery.build import build_gallery
from verger.projections.feature_moments import FeatureMoments
from verger.store.kept_moments import KeptMoments
from verger.store.layout import FEATURES, GALLERY, MATRIX, MOMENTS, PROJECTION, RECORD, REJECTS
from verger.store.publication import Publication
from verger.store.record_file import sealed
from verger.store.store import Store
from verger.store.tables import rows_of
from verger.store.work import as_json
from verger.texts.numbers import plural
from verger.verify import Verified, verify

Change = Callable[[pa.Table], pa.Table]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole STORE of twelve photos and two rejects, with a gallery."""
    folder = tmp_path_factory.mktemp("sound")
    photos = {
        f"{label}/{view}.jpg": jpeg(label, view) for label in VARIETIES[:3] for view in range(4)
    }
    photos |= {"empty.jpg": b"", "text.jpg": b"no photo"}
    store = make_store(lay(folder / "photos", photos), folder / "store")
    build_gallery(folder / "store" / FEATURES, folder / "store" / PROJECTION, folder / GALLERY)
    with store.working() as work:
        built = [work.built(f"{GALLERY}/{file.name}") for file in (folder / GALLERY).iterdir()]
        for path in built:
            store.place.put(path, (folder / GALLERY / path.rpartition("/")[2]).read_bytes())
        store.publish(work, store.whole_run(), Publication({GALLERY: built}))
    return folder / "store"


@pytest.fixture
def root(sound: Path, copy_of: Callable[[Path], Path]) -> Path:
    return copy_of(sound)


def change(root: Path, **record: Any) -> None:
    """Change the record, and make it list the files as they are now: no checksum tells of it."""
    place = Store(root).place
    said = json.loads(place.read(RECORD))
    said["manifest"] = {path: place.content(path)._asdict() for path in said["manifest"]}
    said["counts"] |= record
    place.put(RECORD, as_json(sealed(said)))


def rewrite(root: Path, table: str, how: Change) -> None:
    """Change a table, or all that is in a file."""
    (file,) = (root / table).iterdir()
    pq.write_table(how(pq.read_table(file)), file)
    change(root)


def told(root: Path) -> list[str]:
    before = {file: file.read_bytes() for file in root.rglob("*") if file.is_file()}
    made = verify(root)
    after = {file: file.read_bytes() for file in root.rglob("*") if file.is_file()}
    assert before == after
    for found in made.findings:
        assert found.remedy
    return [f"{where} {what}" for where, what, _ in made.findings]


def test_a_sound_store_is_found_sound(sound: Path) -> None:
    made = verify(sound)
    files = [path for path in sound.rglob("*") if path.is_file() and ".verger" not in path.parts]
    assert made == Verified(
        files=len(files) - 1,  # but for run.json
        bytes=sum(file.stat().st_size for file in files if file.name != RECORD),
        photos=12,
    )
    assert made.as_json()["sound"] is True
    record = json.loads((sound / RECORD).read_text())
    assert set(record["manifest"]) == {
        str(file.relative_to(sound)) for file in files if file.name != RECORD
    }


def test_photos_listed_are_embedded_or_rejected(root: Path) -> None:
    change(root, listed=15)
    assert told(root) == ["run.json says 15 listed, 12 embedded and 2 rejected"]


@pytest.mark.parametrize(("table", "rows"), [(FEATURES, 12), (REJECTS, 2), (MATRIX, 12)])
def test_tables_hold_what_was_counted(root: Path, table: str, rows: int) -> None:
    rewrite(root, table, lambda old: old.slice(1))
    left = f"{rows - 1} row{plural(rows - 1)}"
    assert told(root)[0] == f"{table}/ has {left}, where run.json says {rows}"


def test_no_path_is_there_twice(root: Path) -> None:
    (first, *_) = pq.read_table(root / FEATURES)["path"].to_pylist()
    rewrite(root, FEATURES, lambda old: pa.concat_tables([old.slice(0, 1), old.slice(0, 11)]))
    assert f"features/ has more than one row of {first}" in told(root)


def test_no_photo_is_both_embedded_and_rejected(root: Path) -> None:
    (first, *_) = pq.read_table(root / FEATURES)["path"].to_pylist()

    def of_another(old: pa.Table) -> pa.Table:
        paths = pa.array([first, *old["path"].to_pylist()[1:]])
        return old.set_column(0, old.schema.field("path"), paths)

    rewrite(root, REJECTS, of_another)
    assert told(root) == [f"rejects/ has {first}, which is embedded as well"]


@pytest.mark.parametrize("value", [0.01, float("nan")])
def test_the_matrix_is_features_times_projection(root: Path, value: float) -> None:
    def off(old: pa.Table) -> pa.Table:
        rows = [np.array(row) for row in old["components"].to_pylist()]
        rows[5][2] += value
        column = pa.array([row.tolist() for row in rows], pa.list_(pa.float32()))
        return old.set_column(2, "components", column)

    rewrite(root, MATRIX, off)
    path = pq.read_table(root / MATRIX)["path"][5]
    (said,) = told(root)
    assert f"has 1 row that is not features × projection: {path} is off the most" in said


def test_the_matrix_is_of_the_same_photos_and_labels(root: Path) -> None:
    rewrite(root, MATRIX, lambda old: old.take([1, 0, *range(2, 12)]))
    assert "has other photos or labels than features/" in told(root)[0]


def test_features_are_as_many_as_the_projection_takes(root: Path) -> None:
    def short(old: pa.Table) -> pa.Table:
        at = old.column_names.index("features")
        rows = [row[:-1] for row in old["features"].to_pylist()]
        return old.set_column(at, "features", pa.array(rows, pa.list_(pa.float32())))

    rewrite(root, FEATURES, short)
    assert "features/ has rows that are not 256 features" in told(root)


def test_the_gallery_is_of_this_projection(root: Path) -> None:
    header = json.loads((root / GALLERY / "gallery.json").read_text())
    for field, value, said in (
        ("projection", {"kind": "pca", "sha256": "0"}, "a different projection"),
        (
            "tables",
            [{"file": "part-9.parquet", "rows": 12}],
            "of other files than those of features",
        ),
    ):
        (root / GALLERY / "gallery.json").write_text(json.dumps(header | {field: value}))
        change(root)
        (found,) = told(root)
        assert found.startswith("gallery/ ")
        assert said in found


# Files --------------------------------------------------------------------------------------------


def test_a_change_by_hand_is_found(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    record = json.loads((root / RECORD).read_text())
    (root / RECORD).write_text(json.dumps(record | {"photos": "/elsewhere"}))
    assert told(root) == ["run.json was changed since the run wrote it"]
    assert not caplog.text
    assert Store(root).whole_run()["photos"] == "/elsewhere"  # perhaps a user's wish
    assert "run.json was changed since the run wrote it." in caplog.text


def test_a_file_that_no_run_left_is_found(root: Path) -> None:
    (file,) = (root / FEATURES).iterdir()
    (root / FEATURES / "z.parquet").write_bytes(file.read_bytes())
    assert told(root)[0] == "features/z.parquet is not a file that a run left"


def test_all_damage_is_named(root: Path) -> None:
    wanted = []
    for number, file in enumerate(sorted((root / PROJECTION).iterdir())):
        path = f"{PROJECTION}/{file.name}"
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        if number % 3 == 0:
            file.unlink()
            wanted.append(f"{path} is missing")
        elif number % 3 == 1:
            file.write_bytes(data)
            wanted.append(f"{path} is not what the run wrote: its SHA-256 differs")
        else:
            file.write_bytes(data[:-1])
            wanted.append(f"{path} has {len(data) - 1:,} bytes, where the run left {len(data):,}")
    assert sorted(told(root)) == sorted(wanted)


def test_a_store_of_before_has_no_checksums_and_its_laws_are_looked_at(root: Path) -> None:
    record = json.loads((root / RECORD).read_text())
    del record["manifest"], record["sha256"]
    (root / RECORD).write_text(json.dumps(record))
    made = verify(root)
    assert (made.findings, made.files, made.photos) == ([], 0, 12)
    assert made.notes == [
        "An older Verger wrote this, without checksums. `verger reduce STORE` adds them."
    ]
    (file,) = (root / MATRIX).iterdir()
    file.write_bytes(file.read_bytes()[:-100])
    assert "cannot be read as a table" in told(root)[0]
    Store(root).whole_run()  # of which nothing is known that could be looked at


def test_no_run_and_half_a_publication(root: Path) -> None:
    (root / ".verger" / "publish.json").write_text("{}")
    with pytest.raises(StoreError, match="is putting its files into place"):
        verify(root)
    (root / ".verger" / "publish.json").unlink()
    (root / RECORD).unlink()
    with pytest.raises(StoreError, match="No finished run in"):
        verify(root)


@pytest.mark.parametrize(
    ("offset", "label", "wrong"),
    [
        (0.0, "", []),
        (1e-6, "", [".verger/moments are not the moments of features/"]),
        (0.0, "Medlar", [".verger/moments has different labels from features/"]),
    ],
)
def test_moments_that_are_kept_are_those_of_the_features(
    root: Path, offset: float, label: str, wrong: list[str]
) -> None:
    store = Store(root)
    table = pq.read_table(root / FEATURES)
    rows = np.stack(table["features"].to_numpy()).astype(np.float64)
    made = FeatureMoments.of(rows + offset, [label or one for one in table["label"].to_pylist()])
    kept = KeptMoments.none(rows.shape[1]).updated(
        made,
        FeatureMoments.zero(rows.shape[1]),
        {file: rows_of(store.place, [file]) for file in store.table(FEATURES)},
    )
    assert kept is not None
    kept.write(store.place, MOMENTS)
    assert told(root) == wrong


def test_moments_of_other_files_are_of_no_use_and_no_damage(root: Path) -> None:
    place = Store(root).place
    KeptMoments.none(8).write(place, MOMENTS)
    assert told(root) == []
    place.put(MOMENTS, b"nothing of the kind")
    assert told(root) == []
