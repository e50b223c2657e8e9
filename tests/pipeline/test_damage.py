"""Damage to any part of a STORE, met by any command: a line with what, where and what to do."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seaweed import S3
from verger.pipeline import run
from verger.store.layout import FEATURES, RECORD, REDUCED
from whole_runs import NO_REPORT, Here

pytestmark = pytest.mark.slow

PARTS = (
    "features", "rejects", "matrix", "matrix.csv", "projection/pca.json",
    "projection/pca.components.npy", "projection/discriminant.json", "gallery/gallery.json",
    "gallery/vectors.npy", "gallery/photos.arrow", "run.json",
)  # fmt: skip


def flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 0xFF]) + data[middle + 1 :]


DAMAGES: dict[str, Callable[[bytes], bytes] | None] = {
    "gone": None,
    "empty": lambda _: b"",
    "truncated": lambda data: data[: len(data) * 2 // 3],
    "flipped": flipped,
}
SAYS = {
    "gone": "is missing",
    "empty": "has 0 bytes, where the run left",
    "truncated": "where the run left",
    "flipped": "is not what the run wrote",
}


@pytest.fixture(scope="module")
def made(orchard: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Photos, one of them none, and the STORE of a run over them."""
    folder = tmp_path_factory.mktemp("made")
    photos = Path(shutil.copytree(orchard, folder / "photos"))
    (photos / "text.jpg").write_text("no photo")
    run(photos, folder / "store", NO_REPORT)
    return [photos, folder / "store"]


def file_of(store: Path, part: str) -> Path:
    path = store / part
    return next(path.iterdir()) if path.is_dir() else path


def damage(store: Path, part: str, how: str) -> str:
    """Damage a part; return the path of the file in the STORE."""
    file, change = file_of(store, part), DAMAGES[how]
    if change is None:
        file.unlink()
    else:
        file.write_bytes(change(file.read_bytes()))
    return str(file.relative_to(store))


def commands(photos: Path, store: Path, out: Path) -> dict[str, list[object]]:
    return {
        "run": ["run", photos, store],
        "plan": ["run", photos, store, "--dry-run"],
        "reduce": ["reduce", store, "--no-report"],
        "report": ["report", store],
        "slides": ["slides", store],
        "notebook": ["notebook", store, "--to", out / "n.ipynb"],
        "identify": ["identify", store, next(photos.rglob("*/*.jpg"))],
        "evaluate": ["evaluate", store, photos, "--quiet"],
        "serve": ["serve", store, "--port", 0],
    }


def is_sound(here: Here, store: Path, photos: Path) -> None:
    ended = here("verify", store, photos, "--sample", 5, "--quiet")
    assert ended.code == 0, ended.out
    assert "Sound: " in ended.out
    assert "5 of them embedded again." in ended.out


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("part", PARTS)
def test_whoever_opens_it_refuses_it(
    part: str,
    how: str,
    made: list[Path],
    copy_of: Callable[[Path], Path],
    here: Here,
    tmp_path: Path,
) -> None:
    photos, store = made[0], copy_of(made[1])
    path = damage(store, part, how)
    before = {file: file.read_bytes() for file in store.rglob("*") if file.is_file()}
    mended = set()  # by these commands, which is for the next test
    if part in REDUCED or part.split("/")[0] in REDUCED:
        mended = {"run", "plan", "reduce"}
    elif (part, how) == (RECORD, "gone"):
        mended = {"run", "plan"}
    for name, words in commands(photos, store, tmp_path).items():
        if name in mended:
            continue
        ended = here(*words)
        assert ended.code == 4, (name, ended)
        if part != RECORD:
            assert f"{store}/{path} " in ended.error, name
            assert SAYS[how] in ended.error
            assert "verger " in ended.error  # what to do
        else:
            assert ("No finished run in" if how == "gone" else "is not a run record") in ended.error
    ended = here("verify", store, "--json", "--quiet")
    assert ended.code == 4
    if part != RECORD:
        found = json.loads(ended.out)["findings"]
        assert [one["where"] for one in found] == [path]
        assert SAYS[how] in found[0]["what"]
    after = {file: file.read_bytes() for file in store.rglob("*") if file.is_file()}
    assert {f for f in before if before[f] != after.get(f)} <= {store / ".verger" / "lock"}


