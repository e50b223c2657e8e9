"""Bad input, each tried: one clear line, the right exit code, nothing half-written."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from program import ON_SPARK, command, execute, ordinary_user, verger
from whole_runs import NO_REPORT, Here

COMPONENTS = ("0", "1.5", "-3", "abc", "1.0", "0.0", "nan", "inf", "", "1e3", "120%")


@pytest.fixture(scope="module")
def made(few: list[Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder of two photos, and a STORE of a whole run inside it."""
    from verger.pipeline import run

    photos = tmp_path_factory.mktemp("made") / "photos"
    photos.mkdir()
    for number in range(2):
        shutil.copyfile(few[number], photos / f"{number}.jpg")
    run(photos, photos / "store", NO_REPORT)
    return photos, photos / "store"


# ---- what is seen before any work begins


@pytest.fixture
def without_spark(here: Here, monkeypatch: pytest.MonkeyPatch) -> Here:
    """Run the program in this process on Spark, for which it must not ask."""

    def asked(*_: object, **__: object) -> None:
        raise AssertionError("Spark was asked for")

    monkeypatch.setattr("verger.spark.session.session", asked)
    return lambda *args: here(*args, *ON_SPARK)


@pytest.mark.slow
def test_no_such_folder(tmp_path: Path) -> None:
    ended = verger("run", tmp_path / "none", tmp_path / "store")
    assert (ended.code, ended.out) == (3, "")
    assert ended.error.startswith(f"verger: No such folder: {tmp_path / 'none'}. ")
    assert not (tmp_path / "store").exists()


def test_a_file_for_a_folder(without_spark: Here, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ended = without_spark("run", tmp_path / "file", tmp_path / "store")
    assert ended.code == 3
    assert "Not a folder" in ended.error
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("name", [None, "notes.txt"])
def test_a_folder_without_a_photo(without_spark: Here, tmp_path: Path, name: str | None) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    if name:
        (photos / name).write_text("nothing to see")
    ended = without_spark("run", photos, tmp_path / "store")
    assert ended.code == 3
    assert f"No photo in {photos}" in ended.error
    assert ".jpg .jpeg .jpe" in ended.error
    assert not (tmp_path / "store").exists()


def test_a_store_that_holds_something_else(
    without_spark: Here, tmp_path: Path, orchard: Path
) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "thesis.txt").write_text("ten years of work")
    for option in ("--quiet", "--overwrite"):
        ended = without_spark("run", orchard, tmp_path / "store", option)
        assert ended.code == 4
        assert "nothing was touched" in ended.error
        assert [file.name for file in (tmp_path / "store").iterdir()] == ["thesis.txt"]


def test_a_store_that_is_a_file(without_spark: Here, tmp_path: Path, orchard: Path) -> None:
    (tmp_path / "store").write_text("ten years of work")
    ended = without_spark("run", orchard, tmp_path / "store", "--overwrite")
    assert ended.code == 4
    assert "is a file" in ended.error
    assert (tmp_path / "store").read_text() == "ten years of work"


def test_photos_inside_store(without_spark: Here, made: tuple[Path, Path]) -> None:
    _, store = made
    ended = without_spark("run", store / "features", store, "--overwrite")
    assert ended.code == 3
    assert "is inside STORE" in ended.error
    assert (store / "run.json").exists()


def test_a_whole_run_is_kept_where_nothing_has_changed(
    without_spark: Here, made: tuple[Path, Path]
) -> None:
    photos, store = made
    before = {file: file.read_bytes() for file in store.rglob("*") if file.is_file()}
    ended = without_spark("run", photos, store, "--json")
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["changes"]["new"] == 0
    after = {file: file.read_bytes() for file in store.rglob("*") if file.is_file()}
    assert before.keys() == after.keys()
    assert {f.name for f in before if before[f] != after[f]} <= {"run.json", "lock"}


def test_a_store_made_with_another_backbone(
    without_spark: Here, made: tuple[Path, Path], copy_of: Callable[[Path], Path]
) -> None:
    photos, store = made[0], copy_of(made[1])
    record = json.loads((store / "run.json").read_text())
    record["backbone"] |= {"name": "another-net", "sha256": "0" * 64}
    (store / "run.json").write_text(json.dumps(record))
    ended = without_spark("run", photos, store)
    assert ended.code == 4
    assert "made with another-net (views 224/256); this run would use efficientnet" in (ended.error)
    assert json.loads((store / "run.json").read_text()) == record


def test_a_store_of_a_newer_version(
    without_spark: Here, made: tuple[Path, Path], copy_of: Callable[[Path], Path]
) -> None:
    photos, store = made[0], copy_of(made[1])
    (store / "run.json").write_text('{"format": 99}')
    ended = without_spark("run", photos, store)
    assert ended.code == 4
    assert "newer Verger" in ended.error


