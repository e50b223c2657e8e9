"""The gallery: what was run on finds itself; what is foreign or hostile is refused."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import obstore
import pyarrow as pa
import pytest

from galleries import LABELS, D, features_of, orchard, write_store
from seaweed import S3
from verger.errors import StoreError
from verger.gallery import Answer, Gallery, Verdict, build_gallery
from verger.gallery.evidence import label_means, nearest_by_label, nearest_rows
from verger.gallery.files import sha256_of
from verger.projections.moments import unit_length

Rows = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str | None], Rows]:
    return orchard(tmp_path_factory.mktemp("orchard") / "store")


@pytest.fixture
def store(made: tuple[Path, list[str | None], Rows], tmp_path: Path) -> Path:
    return Path(shutil.copytree(made[0], tmp_path / "store"))


def answer(gallery: Gallery, label: str, seed: int = 99) -> Answer:
    return gallery.identify(features_of([label], seed))


def test_each_photo_of_the_gallery_finds_itself(
    made: tuple[Path, list[str | None], Rows],
) -> None:
    gallery = Gallery.open(made[0])
    for photo in range(0, gallery.photos, 11):
        nearest = gallery.identify(made[2][photo : photo + 1]).neighbours[0]
        assert (nearest.photo, nearest.label) == (photo, made[1][photo])
        assert nearest.path == f"{nearest.label}/{photo}.jpg"
        assert nearest.similarity == pytest.approx(1, abs=1e-5)


def test_new_photos_are_named(made: tuple[Path, list[str | None], Rows]) -> None:
    gallery = Gallery.open(made[0])
    labels: list[str | None] = [label for label in LABELS for _ in range(20)]
    rows = features_of(labels, seed=5)
    answers = [gallery.identify(row[None]) for row in rows]
    right = [a.label == label for a, label in zip(answers, labels, strict=True)]
    assert np.mean(right) > 0.8
    claims = [r for a, r in zip(answers, right, strict=True) if a.verdict is Verdict.VARIETY]
    assert len(claims) > 20
    assert np.mean(claims) > 0.85


def test_what_is_unlike_everything_is_refused(
    made: tuple[Path, list[str | None], Rows],
) -> None:
    gallery = Gallery.open(made[0])
    rows = np.random.default_rng(3).gamma(0.2, 3.0, (40, D)).astype(np.float32)
    answers = [gallery.identify(row[None]) for row in rows]
    assert np.mean([a.verdict is Verdict.UNKNOWN for a in answers]) > 0.85
    assert not any(a.verdict.names for a in answers)
    assert np.mean([a.known for a in answers]) < 0.05
    assert {a.confidence for a in answers if a.verdict is Verdict.UNKNOWN} == {0.0}


def test_the_order_and_scale_of_photos_of_one_fruit_do_not_matter(
    made: tuple[Path, list[str | None], Rows],
) -> None:
    gallery = Gallery.open(made[0])
    rows = features_of(["Mango", "Mango", "Mango"], seed=8)
    one, two = gallery.identify(rows), gallery.identify(rows[::-1] * np.float32(3))
    assert one.photos == 3
    assert [g.name for g in one.labels] == [g.name for g in two.labels]
    np.testing.assert_allclose(
        [g.confidence for g in one.labels], [g.confidence for g in two.labels], atol=1e-4
    )


def test_the_order_of_the_gallery_does_not_matter(
    made: tuple[Path, list[str | None], Rows], tmp_path: Path
) -> None:
    _, labels, rows = made
    order = np.random.default_rng(1).permutation(len(labels))
    paths = [f"{labels[i]}/{i}.jpg" for i in order]
    shuffled = write_store(
        tmp_path / "s", [labels[i] for i in order], rows[order], files=3, paths=paths
    )
    one, two = Gallery.open(made[0]), Gallery.open(shuffled)
    assert one.labels == two.labels
    for label in LABELS:
        here, there = answer(one, label), answer(two, label)
        assert [n.path for n in here.neighbours] == [n.path for n in there.neighbours]
        assert here.label == there.label


def test_confidences_are_shares_and_groups_add_up(
    made: tuple[Path, list[str | None], Rows],
) -> None:
    gallery = Gallery.open(made[0])
    given = answer(gallery, "Apple Golden 1")
    confidences = [guess.confidence for guess in given.labels]
    assert confidences == sorted(confidences, reverse=True)
    assert 0 < sum(confidences) <= 1 + 1e-9
    assert 0 < sum(guess.share for guess in given.labels) <= 1 + 1e-9
    assert given.group == "apple"
    apples = sum(g.confidence for g in given.labels if g.name.startswith("Apple"))
    assert given.group_confidence >= apples - 1e-9
    assert json.loads(json.dumps(given.as_json()))["group"] == "apple"


def test_thumbnails_paths_and_labels_belong_together(
    made: tuple[Path, list[str | None], Rows],
) -> None:
    gallery = Gallery.open(made[0])
    assert gallery.labels == LABELS
    assert gallery.groups[:3] == ("apple",) * 3
    for label in LABELS:
        photos = gallery.photos_of(label)
        assert len(photos) == 30
        for photo in photos[::9]:
            assert gallery.label(photo) == label
            assert gallery.thumbnail(photo) == f"thumbnail of {gallery.path(photo)}".encode()
    for photo in (-1, gallery.photos):
        with pytest.raises(IndexError, match="no photo"):
            gallery.thumbnail(photo)
    with pytest.raises(KeyError):
        gallery.photos_of("../../etc/passwd")


def test_a_store_in_a_bucket_answers_alike(
    made: tuple[Path, list[str | None], Rows], s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = s3.make_bucket("galleries")
    for file in (file for file in made[0].rglob("*") if file.is_file()):
        obstore.put(bucket, f"orchard/{file.relative_to(made[0])}", file.read_bytes())
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)
    here, there = Gallery.open(made[0]), Gallery.open("s3://galleries/orchard")
    assert answer(here, "Plum") == answer(there, "Plum")
    assert here.thumbnail(123) == there.thumbnail(123)
    with pytest.raises(StoreError, match="There is no gallery in s3://galleries/other"):
        Gallery.open("s3://galleries/other")


def test_features_that_cannot_be_are_refused(
    made: tuple[Path, list[str | None], Rows],
) -> None:
    gallery = Gallery.open(made[0])
    bad = (np.ones(D), np.ones((0, D)), np.ones((1, D + 1)), np.full((1, D), np.nan))
    for rows in bad:
        with pytest.raises(ValueError, match="features"):
            gallery.identify(rows.astype(np.float32))


def test_photos_without_labels_have_neighbours_alone(tmp_path: Path) -> None:
    rows = features_of(["Lemon"] * 9 + ["Plum"] * 9)
    gallery = Gallery.open(write_store(tmp_path / "s", [None] * 18, rows))
    given = gallery.identify(rows[4:5])
    assert (given.verdict, given.labels, given.label, given.group) == (
        Verdict.UNKNOWN,
        (),
        None,
        None,
    )
    assert given.neighbours[0].photo == 4
    assert given.neighbours[0].label is None


def test_some_photos_without_a_label_are_evidence_and_no_label(tmp_path: Path) -> None:
    labels: list[str | None] = [label for _ in range(8) for label in (*LABELS, None)]
    rows = features_of(labels)
    gallery = Gallery.open(write_store(tmp_path / "s", labels, rows))
    assert gallery.labels == LABELS
    assert gallery.identify(rows[7:8]).neighbours[0].photo == 7


@pytest.mark.parametrize("labels", [["Lemon"] * 5, ["Lemon", "Plum"] * 2, ["Lemon"]])
def test_small_galleries_answer_without_a_validation(
    labels: list[str | None], tmp_path: Path
) -> None:
    rows = features_of(labels)
    gallery = Gallery.open(write_store(tmp_path / "s", labels, rows, files=1))
    assert gallery.calibration.photos == 0
    assert gallery.identify(rows[:1]).neighbours[0].photo == 0


def test_the_record_says_what_was_built(store: Path) -> None:
    said = build_gallery(store / "features", store / "projection", store / "again")
    assert {k: said[k] for k in ("space", "photos", "labels", "groups", "notes")} == {
        "space": "discriminant", "photos": 210, "labels": 7, "groups": 5, "notes": [],
    }  # fmt: skip
    assert said["rehearsed"] == 210
    for file in (store / "gallery").iterdir():
        assert (store / "again" / file.name).read_bytes() == file.read_bytes()


# What is hostile, damaged or foreign. A forger fits sizes and SHA-256 to the forged files.


def refusal(store: Path) -> str:
    with pytest.raises(StoreError) as caught:
        Gallery.open(store)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def rewrite(store: Path, change: Callable[[dict[str, Any]], object]) -> None:
    file = store / "gallery" / "gallery.json"
    header = json.loads(file.read_text(encoding="utf-8"))
    change(header)
    file.write_text(json.dumps(header), encoding="utf-8")


def forge(store: Path, name: str, content: bytes) -> None:
    file = next((store / "gallery").glob(f"{name}.*"))
    file.write_bytes(content)
    fitting = {"file": file.name, "bytes": len(content), "sha256": sha256_of(file)}
    rewrite(store, lambda header: header["files"].update({name: fitting}))


def npy(array: npt.NDArray[Any]) -> bytes:
    out = io.BytesIO()
    np.save(out, array, allow_pickle=True)
    return out.getvalue()


def test_no_gallery_is_said(store: Path) -> None:
    shutil.rmtree(store / "gallery")
    assert "There is no gallery" in refusal(store)


def test_a_newer_format_is_said(store: Path) -> None:
    rewrite(store, lambda header: header.update(format=3))
    assert "has format 3; this version of Verger reads up to 2. Upgrade" in refusal(store)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"null", b'{"format": 1}', b'{"format": true, "kind": "gallery"}',
                b'{"format": 1, "kind": "pca"}', b"[" * 200_000, b"\xff"],
)  # fmt: skip
def test_a_header_that_is_none_is_refused(store: Path, content: bytes) -> None:
    (store / "gallery" / "gallery.json").write_bytes(content)
    assert "is not a gallery" in refusal(store)


@pytest.mark.parametrize(
    "change",
    [
        lambda h: h.pop("labels"),
        lambda h: h["labels"].reverse(),
        lambda h: h["labels"].append(h["labels"][0]),
        lambda h: h["groups"].pop(),
        lambda h: h.update(labels="Lemon"),
        lambda h: h.update(photos=-1),
        lambda h: h.update(photos=10**12),
        lambda h: h.update(photos=True),
        lambda h: h.update(tables=[{"file": "../features/part-00000.parquet", "rows": 210}]),
        lambda h: h.update(tables=[{"file": "part-00000.parquet", "rows": 209}]),
        lambda h: h["files"]["vectors"].update(file="../projection/pca.mean.npy"),
        lambda h: h["calibration"].update(mean=-1),
        lambda h: h["calibration"].update(nearest=float("nan")),
        lambda h: h["calibration"].update(spread=[0, 1]),
        lambda h: h["calibration"]["familiarity"].reverse(),
        lambda h: h["calibration"]["bounds"].update(variety=None),
        lambda h: h["calibration"]["variety"].update(__class__=1),
        lambda h: h["calibration"].pop("photos"),
    ],
)
def test_a_header_that_cannot_be_is_refused(
    store: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    rewrite(store, change)
    assert "cannot be used" in refusal(store)


@pytest.mark.parametrize("name", ["vectors", "label_ids", "means", "likenesses", "photos"])
def test_a_damaged_file_is_refused(store: Path, name: str) -> None:
    file = next((store / "gallery").glob(f"{name}.*"))
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.write_bytes(content)
    assert f"{file.name} is not the file that was saved" in refusal(store)
    file.unlink()
    assert f"{file.name} is missing" in refusal(store)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("vectors", npy(np.zeros((210, 5), np.float32))),
        ("vectors", npy(np.zeros((210, 6)))),
        ("vectors", npy(np.full((210, 6), np.nan, np.float32))),
        ("vectors", npy(np.zeros((210, 6), np.float32))[:-4]),
        ("vectors", b"\x93NUMPY\x01\x00\xff\xff"),
        ("vectors", b""),
        ("means", npy(np.array([{}] * 7, dtype=object))),
        ("label_ids", npy(np.full(210, 7, np.int32))),
        ("label_ids", npy(np.full(210, -2, np.int32))),
        ("photos", b"ARROW1"),
        ("photos", b""),
    ],
)
def test_a_forged_file_is_refused(store: Path, name: str, content: bytes) -> None:
    forge(store, name, content)
    assert "cannot be used" in refusal(store)


def test_forged_paths_are_refused(store: Path) -> None:
    sink = pa.BufferOutputStream()
    schema = pa.schema([pa.field("path", pa.string(), nullable=False)])
    with pa.ipc.new_file(sink, schema) as out:
        out.write_batch(pa.RecordBatch.from_arrays([pa.array(["1.jp"] * 210)], schema=schema))
    content = sink.getvalue().to_pybytes()
    offsets = np.arange(211, dtype=np.int32) * 4
    assert content.count(offsets.tobytes()) == 1
    beyond = np.where(offsets > 400, 2**30, offsets).astype(np.int32)
    forge(store, "photos", content.replace(offsets.tobytes(), beyond.tobytes()))
    assert "cannot be used" in refusal(store)


def test_the_gallery_of_another_projection_is_refused(store: Path, tmp_path: Path) -> None:
    other, _, _ = orchard(tmp_path / "other", each=20)
    shutil.rmtree(store / "projection")
    shutil.copytree(other / "projection", store / "projection")
    assert "made with a different projection" in refusal(store)


# The parts


def test_nearest_rows_are_what_sorting_gives() -> None:
    rng = np.random.default_rng(0)
    rows = unit_length(rng.normal(size=(5_000, 8))).astype(np.float32)
    queries = unit_length(rng.normal(size=(6, 8))).astype(np.float32)
    photos, similarities = nearest_rows(queries, rows, 10)
    for query, found, near in zip(queries, photos, similarities, strict=True):
        expected = np.argsort(-(rows @ query), kind="stable")[:10]
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(near, (rows @ query)[expected])
    assert nearest_rows(queries, rows[:3], 10)[0].shape == (6, 3)
    assert nearest_rows(queries, rows[:0], 10)[0].shape == (6, 0)


def test_equal_photos_come_in_order() -> None:
    rows = np.ones((2_000, 2), dtype=np.float32)
    assert nearest_rows(rows[:1], rows, 4)[0].tolist() == [[0, 1, 2, 3]]


def test_label_means_leave_out_what_has_no_label() -> None:
    rows = np.array([[2, 0], [0, 2], [0, 9], [1, 1]], dtype=np.float32)
    means = label_means(rows, np.array([0, 0, 2, -1]), 3)
    np.testing.assert_allclose(means, [[0.5**0.5, 0.5**0.5], [0, 0], [0, 1]], rtol=1e-6)


def test_a_label_without_a_neighbour_is_as_near_as_the_last() -> None:
    near = nearest_by_label(np.array([[0.9, 0.8, 0.1]], np.float32), np.array([[1, 1, -1]]), 3)
    np.testing.assert_allclose(near, [[0.1, 0.9, 0.1]])
