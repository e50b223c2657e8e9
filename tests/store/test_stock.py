"""Taking stock: the photos of a folder beside a STORE, and what runs that were stopped left."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from verger import pipeline
from verger.embed import open_backbone
from verger.errors import PhotosError, UsageError
from verger.photos.labels import Labeller, labeller_from
from verger.pipeline import plan, run
from verger.progress import Silent
from verger.settings import DEFAULT_BACKBONE, RunSettings
from verger.storage.folder import LocalPlace
from verger.store.inventory import Tally, edits_of, refs_of
from verger.store.layout import FEATURES, RECORD, REJECTS
from verger.store.parts import SCHEMAS
from verger.store.publication import Publication
from verger.store.reader import RECORD_FORMAT
from verger.store.record import backbone_record
from verger.store.stock import label_notes, take_stock
from verger.store.store import Store, fingerprint
from verger.store.summary import planned
from verger.store.work import as_json

if TYPE_CHECKING:
    from verger.photos.references import PhotoRef
    from verger.storage.place import Place
    from verger.store.stock import Stock

SETTINGS = RunSettings(components="2")
BACKBONE = backbone_record(open_backbone(DEFAULT_BACKBONE))
MADE_BY = fingerprint(BACKBONE, max_pixels=SETTINGS.max_pixels, anew=False)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Five files of a photo's name, of other sizes and times; nothing here opens one."""
    for n, name in enumerate(["a/1.jpg", "a/2.jpg", "a.jpg", "b/3.jpg", "z.png"]):
        file = tmp_path / "photos" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x" * (n + 1))
        os.utime(file, (1_000_000 + n, 1_000_000 + n))
    return tmp_path / "photos"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "store")
    made.claim(backbone=BACKBONE, overwrite=False)
    return made


@Labeller
def parent(path: str) -> str | None:
    return path.rsplit("/", 2)[-2] if "/" in path else None


def listed(photos: Path, *names: str) -> list[PhotoRef]:
    refs = {ref.path: ref for ref in LocalPlace(photos).list(parent)}
    return [refs[name] for name in sorted(names)]


def write(place: Place, table: str, path: str, refs: list[PhotoRef]) -> str:
    """Write a table that knows some photos."""
    rows = [
        {"path": r.path, "label": r.label, "bytes": r.bytes, "modified": r.modified}
        | ({"reason": "not_an_image"} if table == REJECTS else {"features": [1.0]})
        for r in refs
    ]
    with place.incoming(path) as file:
        pq.write_table(pa.Table.from_pylist(rows, SCHEMAS[table]), file)
    return path


def publish(store: Store, features: list[PhotoRef], rejects: list[PhotoRef]) -> dict[str, Any]:
    """Publish a whole run that knows these photos."""
    record = {
        "settings": SETTINGS.as_record() | {"backbone": DEFAULT_BACKBONE},  # as a run writes it
        "backbone": BACKBONE,
        "projection": {},
        "counts": {
            "listed": len(features) + len(rejects),
            "embedded": len(features),
            "rejected": len(rejects),
        },
    }
    with store.working() as work:
        folders = {
            FEATURES: [write(store.place, FEATURES, work.built("features/p.parquet"), features)],
            REJECTS: [write(store.place, REJECTS, work.built("rejects/p.parquet"), rejects)],
        }
        store.publish(work, record, Publication(folders))
    return record


def leave_a_part(
    store: Store, name: str, features: list[PhotoRef], rejects: list[PhotoRef]
) -> None:
    """Leave what a run leaves that is killed after a task."""
    with store.working(MADE_BY) as work:
        if rejects:
            write(store.place, REJECTS, f"{work.parts}/rejects/{name}.parquet", rejects)
        write(store.place, FEATURES, f"{work.parts}/features/{name}.parquet", features)


def stock(
    store: Store,
    photos: Path,
    scratch: Path,
    labeller: Labeller = parent,
    *,
    anew: bool = False,
    retry_rejects: bool = False,
) -> Stock:
    with store.working(MADE_BY) as work:
        return take_stock(
            store, work, LocalPlace(photos), labeller, Silent(),
            (scratch / "refs", scratch / "edits"),
            anew=anew, retry_rejects=retry_rejects,
        )  # fmt: skip


def to_embed(found: Stock, scratch: Path) -> list[str]:
    made = refs_of(LocalPlace(scratch), "refs", 0, found.tally.to_embed)
    return [ref.path for ref in made]


def test_all_is_new_to_a_new_store(store: Store, photos: Path, tmp_path: Path) -> None:
    found = stock(store, photos, tmp_path)
    assert found.tally.as_record() == {
        "new": 5, "changed": 0, "retried": 0, "kept": 0, "relabelled": 0, "gone": 0,
        "reused": 0, "resumed": 0,
    }  # fmt: skip
    assert (found.tally.listed, found.tally.bytes_to_read) == (5, 15)
    assert (found.features, found.rejects, found.edited) == ([], [], set())
    names = ["a.jpg", "a/1.jpg", "a/2.jpg", "b/3.jpg", "z.png"]
    assert to_embed(found, tmp_path) == names