@pytest.mark.parametrize("components", COMPONENTS)
def test_bad_components(here: Here, orchard: Path, tmp_path: Path, components: str) -> None:
    ended = here("run", orchard, tmp_path / "store", f"--components={components}")
    assert (ended.code, ended.out) == (2, "")
    assert ended.error.startswith(f"verger: --components {components}".rstrip())
    assert "such as 0.95" in ended.error
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--cores", "0"], "--cores 0 is too small"),
        (["--cores", "two"], "two"),
        (["--cores", "1", "--master", "local[2]"], "exclude each other"),
        (["--batch-size", "0"], "--batch-size 0 is too small"),
        (["--batch-size", "5000"], "--batch-size 5000 is too large"),
        (["--image-size", "8"], "--image-size 8 is too small"),
        (["--max-pixels", "0"], "--max-pixels 0 is too small"),
        (["--max-rejects", "1.5"], "--max-rejects 1.5"),
        (["--memory", "lots"], "--memory lots"),
        (["--spark-conf", "x"], "--spark-conf x"),
        (["--label-from", "nothing.csv"], "nothing.csv: no such file"),
        (["--label-from", "regex:("], "not a regular expression"),
        (["--label-from", "regex:x"], "0 groups"),
        (["--no-such-option"], "--no-such-option"),
    ],
)
def test_bad_options(
    here: Here, orchard: Path, tmp_path: Path, options: list[str], said: str
) -> None:
    ended = here("run", orchard, tmp_path / "store", *options)
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.error
    assert not (tmp_path / "store").exists()


def test_an_onnx_file_that_is_none(without_spark: Here, tmp_path: Path, orchard: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"not a network" * 100)
    ended = without_spark("run", orchard, tmp_path / "store", "--backbone", tmp_path / "net.onnx")
    assert ended.code == 5
    assert "net.onnx is not an ONNX model" in ended.error
    assert not (tmp_path / "store").exists()


def test_an_onnx_file_whose_input_is_no_image(
    without_spark: Here, tmp_path: Path, orchard: Path
) -> None:
    (tmp_path / "net.onnx").write_bytes(identity_model(dims=(1, 7)))
    ended = without_spark("run", orchard, tmp_path / "store", "--backbone", tmp_path / "net.onnx")
    assert ended.code == 5
    assert "is not a batch of RGB images" in ended.error
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("name", ["no-such-net", "no-such-net.onnx"])
def test_a_backbone_that_is_nowhere(here: Here, orchard: Path, tmp_path: Path, name: str) -> None:
    ended = here("run", orchard, tmp_path / "store", "--backbone", name)
    assert ended.code == 5
    assert name in ended.error
    assert not (tmp_path / "store").exists()


