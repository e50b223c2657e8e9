"""A STORE: whose it is, who may write it, and that it is whole or says that it is not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from verger.errors import StoreError
from verger.store import (
    ALL_PARTS,
    FEATURES,
    MATRIX,
    MATRIX_CSV,
    PROJECTION,
    RECORD,
    REDUCED_PARTS,
    REJECTS,
    Store,
    Work,
)

PARTS = (FEATURES, REJECTS, MATRIX, PROJECTION)


def build(work: Work, content: str, *, with_csv: bool = True) -> None:
    """Build what a run publishes, each part holding the same content."""
    for name in PARTS:
        work.published(name).mkdir()
        (work.published(name) / "part").write_text(content)
    if with_csv:
        work.published(MATRIX_CSV).write_text(content)


def publish(
    store: Store,
    content: str,
    backbone: str = "sha",
    parts: tuple[str, ...] = ALL_PARTS,
    *,
    with_csv: bool = True,
) -> None:
    made = {"backbone": {"sha256": backbone, "name": "lite"}, "finished": "today"}
    store.claim(backbone_sha256=backbone, overwrite=True)
    with store.working() as work:
        build(work, content, with_csv=with_csv)
        store.publish(work, {"content": content, **made}, parts)


def contents(root: Path) -> dict[str, str]:
    files = {p.relative_to(root): p for p in root.rglob("*") if p.is_file()}
    return {str(k): p.read_text() for k, p in files.items() if k.parts[0] != ".verger"}


def claim(store: Store, *, overwrite: bool = False, backbone: str = "sha") -> None:
    store.claim(backbone_sha256=backbone, overwrite=overwrite)


def refusal(store: Store, **options: Any) -> str:
    with pytest.raises(StoreError) as caught:
        claim(store, **options)
    return str(caught.value)


# Claiming -----------------------------------------------------------------------------------------


def test_a_new_or_empty_folder_becomes_a_store(tmp_path: Path) -> None:
    for root, is_new in ((tmp_path / "new" / "deep", True), (tmp_path / "empty", False)):
        (tmp_path / "empty").mkdir(exist_ok=True)
        assert Store(root).claim(backbone_sha256="sha", overwrite=False) is is_new
        assert (root / ".verger").is_dir()
        assert Store(root).record() is None
        claim(Store(root))  # a run that stopped early left no more than this


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_that_holds_something_else_is_not_touched(tmp_path: Path, overwrite: bool) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    assert "nothing was touched" in refusal(Store(tmp_path), overwrite=overwrite)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_run_of_some_other_tool_is_something_else(tmp_path: Path) -> None:
    (tmp_path / RECORD).write_text('{"format": 1}')
    assert "no STORE" in refusal(Store(tmp_path), overwrite=True)


def test_a_file_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "is a file" in refusal(Store(tmp_path / "file"))
    assert "Cannot write" in refusal(Store(tmp_path / "file" / "below"))


def test_a_whole_run_is_replaced_only_when_asked(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    publish(store, "one")
    reply = refusal(store)
    assert "already holds the run of today" in reply
    assert "--overwrite" in reply
    assert contents(store.root)["matrix/part"] == "one"
    publish(store, "two")
    assert contents(store.root)["matrix/part"] == "two"


def test_a_store_of_another_backbone_is_named(tmp_path: Path) -> None:
    store = Store(tmp_path)
    publish(store, "one", backbone="sha")
    reply = refusal(store, backbone="other")
    assert "made with another backbone (lite)" in reply
    claim(store, backbone="other", overwrite=True)


@pytest.mark.parametrize("version", [2, "1", None])
def test_a_record_of_a_newer_verger_is_refused(tmp_path: Path, version: Any) -> None:
    store = Store(tmp_path)
    publish(store, "one")
    record = json.loads((tmp_path / RECORD).read_text())
    (tmp_path / RECORD).write_text(json.dumps({**record, "format": version}))
    reply = refusal(store)
    assert "newer Verger" in reply
    assert "Upgrade" in reply


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", "\0"])
def test_a_record_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    store = Store(tmp_path)
    publish(store, "one")
    (tmp_path / RECORD).write_text(text)
    assert "no run record" in refusal(store)


def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    try:
        Path("/proc/self").stat()
    except OSError:
        pytest.skip("there is no folder here that not even root may write")
    assert "Cannot write to /proc/store" in refusal(Store(Path("/proc/store")))


# Working ------------------------------------------------------------------------------------------


def stopped(store: Store) -> None:
    with store.working() as work:
        build(work, "x")
        raise KeyboardInterrupt


def test_work_is_cleared_away_at_the_end_good_or_bad(tmp_path: Path) -> None:
    store = Store(tmp_path)
    claim(store)
    with store.working() as work:
        build(work, "x")
        folder = work.folder
    assert not folder.exists()
    with pytest.raises(KeyboardInterrupt):
        stopped(store)
    assert not folder.exists()
    assert contents(tmp_path) == {}


def test_what_a_killed_run_left_is_cleared_before_work_begins(tmp_path: Path) -> None:
    store = Store(tmp_path)
    claim(store)
    (tmp_path / ".verger" / "work" / "outcomes").mkdir(parents=True)
    with store.working() as work:
        assert list(work.folder.iterdir()) == []


HOLD = """
import sys
from pathlib import Path
from verger.store import Store
with Store(Path(sys.argv[1])).working():
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_only_one_run_at_a_time_and_a_killed_one_frees_the_store(tmp_path: Path) -> None:
    store = Store(tmp_path)
    claim(store)
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(StoreError, match="Another run is writing"), store.working():
            pass
        assert (tmp_path / ".verger" / "work").is_dir()  # the other one's, left alone
        other.kill()
        other.wait()
    with store.working() as work:
        assert work.folder.is_dir()


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    store = Store(tmp_path)
    claim(store)
    with pytest.raises(StoreError, match=r"disk of .* is full"), store.working():
        raise OSError(28, "No space left on device")