def test_a_store_and_parts_are_known_together(store: Store, photos: Path, tmp_path: Path) -> None:
    (gone,) = listed(photos, "a/1.jpg")
    publish(store, listed(photos, "a.jpg", "a/1.jpg"), listed(photos, "z.png"))
    leave_a_part(store, "x", listed(photos, "a/2.jpg"), listed(photos, "b/3.jpg"))
    (photos / "a" / "1.jpg").unlink()
    (photos / "z.png").write_bytes(b"mended")
    found = stock(store, photos, tmp_path)
    assert found.tally.as_record() == {
        "new": 0, "changed": 1, "retried": 0, "kept": 3, "relabelled": 0, "gone": 1,
        "reused": 0, "resumed": 2,
    }  # fmt: skip
    part = f".verger/work/parts-{MADE_BY}"
    assert found.features == ["features/p.parquet", f"{part}/features/x.parquet"]
    assert found.rejects == ["rejects/p.parquet", f"{part}/rejects/x.parquet"]
    assert found.edited == {"features/p.parquet", "rejects/p.parquet"}
    assert to_embed(found, tmp_path) == ["z.png"]
    scratch = LocalPlace(tmp_path)
    assert edits_of(scratch, "edits", "features/p.parquet") == ({gone.path}, {})
    assert edits_of(scratch, "edits", "rejects/p.parquet") == ({"z.png"}, {})


def test_a_photo_that_two_files_know_is_left_in_one(
    store: Store, photos: Path, tmp_path: Path
) -> None:
    publish(store, listed(photos, "a.jpg"), [])
    leave_a_part(store, "x", listed(photos, "a.jpg", "z.png"), [])
    found = stock(store, photos, tmp_path)
    assert (found.tally.kept, found.tally.new, found.tally.gone) == (2, 3, 0)
    scratch = LocalPlace(tmp_path)
    (edited,) = found.edited
    assert edits_of(scratch, "edits", edited) == ({"a.jpg"}, {})


def test_to_embed_anew_takes_nothing_of_the_store_but_parts_of_its_own(
    store: Store, photos: Path, tmp_path: Path
) -> None:
    publish(store, listed(photos, "a.jpg", "a/1.jpg"), listed(photos, "z.png"))
    leave_a_part(store, "x", listed(photos, "a/2.jpg"), [])
    found = stock(store, photos, tmp_path, anew=True)
    assert (found.tally.new, found.tally.kept, found.tally.gone) == (4, 1, 0)
    assert found.edited == set()


def test_tables_without_a_record_are_not_known(store: Store, photos: Path, tmp_path: Path) -> None:
    """Rejects of a run that failed lie there: see `Store.keep_rejects`."""
    write(store.place, REJECTS, "rejects/failed.parquet", listed(photos, "z.png"))
    found = stock(store, photos, tmp_path)
    assert (found.tally.new, found.rejects) == (5, [])


def test_another_labeller_relabels_and_embeds_nothing(
    store: Store, photos: Path, tmp_path: Path
) -> None:
    publish(
        store, listed(photos, "a.jpg", "a/1.jpg", "a/2.jpg", "b/3.jpg"), listed(photos, "z.png")
    )
    assert stock(store, photos, tmp_path).tally.is_same
    found = stock(store, photos, tmp_path, Labeller(lambda _path: "fruit"))
    assert (found.tally.relabelled, found.tally.kept, found.tally.to_embed) == (5, 5, 0)
    assert not found.tally.is_same
    scratch = LocalPlace(tmp_path)
    assert edits_of(scratch, "edits", "rejects/p.parquet") == (set(), {"z.png": "fruit"})


def test_rejects_are_tried_again_when_asked(store: Store, photos: Path, tmp_path: Path) -> None:
    publish(
        store, listed(photos, "a.jpg", "a/1.jpg", "a/2.jpg", "b/3.jpg"), listed(photos, "z.png")
    )
    found = stock(store, photos, tmp_path, retry_rejects=True)
    assert (found.tally.retried, found.tally.kept) == (1, 4)
    assert to_embed(found, tmp_path) == ["z.png"]