@pytest.mark.slow
def test_no_permission_to_write(tmp_path: Path, orchard: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    ended = execute(ordinary_user(command("run", orchard, tmp_path / "closed" / "store")))
    assert ended.code == 4, ended.err
    assert ended.error.endswith("Permission denied.")
    assert f"Cannot write to {tmp_path / 'closed' / 'store'}" in ended.error


@pytest.mark.slow
def test_another_run_on_the_same_store(
    made: tuple[Path, Path], copy_of: Callable[[Path], Path]
) -> None:
    import fcntl

    photos, store = made[0], copy_of(made[1])
    with (store / ".verger" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ended = verger("run", photos, store, "--overwrite")
    assert ended.code == 4
    assert "Another run is writing" in ended.error
    assert (store / "run.json").exists()


# ---- what is worked on, and what that trips over


@pytest.mark.slow
def test_store_inside_photos_twice(made: tuple[Path, Path], here: Here) -> None:
    """A STORE's own output is never read as input."""
    photos, store = made
    ended = here("run", photos, store, "--overwrite", "--json")
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["counts"]["listed"] == 2
    assert sorted(pd.read_parquet(store / "features")["path"]) == ["0.jpg", "1.jpg"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("names", "same", "k", "note"),
    [
        (["a/1.jpg"], False, 0, "One photo has no variance"),
        (["a/1.jpg", "b/2.jpg"], False, 1, ""),
        (["a/1.jpg", "b/2.jpg", "c/3.jpg"], True, 0, "All 3 photos are alike"),
        (["a/1.jpg", "a/2.jpg", "a/3.jpg"], False, 2, "One label only"),
    ],
)
def test_few_photos_alike_photos_and_one_label(
    here: Here,
    photos_of: Callable[..., Path],
    tmp_path: Path,
    names: list[str],
    same: bool,
    k: int,
    note: str,
) -> None:
    ended = here("run", photos_of(*names, same=same), tmp_path / "store", "-k", "0.9999")
    assert ended.code == 0, ended.err
    assert note in ended.out
    matrix = pd.read_parquet(tmp_path / "store" / "matrix")
    assert sorted(matrix["path"]) == sorted(names)
    assert {len(row) for row in matrix["components"]} == {k}
    header, *lines = (tmp_path / "store" / "matrix.csv").read_text().splitlines()
    assert header == ",".join(["path", "label", *(f"pc{i}" for i in range(1, k + 1))])
    assert len(lines) == len(names)


# Runs one after another; argv: PHOTOS, STORE, and as JSON what is closed during each of them.
RUNS = """
import json, sys
from pathlib import Path
import pyarrow.parquet as pq
from verger.pipeline import run
from verger.settings import RunSettings
photos, store, runs = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])
for closed in runs:
    for name in closed:
        (photos / name).chmod(0)
    try:
        record = run(photos, store, RunSettings(report=False, engine="process")).record
    finally:
        for name in closed:
            (photos / name).chmod(0o755)
    tables = [pq.read_table(store / name).to_pylist() for name in ("features", "rejects")]
    print(json.dumps({
        "record": record,
        "embedded": sorted(row["path"] for row in tables[0]),
        "details": {row["path"]: row["detail"] for row in tables[1]},
        "made": (store / "matrix.csv").stat().st_mtime_ns,
    }))
"""


@pytest.mark.slow
def test_files_without_read_permission(photos_of: Callable[..., Path], tmp_path: Path) -> None:
    """They are taken up as soon as they may be read, and what was embedded of them is kept."""
    photos, store = photos_of("a/1.jpg", "a/2.jpg", "b/3.jpg", "closed/4.jpg"), tmp_path / "store"
    closed = [["a/2.jpg", "closed"], ["a/2.jpg", "closed"], [], ["closed"], []]
    line = [sys.executable, "-c", RUNS, str(photos), str(store), json.dumps(closed)]
    ended = execute(ordinary_user(line))
    assert ended.code == 0, ended.err
    first, again, opened, one_closed, last = map(json.loads, ended.out.splitlines())

    assert first["record"]["counts"]["rejected_by_reason"] == {"unavailable": 2}
    assert first["details"]["a/2.jpg"] == "Permission denied"
    assert "cannot be listed: Permission denied" in first["details"]["closed/"]
    # Tried again in vain: nothing is made anew.
    assert again["record"]["changes"]["retried"] == 1
    assert again["embedded"] == ["a/1.jpg", "b/3.jpg"]
    assert again["record"]["counts"]["rejected_by_reason"] == {"unavailable": 2}
    assert again["made"] == first["made"]
    everything = ["a/1.jpg", "a/2.jpg", "b/3.jpg", "closed/4.jpg"]
    changes = opened["record"]["changes"]
    assert (changes["retried"], changes["new"]) == (1, 1)
    assert (opened["record"]["counts"]["rejected"], opened["embedded"]) == (0, everything)
    assert one_closed["record"]["changes"]["gone"] == 0
    assert (one_closed["record"]["counts"]["listed"], one_closed["embedded"]) == (5, everything)
    assert last["record"]["changes"]["kept"] == 4
    assert (last["record"]["counts"]["rejected"], last["embedded"]) == (0, everything)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Mount a disk of some kilobytes, once a test."""
    if os.geteuid() != 0 or sys.platform != "linux" or not shutil.which("mount"):
        pytest.skip("only root on Linux can mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()

    def mount(kilobytes: int) -> Path:
        line = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(disk)]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
        return disk

    yield mount
    if disk.is_mount():  # lazily: a process that still looks at it must not keep it there
        subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("kilobytes", [8, 60, 290])
def test_a_full_disk(
    on_each: Here, orchard: Path, small_disk: Callable[[int], Path], kilobytes: int
) -> None:
    """It fills up while listing, while embedding, or while the matrix is written."""
    store = small_disk(kilobytes) / "store"
    ended = on_each("run", orchard, store, "-k", 20)
    assert ended.code == 4, ended.err
    assert f"The disk of {store} is full" in ended.error
    assert "Free some space" in ended.error
    assert {entry.name for entry in store.iterdir()} == {".verger"}
    left = {entry.name for entry in (store / ".verger").iterdir()}
    assert left <= {"lock", "store.json", "work"}
    finished = [p for p in (store / ".verger").rglob("*") if p.is_file() and "work" in p.parts]
    assert all(p.suffix == ".parquet" and pq.read_metadata(p).num_rows for p in finished)


def identity_model(dims: tuple[int, ...]) -> bytes:
    """Write, by hand, the ONNX model that returns its input of float32 numbers."""

    def varint(value: int) -> bytes:
        out = b""
        while value > 127:
            out, value = out + bytes([value & 127 | 128]), value >> 7
        return out + bytes([value])

    def field(number: int, value: bytes | int) -> bytes:
        if isinstance(value, int):
            return varint(number << 3) + varint(value)
        return varint(number << 3 | 2) + varint(len(value)) + value

    shape = b"".join(field(1, field(1, dim)) for dim in dims)
    kind = field(1, field(1, 1) + field(2, shape))
    node = field(1, b"x") + field(2, b"y") + field(4, b"Identity")
    graph = field(1, node) + field(2, b"g")
    graph += field(11, field(1, b"x") + field(2, kind))
    graph += field(12, field(1, b"y") + field(2, kind))
    return field(1, 8) + field(7, graph) + field(8, field(1, b"") + field(2, 13))