@pytest.mark.parametrize("command", ["run", "reduce"])
def test_what_is_made_of_features_is_made_again(
    command: str, made: list[Path], copy_of: Callable[[Path], Path], here: Here, tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    photos, store = made[0], copy_of(made[1])
    damage(store, "projection/pca.json", "empty")
    damage(store, "gallery/vectors.npy", "flipped")
    path = damage(store, "matrix.csv", "gone")
    damage(store, "matrix", "truncated")
    ended = here(*commands(photos, store, tmp_path)[command])
    assert ended.code == 0, ended.err
    told = f"{store}: {path} is missing: what is derived from the features is rebuilt."
    assert (told in caplog.text) == (command == "run")
    is_sound(here, store, photos)


def test_a_run_without_its_record_says_so(
    made: list[Path], copy_of: Callable[[Path], Path], here: Here, caplog: pytest.LogCaptureFixture
) -> None:
    photos, store = made[0], copy_of(made[1])
    (store / RECORD).unlink()
    assert here("run", photos, store).code == 0
    assert "run.json is gone: all photos are embedded again." in caplog.text
    is_sound(here, store, photos)


def test_overwriting_mends_everything(
    made: list[Path], copy_of: Callable[[Path], Path], here: Here
) -> None:
    photos, store = made[0], copy_of(made[1])
    for part, how in (("features", "truncated"), ("rejects", "gone"), (RECORD, "truncated")):
        damage(store, part, how)
    assert here("run", photos, store, "--overwrite").code == 0
    is_sound(here, store, photos)


def test_a_run_with_nothing_new_keeps_the_list_and_reads_no_large_file(
    made: list[Path], copy_of: Callable[[Path], Path], here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos, store = made[0], copy_of(made[1])
    before = json.loads((store / RECORD).read_text())
    read: list[str] = []

    def note(_: object, paths: list[str]) -> dict[str, object]:
        read.extend(paths)
        return {}

    monkeypatch.setattr("verger.store.manifest.SMALL", 0)
    monkeypatch.setattr("verger.store.publication._contents", note)
    assert here("run", photos, store).code == 0
    after = json.loads((store / RECORD).read_text())
    assert after["manifest"] == before["manifest"]
    assert read == []


def test_a_store_of_before_is_adopted_when_something_is_new(
    made: list[Path], copy_of: Callable[[Path], Path], here: Here
) -> None:
    photos, store = made[0], copy_of(made[1])
    record = json.loads((store / RECORD).read_text())
    del record["manifest"], record["sha256"]
    (store / RECORD).write_text(json.dumps(record))
    assert here("run", photos, store).code == 0
    assert "manifest" not in json.loads((store / RECORD).read_text())
    ended = here("verify", store, "--quiet")
    assert (ended.code, "without checksums" in ended.out) == (0, True)
    assert here("reduce", store, "--no-report").code == 0
    ended = here("verify", store, "--quiet")
    assert (ended.code, "Note" in ended.out) == (0, False)
    is_sound(here, store, photos)


# Values inside features: sizes fit, and the file is too large to be read whole --------------------


@pytest.mark.parametrize("name", ["run", "reduce", "report", "slides"])
def test_flipped_values_are_found_where_they_are_read(
    name: str, made: list[Path], copy_of: Callable[[Path], Path], here: Here, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    photos, store = made[0], copy_of(made[1])
    monkeypatch.setattr("verger.store.manifest.SMALL", 0)
    path = damage(store, FEATURES, "flipped")
    words = commands(photos, store, tmp_path)[name]
    ended = here(*words, *(["--components", 3] if name == "run" else []))
    assert ended.code == 4, ended
    assert f"{path} cannot be read as a table" in ended.error
    assert "CRC checksum" in ended.error


def test_an_incomplete_record_is_a_line(
    made: list[Path], copy_of: Callable[[Path], Path], here: Here, tmp_path: Path
) -> None:
    photos, store = made[0], copy_of(made[1])
    whole: dict[str, Any] = json.loads((store / RECORD).read_text())
    texts: tuple[dict[str, Any], ...] = (
        {"format": 2},
        {"format": 2, "counts": [], "settings": "", "backbone": 1},
        *({name: value for name, value in whole.items() if name != left} for left in whole),
        {**whole, "manifest": {"../elsewhere": {"bytes": 1, "sha256": None}}},
        {**whole, "counts": {"listed": "many"}},
    )
    for text in texts:
        (store / RECORD).write_text(json.dumps(text))
        for name, words in commands(photos, store, tmp_path).items():
            if name in ("run", "reduce", "report", "slides", "serve", "evaluate") and len(text) > 4:
                continue  # they take seconds where nothing that they need is missing
            ended = here(*words)
            assert ended.code in (0, 4), (name, ended)
            assert "Traceback" not in ended.err
            (tmp_path / "n.ipynb").unlink(missing_ok=True)


# Another sample, and a bucket ---------------------------------------------------------------------


def test_photos_that_are_others_are_told(
    made: list[Path], copy_of: Callable[[Path], Path], here: Here, tmp_path: Path
) -> None:
    photos = Path(shutil.copytree(made[0], tmp_path / "photos"))
    store = copy_of(made[1])
    one, two, *_ = sorted(file for file in photos.rglob("*.jpg") if file.name != "text.jpg")
    (photos / "elsewhere.jpg").write_bytes(one.read_bytes())
    one.unlink()
    ended = here("verify", store, photos, "--quiet")
    assert ended.code == 0, ended.out
    assert "1 of 30 photos of the sample changed or went since the run." in ended.out
    # The same size and time, and another content: it is not the photo that was embedded.
    when = two.stat()
    other = bytes([*two.read_bytes()[:-400], *bytes(400)])
    two.write_bytes(other)
    os.utime(two, ns=(when.st_atime_ns, when.st_mtime_ns))
    ended = here("verify", store, photos, "--quiet")
    assert ended.code == 4
    assert str(two.relative_to(photos)) in ended.out
    ended = here("verify", store, tmp_path, "--quiet")
    assert ended.code == 3
    assert "No photo of the sample (30) is in" in ended.error


def test_sample_needs_photos(made: list[Path], here: Here) -> None:
    assert here("verify", made[1], "--sample", 5).code == 2
    assert here("verify", made[1], made[0], "--sample", 0).code == 2


def test_a_store_in_a_bucket(
    s3: S3, made: list[Path], here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    import obstore

    photos, store = made
    bucket = s3.make_bucket("verified")
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)
    for file in store.rglob("*"):
        if file.is_file() and file.name != "lock":
            obstore.put(bucket, f"store/{file.relative_to(store)}", file)
    ended = here("verify", "s3://verified/store", photos, "--sample", 3, "--quiet")
    assert ended.code == 0, ended.out
    assert "3 of them embedded again." in ended.out
    matrix = str(file_of(store, "matrix").relative_to(store))
    obstore.put(bucket, f"store/{matrix}", flipped((store / matrix).read_bytes()))
    obstore.delete(bucket, "store/projection/pca.json")
    ended = here("verify", "s3://verified/store", "--quiet")
    assert ended.code == 4
    told = ended.out.splitlines()
    assert "s3://verified/store/projection/pca.json is missing." in told[0]
    assert f"s3://verified/store/{matrix} is not what the run wrote" in told[1]
    assert "2 findings: " in told[-1]
    ended = here("identify", "s3://verified/store", next(photos.rglob("*.jpg")))
    assert ended.code == 4
    assert "s3://verified/store/projection/pca.json is missing (and 1 more" in ended.error