def test_a_folder_without_photos_is_an_error(store: Store, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    with pytest.raises(PhotosError, match=r"No photo in .*none"):
        stock(store, tmp_path / "none", tmp_path)


def test_a_plan_is_what_a_run_would_find_and_leaves_no_trace(
    store: Store, photos: Path, tmp_path: Path
) -> None:
    publish(store, listed(photos, "a.jpg", "a/1.jpg"), listed(photos, "z.png"))
    leave_a_part(store, "x", listed(photos, "a/2.jpg"), [])
    before = sorted((p, p.stat().st_mtime_ns) for p in tmp_path.rglob("*"))
    for settings in (SETTINGS, RunSettings(components="2", retry_rejects=True)):
        tally = plan(photos, store.root, settings)
        assert (tally.new, tally.kept + tally.retried) == (1, 4)
        assert tally.retried == settings.retry_rejects
    assert plan(photos, tmp_path / "new", SETTINGS).new == 5
    assert sorted((p, p.stat().st_mtime_ns) for p in tmp_path.rglob("*")) == before


class Entered(Exception):
    """The chain has been entered, which opens photos and needs Spark."""


@pytest.fixture
def no_spark(monkeypatch: pytest.MonkeyPatch) -> None:
    def enter(*_arguments: object, **_: object) -> None:
        raise Entered

    monkeypatch.setattr(pipeline, "_embedded_and_reduced", enter)


@pytest.mark.usefixtures("no_spark")
def test_a_run_that_changes_nothing_starts_no_spark(store: Store, photos: Path) -> None:
    names = ["a.jpg", "a/1.jpg", "a/2.jpg", "b/3.jpg", "z.png"]
    settings = RunSettings(components="2", label_from="none")
    refs = [ref._replace(label=None) for ref in listed(photos, *names)]
    made = publish(store, refs, [])
    record = run(photos, store.root, settings).record
    assert record["counts"] == made["counts"]
    assert record["changes"] == {
        "new": 0, "changed": 0, "retried": 0, "kept": 5, "relabelled": 0, "gone": 0,
        "reused": 0, "resumed": 0,
    }  # fmt: skip
    assert Store(store.root).record() == {"format": RECORD_FORMAT} | record
    with pytest.raises(Entered):
        run(photos, store.root, RunSettings(components="3", label_from="none"))
    with pytest.raises(Entered):
        run(photos, store.root, RunSettings(components="2", label_from="none", overwrite=True))


@pytest.mark.usefixtures("no_spark")
def test_what_a_killed_run_embedded_is_not_taken_for_published(store: Store, photos: Path) -> None:
    """All photos are known, but to parts alone: the STORE lacks them until they are published."""
    settings = RunSettings(components="2", label_from="none")
    refs = list(LocalPlace(photos).list(labeller_from("none", "")))
    publish(store, refs[:3], [])
    leave_a_part(store, "x", refs[3:], [])
    with pytest.raises(Entered):
        run(photos, store.root, settings)


def test_files_of_the_first_format_are_kept_and_rewritten(
    store: Store, photos: Path, tmp_path: Path
) -> None:
    publish(store, listed(photos, "a.jpg", "a/1.jpg"), listed(photos, "z.png"))
    assert stock(store, photos, tmp_path).edited == set()
    files = [*store.table(FEATURES), *store.table(REJECTS)]
    record = store.whole_run()
    for file in files:
        first = pq.read_table(store.place.open(file)).drop_columns(["e_tag"])
        with store.place.incoming(file) as out:
            pq.write_table(first, out)
    del record["manifest"]  # which no record of that format has
    store.place.put(RECORD, as_json(record))
    found = stock(store, photos, tmp_path)
    assert (found.tally.kept, found.tally.changed) == (3, 0)
    assert found.edited == set(files)


def test_notes_say_which_photos_have_no_label(store: Store, photos: Path, tmp_path: Path) -> None:
    tally = stock(store, photos, tmp_path).tally
    assert label_notes("parent", tally, parent) == ["2 of 5 photos have no label."]
    assert label_notes("none", tally, parent) == []


def test_what_is_left_out_is_told_by_a_run_and_before_it(
    store: Store, photos: Path, tmp_path: Path
) -> None:
    for name in ("a/._1.jpg", "__MACOSX/a/._1.jpg", ".hidden/4.jpg", "a/1.jpg.json", "notes"):
        (photos / name).parent.mkdir(parents=True, exist_ok=True)
        (photos / name).write_bytes(b"x")
    tally = stock(store, photos, tmp_path).tally
    assert tally.listed == 5
    left_out, beside = label_notes("none", tally, parent)
    assert left_out.startswith("3 files are left out: ")
    assert beside == "Files beside the photos: 1 .json, 1 without an extension."
    assert left_out in planned(plan(photos, store.root, SETTINGS))
    assert plan(photos, store.root, RunSettings(components="2", hidden=True)).listed == 6


def test_labels_that_differ_in_case_alone_are_told() -> None:
    tally = Tally(labels={"Pomme", "pomme", "POMME", "Prune", "P\u00eache"})
    assert label_notes("parent", tally, parent) == [
        "Labels differ in case alone: 'POMME' / 'Pomme' / 'pomme'."
    ]


def test_labels_that_no_photo_finds_stop_a_run_before_it_embeds(
    photos: Path, tmp_path: Path
) -> None:
    settings = RunSettings(components="2", label_from=str(tmp_path / "labels.csv"))
    for rows, said in (
        ("elsewhere/1.jpg,Plum\n", "it has no label for any photo"),
        ("a/1.jpg,Plum\na\\1.jpg,Pear\n", "name the same photo, with different labels"),
        ("", "no line of it has a path and a label"),
    ):
        (tmp_path / "labels.csv").write_text(f"path,label\n{rows}")
        for action in (plan, run):
            with pytest.raises(UsageError, match=said):
                action(photos, tmp_path / "new", settings)
    assert not (tmp_path / "new").exists()