# Publishing ---------------------------------------------------------------------------------------


def test_what_is_published_is_all_that_was_built_and_nothing_older(tmp_path: Path) -> None:
    store = Store(tmp_path)
    publish(store, "one")
    record = store.record()
    assert record is not None
    assert (record["format"], record["content"], record["finished"]) == (1, "one", "today")
    publish(store, "two", with_csv=False)
    found = contents(tmp_path)
    assert MATRIX_CSV not in found
    assert {found[f"{name}/part"] for name in PARTS} == {"two"}


def test_a_reduction_replaces_its_parts_alone(tmp_path: Path) -> None:
    store = Store(tmp_path)
    publish(store, "one")
    publish(store, "two", parts=REDUCED_PARTS)
    found = contents(tmp_path)
    assert {found[f"{name}/part"] for name in (FEATURES, REJECTS)} == {"one"}
    assert {found[f"{name}/part"] for name in (MATRIX, PROJECTION)} == {"two"}
    assert found[MATRIX_CSV] == "two"


def test_a_record_that_cannot_be_written_leaves_the_old_run_whole(tmp_path: Path) -> None:
    store = Store(tmp_path)
    publish(store, "one")
    before = contents(tmp_path)
    claim(store, overwrite=True)
    with store.working() as work:
        build(work, "two")
        with pytest.raises(ValueError, match="JSON"):
            store.publish(work, {"ratio": float("nan")}, ALL_PARTS)
    assert contents(tmp_path) == before


# A child that is killed at the n-th thing that it does to the file system while it publishes.
KILLED = """
import os, sys
from pathlib import Path
from verger.store import Store
import test_store
root, content = Path(sys.argv[1]), sys.argv[2]
EVENTS = {"os.rename", "os.remove", "os.rmdir", "shutil.rmtree", "os.mkdir", "open"}
moment = 0
while True:
    child = os.fork()
    if child == 0:
        left = moment
        def watch(event, _arguments):
            global left
            if event in EVENTS:
                if left == 0:
                    os._exit(9)
                left -= 1
        store = Store(root)
        store.claim(backbone_sha256="sha", overwrite=True)
        with store.working() as work:
            test_store.build(work, content + str(moment))
            sys.addaudithook(watch)
            store.publish(work, {"content": content + str(moment)}, test_store.ALL_PARTS)
            os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    record = Store(root).record()
    found = test_store.contents(root)
    if record is not None:
        whole = {found[name + "/part"] for name in test_store.PARTS} | {found["matrix.csv"]}
        assert whole == {record["content"]}, (moment, record, found)
    print(moment, code, record and record["content"], flush=True)
    if code == 0:
        break
    moment += 1
"""


def test_killed_at_any_moment_a_store_is_whole_or_has_no_record(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    publish(store, "old")
    places = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(store.root), "new"],
        env={**os.environ, "PYTHONPATH": places},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    steps = [line.split() for line in done.stdout.splitlines()]
    assert len(steps) > 10
    assert steps[0] == ["0", "9", "old"]  # nothing was touched yet
    assert steps[-1][1:] == ["0", f"new{len(steps) - 1}"]
    assert any(record == "None" for _, _, record in steps)
    assert not (store.mark / "work").exists() or not any((store.mark / "work").glob("features"))


# Failing ------------------------------------------------------------------------------------------


def test_the_rejects_of_a_failed_run_are_kept_where_no_whole_run_is(tmp_path: Path) -> None:
    store = Store(tmp_path)
    claim(store)
    (tmp_path / MATRIX).mkdir()  # what a run killed while it published left behind
    with store.working() as work:
        build(work, "failed")
        kept = store.keep_rejects(work)
    assert kept == tmp_path / REJECTS
    assert contents(tmp_path) == {"rejects/part": "failed"}
    assert store.record() is None
    claim(store)  # and the next run needs no --overwrite


def test_the_rejects_of_a_failed_run_do_not_touch_a_whole_one(tmp_path: Path) -> None:
    store = Store(tmp_path)
    publish(store, "whole")
    before = contents(tmp_path)
    for content in ("failed", "again"):
        claim(store, overwrite=True)
        with store.working() as work:
            build(work, content)
            kept = store.keep_rejects(work)
        assert (kept / "part").read_text() == content
    assert contents(tmp_path) == before


def test_a_claim_taken_back_leaves_no_trace(tmp_path: Path) -> None:
    store = Store(tmp_path / "new")
    claim(store)
    with store.working():
        pass
    store.abandon()
    assert list(tmp_path.iterdir()) == []


def test_a_claim_taken_back_keeps_what_is_not_ours(tmp_path: Path) -> None:
    store = Store(tmp_path / "new")
    claim(store)
    (store.root / "note.txt").write_text("mine")
    store.abandon()
    assert contents(tmp_path) == {"new/note.txt": "mine"}
