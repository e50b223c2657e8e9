"""A STORE: whose it is, who may write it, and that it is whole whenever anybody looks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from verger.errors import StoreError
from verger.store.layout import FEATURES, MATRIX, MATRIX_CSV, PROJECTION, RECORD, REJECTS
from verger.store.publication import Publication
from verger.store.reader import RECORD_FORMAT
from verger.store.store import Store, fingerprint
from verger.store.work import Work

BACKBONE = {"name": "lite", "sha256": "sha", "image_size": 224, "resize_shorter_side": 256}
MADE_BY = "made-by"
IN_THE_MARK = ["history", "lock", "store.json"]
SETTINGS: dict[str, Any] = {}  # of all runs: children that are killed change them


def build(work: Work, content: str, *, with_csv: bool = True) -> Publication:
    """Build what a run publishes, of which each file holds the same content.

    Of the features that are there already, `stays` is kept as it is, what an earlier run rewrote is
    rewritten once more, and all others go.
    """
    place = work.place
    new = [f"{work.parts}/{FEATURES}/part-{content}-{n}.parquet" for n in range(2)]
    rewritten = f"{work.rewritten}/part-{content}-r.parquet"
    rejects = work.built(f"{REJECTS}/part-{content}.parquet")
    matrix = [work.built(f"{MATRIX}/part-{n}-{content}.parquet") for n in range(2)]
    projection = [work.built(f"{PROJECTION}/{name}") for name in ("pca.json", "pca-mean.npy")]
    csv = work.built(MATRIX_CSV)
    for path in (*new, rewritten, rejects, *matrix, *projection, csv):
        place.put(path, content.encode())
    place.put(work.refs, b"")
    place.put(work.edits, b"")
    stays = [path for path in place.files(FEATURES) if path.endswith("stays.parquet")]
    return Publication(
        {
            FEATURES: [*stays, rewritten, *new],
            REJECTS: [rejects],
            MATRIX: matrix,
            PROJECTION: projection,
        },
        {MATRIX_CSV: csv if with_csv else None},
    )


def wanted(work: Work, publication: Publication) -> dict[str, str]:
    """Say what shall lie in the STORE when this is published: each file's path, and its content."""
    files = {
        f"{folder}/{source.rpartition('/')[2]}": source
        for folder, sources in publication.folders.items()
        for source in sources
    }
    files |= {name: source for name, source in publication.files.items() if source is not None}
    return {path: work.place.read(source).decode() for path, source in files.items()}


def publish(store: Store, content: str, *, with_csv: bool = True, **backbone: Any) -> None:
    store.claim(backbone=BACKBONE | backbone, overwrite=True)
    with store.working(MADE_BY) as work:
        publication = build(work, content, with_csv=with_csv)
        store.publish(work, record_of(work, publication, content, **backbone), publication)


def record_of(
    work: Work, publication: Publication, content: str, **backbone: Any
) -> dict[str, Any]:
    files = wanted(work, publication)
    said = {"content": content, "files": files, "backbone": BACKBONE | backbone}
    return said | {"settings": dict(SETTINGS)}


def publish_first(store: Store) -> None:
    """Publish a first run, with a file of features that later runs keep."""
    claim(store)
    with store.working(MADE_BY) as work:
        publication = build(work, "old")
        stays = f"{work.parts}/{FEATURES}/part-stays.parquet"
        work.place.put(stays, b"stays")
        publication.folders[FEATURES].insert(0, stays)
        store.publish(work, record_of(work, publication, "old"), publication)


def contents(root: Path) -> dict[str, str]:
    """Return all that lies beside the record, but for what marks a STORE."""
    files = {p.relative_to(root): p for p in root.rglob("*") if p.is_file()}
    return {
        str(k): p.read_text()
        for k, p in files.items()
        if k.parts[0] != ".verger" and str(k) != RECORD
    }


def whole(store: Store, keep: int | None = None) -> str:
    """Check that the STORE is whole, and return which run it is; so many matrices are kept."""
    record = Store(store.root).record()
    assert record is not None
    found, files = contents(Path(store.root)), record["files"]
    assert found == files, sorted(found.items() ^ files.items())
    check_history(Path(store.root), record, keep or SETTINGS.get("keep", 2))
    content: str = record["content"]
    return content


def check_history(root: Path, record: dict[str, Any], keep: int) -> None:
    """Check that each run has its record, and that the files of those kept are there, no others.

    A file of a matrix or a projection here holds the content of its run, as its record names it.
    """
    history, run = root / ".verger" / "history", record["run"]
    entries = {int(path.stem): json.loads(path.read_text()) for path in history.glob("*.json")}
    assert sorted(entries) == list(range(1, run + 1)), (sorted(entries), run)
    kept = list(range(run, max(run - keep, 0), -1))
    assert record["kept"] == kept, (record["kept"], kept)
    wanted = {}
    for number in record["kept"][1:]:
        files = entries[number]["manifest"]
        assert sorted(path.split("/")[0] for path in files) == [MATRIX] * 2 + [PROJECTION] * 2
        for path, content in files.items():
            name = path if path.startswith(MATRIX) else f"{PROJECTION}/{content['sha256']}"
            wanted[name] = entries[number]["content"]
    there = {
        str(path.relative_to(history)): path.read_text()
        for folder in (MATRIX, PROJECTION)
        for path in (history / folder).glob("*")
    }
    assert there == wanted, sorted(there.items() ^ wanted.items())


def mark(store: Store) -> Path:
    return Path(store.root) / ".verger"


def claim(store: Store, *, overwrite: bool = False, **backbone: Any) -> None:
    store.claim(backbone=BACKBONE | backbone, overwrite=overwrite)


def refusal(store: Store, **options: Any) -> str:
    with pytest.raises(StoreError) as caught:
        claim(store, **options)
    return str(caught.value)


# Claiming -----------------------------------------------------------------------------------------


def test_a_new_or_empty_folder_becomes_a_store(tmp_path: Path) -> None:
    for root, is_new in ((tmp_path / "new" / "deep", True), (tmp_path / "empty", False)):
        (tmp_path / "empty").mkdir(exist_ok=True)
        assert Store(root).check(backbone=BACKBONE, overwrite=False) is is_new
        assert not (root / ".verger").exists()  # a check leaves no trace
        assert Store(root).claim(backbone=BACKBONE, overwrite=False) is is_new
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
    assert "other than a Verger STORE" in refusal(Store(tmp_path), overwrite=True)


def test_a_file_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "is a file" in refusal(Store(tmp_path / "file"))
    assert "Cannot write" in refusal(Store(tmp_path / "file" / "below"))


def test_a_whole_run_of_the_same_backbone_is_brought_up_to_date(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    publish(store, "one")
    for overwrite in (False, True):
        assert store.check(backbone=BACKBONE, overwrite=overwrite) is False
        claim(store, overwrite=overwrite)
        assert whole(store) == "one"  # nothing is touched by a claim
    publish(store, "two")
    assert whole(store) == "two"


def test_what_else_is_said_of_a_backbone_does_not_part_two(tmp_path: Path) -> None:
    store = Store(tmp_path)
    publish(store, "one")
    claim(store, name="renamed", license="other")


@pytest.mark.parametrize(
    "other", [{"sha256": "other"}, {"image_size": 192}, {"views": [224]}, {"views": [256, 420]}]
)
def test_features_of_two_backbones_are_not_mixed(tmp_path: Path, other: dict[str, Any]) -> None:
    store = Store(tmp_path)
    publish(store, "one")
    reply = refusal(store, **other)
    assert "made with lite (views 224/256); this run would use lite (" in reply
    assert "Leave out --backbone" in reply
    assert "--overwrite" in reply
    assert whole(store) == "one"
    claim(store, overwrite=True, **other)


def test_what_decides_what_a_photo_becomes_has_one_name() -> None:
    name = fingerprint(BACKBONE, max_pixels=1, anew=False)
    assert name == fingerprint(BACKBONE | {"name": "x", "license": "y"}, anew=False, max_pixels=1)
    others = [
        fingerprint(BACKBONE | {"sha256": "x"}, max_pixels=1, anew=False),
        fingerprint(BACKBONE | {"image_size": 1}, max_pixels=1, anew=False),
        fingerprint(BACKBONE | {"resize_shorter_side": 1}, max_pixels=1, anew=False),
        fingerprint(BACKBONE, max_pixels=2, anew=False),
        fingerprint(BACKBONE, max_pixels=1, anew=True),
    ]
    assert len({name, *others}) == 6
    assert name.isalnum()


@pytest.mark.parametrize("version", [RECORD_FORMAT + 1, "1", None])
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
    assert "not a run record" in refusal(store)


def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    try:
        Path("/proc/self").stat()
    except OSError:
        pytest.skip("there is no folder here that not even root may write")
    assert "Cannot write to /proc/store" in refusal(Store(Path("/proc/store")))


# Working ------------------------------------------------------------------------------------------


def stopped(store: Store) -> None:
    with store.working(MADE_BY) as work:
        build(work, "x")
        raise KeyboardInterrupt


def in_the_work_folder(store: Store) -> set[str]:
    folder = mark(store) / "work"
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


PARTS_OF_X = {f"parts-{MADE_BY}/{FEATURES}/part-x-{n}.parquet" for n in range(2)}


def test_work_is_cleared_away_at_the_end_good_or_bad_but_for_finished_parts(
    tmp_path: Path,
) -> None:
    store = Store(tmp_path)
    claim(store)
    with store.working(MADE_BY) as work:
        build(work, "x")
        scratch = work.scratch
        assert scratch.is_dir()
    assert in_the_work_folder(store) == PARTS_OF_X
    assert not scratch.exists()
    with pytest.raises(KeyboardInterrupt):
        stopped(store)
    assert in_the_work_folder(store) == PARTS_OF_X
    assert contents(tmp_path) == {}


def test_a_run_whose_lock_is_another_s_publishes_nothing_and_clears_nothing_away(
    tmp_path: Path,
) -> None:
    """A machine that slept for longer than its lock lasted wakes up and goes on."""
    late, other = Store(tmp_path), Store(tmp_path)
    publish(late, "one")
    with ExitStack() as stack:
        with late.working(MADE_BY) as work:
            publication = build(work, "late")
            record = record_of(work, publication, "late")
            late.place.delete(".verger/lock")  # which frees the way, as a lapse does in a bucket
            theirs = stack.enter_context(other.working(MADE_BY))
            mine = build(theirs, "two")
            with pytest.raises(StoreError, match="Another run took over"):
                late.publish(work, record, publication)
        assert whole(other) == "one"
        other.publish(theirs, record_of(theirs, mine, "two"), mine)
    assert whole(other) == "two"


def test_the_rejects_of_a_run_that_failed_go_when_one_succeeds(tmp_path: Path) -> None:
    store = Store(tmp_path)
    publish(store, "one")
    with store.working(MADE_BY) as work:
        work.place.put(work.built("rejects/part-x.parquet"), b"x")
        kept = Path(store.keep_rejects(work.built("rejects/part-x.parquet")))
    assert kept.read_bytes() == b"x"
    publish(store, "two")
    assert not kept.exists()
    assert sorted(path.name for path in mark(store).iterdir()) == IN_THE_MARK


def test_finished_parts_are_taken_up_by_a_run_that_makes_the_same_and_no_other(
    tmp_path: Path,
) -> None:
    store = Store(tmp_path)
    claim(store)
    with pytest.raises(KeyboardInterrupt):
        stopped(store)
    with store.working(MADE_BY) as work:
        found = [path.rpartition("/")[2] for path in work.finished(FEATURES)]
        assert found == ["part-x-0.parquet", "part-x-1.parquet"]
    with store.working("made-otherwise") as work:
        assert work.finished(FEATURES) == []
    assert in_the_work_folder(store) == set()


def test_a_reduction_leaves_the_parts_of_a_run_that_was_stopped(tmp_path: Path) -> None:
    """Hours of embedding are not lost because somebody fits again in between."""
    store = Store(tmp_path)
    publish(store, "one")
    with pytest.raises(KeyboardInterrupt):
        stopped(store)
    with store.working() as work:  # as `reduce` does, which embeds nothing
        matrix = work.built(f"{MATRIX}/part-two.parquet")
        work.place.put(matrix, b"two")
        publication = Publication({MATRIX: [matrix]})
        store.publish(work, {**(store.record() or {}), "content": "two"}, publication)
    assert in_the_work_folder(store) == PARTS_OF_X


def test_rejects_of_a_part_that_is_not_finished_are_not_taken_up(tmp_path: Path) -> None:
    store = Store(tmp_path)
    claim(store)
    with store.working(MADE_BY) as work:
        work.place.put(f"{work.parts}/{REJECTS}/part-a.parquet", b"")
        work.place.put(f"{work.parts}/{REJECTS}/part-b.parquet", b"")
        work.place.put(f"{work.parts}/{FEATURES}/part-b.parquet", b"")
        work.place.put(f"{work.parts}/{FEATURES}/part-c.parquet", b"")
        for table, names in ((FEATURES, "bc"), (REJECTS, "b")):
            assert work.finished(table) == [
                f"{work.parts}/{table}/part-{name}.parquet" for name in names
            ]


def test_a_folder_of_rejects_alone_is_cleared_away(tmp_path: Path) -> None:
    store = Store(tmp_path)
    claim(store)
    with store.working(MADE_BY) as work:
        work.place.put(f"{work.parts}/{REJECTS}/part-a.parquet", b"")
    assert not (mark(store) / "work").exists()


def test_what_a_killed_run_left_is_cleared_before_work_begins(tmp_path: Path) -> None:
    store = Store(tmp_path)
    claim(store)
    for left in ("outcomes", "rewritten", "parts-other/features"):
        (tmp_path / ".verger" / "work" / left).mkdir(parents=True)
        (tmp_path / ".verger" / "work" / left / "part-x.parquet").touch()
    with store.working(MADE_BY):
        assert in_the_work_folder(store) == set()


HOLD = """
import sys
from pathlib import Path
from verger.store.store import Store
with Store(Path(sys.argv[1])).working() as work:
    work.place.put(work.built("matrix/half"), b"half")
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_only_one_run_at_a_time_and_a_killed_one_frees_the_store(tmp_path: Path) -> None:
    store = Store(tmp_path)
    claim(store)
    (tmp_path / ".verger" / "work" / "matrix").mkdir(parents=True)
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(StoreError, match="Another run is writing"), store.working():
            pass
        assert "Another run is writing" in refusal(store, overwrite=True)
        (half,) = in_the_work_folder(store)  # the other one's, left alone
        assert half.endswith("/matrix/half")
        other.kill()
        other.wait()
    with store.working():
        assert in_the_work_folder(store) == set()


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
    assert (record["format"], record["content"]) == (RECORD_FORMAT, "one")
    assert whole(store) == "one"
    (tmp_path / MATRIX / "_SUCCESS").touch()
    publish(store, "two", with_csv=False)
    assert whole(store) == "two"
    found = contents(tmp_path)
    assert MATRIX_CSV not in found
    assert set(found.values()) == {"two"}
    assert len(found) == 3 + 1 + 2 + 2
    assert in_the_work_folder(store) == set()
    assert sorted(p.name for p in mark(store).iterdir()) == IN_THE_MARK


def test_some_features_are_kept_some_are_new_and_some_rewritten(tmp_path: Path) -> None:
    store = Store(tmp_path)
    publish_first(store)
    before = (tmp_path / FEATURES / "part-stays.parquet").stat()
    for content in ("two", "three"):
        publish(store, content)
        assert whole(store) == content
        names = [f"part-{content}-0", f"part-{content}-1", f"part-{content}-r", "part-stays"]
        assert store.table(FEATURES) == [f"{FEATURES}/{name}.parquet" for name in sorted(names)]
    after = (tmp_path / FEATURES / "part-stays.parquet").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_reduction_replaces_its_parts_alone(tmp_path: Path) -> None:
    store = Store(tmp_path)
    publish(store, "one")
    with store.working() as work:
        everything = build(work, "two")
        folders = {name: everything.folders[name] for name in (MATRIX, PROJECTION)}
        store.publish(work, {"content": "two"}, Publication(folders, everything.files))
    found = contents(tmp_path)
    assert {found[path] for path in store.table(FEATURES) + store.table(REJECTS)} == {"one"}
    assert {v for k, v in found.items() if k.startswith((MATRIX, PROJECTION))} == {"two"}
    assert len(store.table(FEATURES)) == 3
    assert len(store.table(MATRIX)) == 2
    assert found[MATRIX_CSV] == "two"
    record = store.record()
    assert record is not None
    assert (record["format"], record["content"]) == (RECORD_FORMAT, "two")
    assert set(record["manifest"]) == found.keys()


def test_a_run_that_changed_nothing_renews_the_record_alone(tmp_path: Path) -> None:
    store = Store(tmp_path)
    publish(store, "one")
    before = contents(tmp_path)
    with store.working(MADE_BY) as work:
        store.publish(work, {"content": "again"}, Publication())
        assert not (mark(store) / "publish.json").exists()
    record = store.whole_run()
    assert record["content"] == "again"
    assert set(record["manifest"]) == set(before)
    assert contents(tmp_path) == before


def test_a_record_that_cannot_be_written_leaves_the_old_run_whole(tmp_path: Path) -> None:
    store = Store(tmp_path)
    publish(store, "one")
    for publication in (None, Publication()):
        with store.working(MADE_BY) as work:
            built = publication or build(work, "two")
            with pytest.raises(ValueError, match="JSON"):
                store.publish(work, {"ratio": float("nan")}, built)
        assert whole(store) == "one"


CHILD = """
import os, sys, threading
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import test_store
from verger.store.store import Store
root = Path(sys.argv[1])
test_store.SETTINGS["keep"] = int(sys.argv[3])
EVENTS = {"os.rename", "os.remove", "os.rmdir", "shutil.rmtree", "os.mkdir", "open"}

def at_the_nth(moment, end):
    # Calls `end` at the n-th thing that this process does to the file system, once. Threads count
    # one after another: of two at once, neither might see that it is the n-th.
    left, one_by_one = [moment], threading.Lock()
    def watch(event, _arguments):
        if event in EVENTS:
            with one_by_one:
                left[0] -= 1
                now = left[0]
            if now == -1:
                end()
    sys.addaudithook(watch)
    return left

def kill():
    os._exit(9)

def forked(what, *arguments):
    child = os.fork()
    if child == 0:
        what(*arguments)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

def publish_and_be_killed(content, moment):
    store = Store(root)
    test_store.claim(store, overwrite=True)
    with store.working(test_store.MADE_BY) as work:
        publication = test_store.build(work, content)
        record = test_store.record_of(work, publication, content)
        at_the_nth(moment, kill)
        store.publish(work, record, publication)
        os._exit(0)
"""

# A child is killed at the n-th thing that it does to the file system while it publishes.
KILLED = f"""{CHILD}
moment = 0
while True:
    code = forked(publish_and_be_killed, "new" + str(moment), moment)
    journal = (root / ".verger" / "publish.json").exists()
    bare = not (root / "run.json").exists()
    print(code, int(journal), int(bare), test_store.whole(Store(root)), flush=True)
    if code == 0:
        break
    moment += 1
"""


@pytest.fixture(params=[1, *(pytest.param(n, marks=pytest.mark.slow) for n in (2, 4))])
def keep(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Say how many matrices are kept, here and in children."""
    monkeypatch.setitem(SETTINGS, "keep", request.param)
    return int(request.param)


def publish_some(store: Store, keep: int) -> None:
    """Publish until what is kept is all there is to keep: each run then takes as many steps."""
    publish_first(store)
    for content in (*"abcd"[:keep], "last"):
        publish(store, content)


def run_child(script: str, store: Store) -> list[list[str]]:
    keep = str(SETTINGS.get("keep", 2))
    done = subprocess.run(
        [sys.executable, "-c", script, str(store.root), str(Path(__file__).parent), keep],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [line.split() for line in done.stdout.splitlines()]


@pytest.mark.slow
def test_killed_at_any_moment_a_store_is_the_old_whole_run_or_the_new_one(
    in_memory: Path, keep: int
) -> None:
    """And so is its history: a run has its record there, and those kept their files."""
    store = Store(in_memory / "store")
    publish_some(store, keep)
    steps = run_child(KILLED, store)
    assert len(steps) > 20
    assert steps[0] == ["9", "0", "0", "last"]  # nothing was touched yet
    last = len(steps) - 1
    assert steps[-1] == ["0", "0", "0", f"new{last}"]
    decided = [content == f"new{n}" for n, (*_, content) in enumerate(steps)]
    first = decided.index(True)
    assert decided == [False] * first + [True] * (len(steps) - first)
    assert first > 1
    assert {content for *_, content in steps[:first]} == {"last"}
    # What is decided is what the journal says, and much of it had still to be carried out.
    assert [journal for _, journal, _, _ in steps[:first]] == ["0"] * first
    assert sum(journal == "1" for _, journal, _, _ in steps) > 10
    assert sum(bare == "1" for _, _, bare, _ in steps) > 10
    with store.working(MADE_BY):
        pass
    assert sorted(p.name for p in mark(store).iterdir()) == IN_THE_MARK
    assert whole(store) == f"new{last}"


# Whoever completes what was begun is killed in turn, at each moment of that.
KILLED_TWICE = f"""{CHILD}
def open_and_be_killed(moment):
    at_the_nth(moment, kill)
    Store(root).record()
    os._exit(0)

for moment in range(0, 1000, 8):
    content = "new" + str(moment)
    if forked(publish_and_be_killed, content, moment) == 0:
        break
    if not (root / ".verger" / "publish.json").exists():
        continue
    kills = 0
    while forked(open_and_be_killed, kills) == 9:
        kills += 1
    assert test_store.whole(Store(root)) == content, (moment, kills)
    assert not (root / ".verger" / "publish.json").exists()
    print(moment, kills, flush=True)
"""


@pytest.mark.slow
def test_who_completes_a_publication_may_be_killed_too(in_memory: Path) -> None:
    store = Store(in_memory / "store")
    publish_first(store)
    steps = run_child(KILLED_TWICE, store)
    assert len(steps) > 5
    assert max(int(kills) for _, kills in steps) > 10


# An error or Ctrl-C does not kill: what was begun is still unwound, and must not be cleared away.
STOPPED = f"""{CHILD}
import errno

def full():
    raise OSError(errno.ENOSPC, "No space left on device")

def interrupt():
    raise KeyboardInterrupt

def publish_and_be_stopped(content, moment, end):
    store = Store(root)
    test_store.claim(store, overwrite=True)
    left = None
    try:
        with store.working(test_store.MADE_BY) as work:
            publication = test_store.build(work, content)
            record = test_store.record_of(work, publication, content)
            left = at_the_nth(moment, end)
            store.publish(work, record, publication)
    except (KeyboardInterrupt, Exception) as error:
        assert type(error).__name__ in {{"KeyboardInterrupt", "StoreError", "OSError"}}, error
    os._exit(9 if left[0] < 0 else 0)

for end in (full, interrupt):
    moment = 0
    while True:
        content = end.__name__ + str(moment)
        before = test_store.whole(Store(root))
        code = forked(publish_and_be_stopped, content, moment, end)
        try:
            now = test_store.whole(Store(root))
        except AssertionError as error:
            raise SystemExit(f"{{end.__name__}} at moment {{moment}}: {{error}}")
        assert now in (before, content), (before, now)
        print(end.__name__, now == content, flush=True)
        if code == 0:
            break
        moment += 1
"""


@pytest.mark.slow
def test_stopped_at_any_moment_a_store_is_the_old_whole_run_or_the_new_one(
    in_memory: Path,
) -> None:
    store = Store(in_memory / "store")
    publish_first(store)
    steps = run_child(STOPPED, store)
    for end in ("full", "interrupt"):
        decided = [new for name, new in steps if name == end]
        assert len(decided) > 20
        assert decided.count("False") > 1
        assert decided[-1] == "True"
    # An error may be got over, where a folder that is there is made again; Ctrl-C never is.
    assert decided == sorted(decided)


def test_a_journal_names_nothing_outside_the_store(tmp_path: Path) -> None:
    """A STORE may come from somebody else: opening it neither moves nor deletes what is mine."""
    store = Store(tmp_path / "store")
    publish(store, "one")
    mine = tmp_path / "thesis.txt"
    before = contents(Path(store.root))
    for outside in ("../thesis.txt", str(mine), "matrix/../../thesis.txt"):
        for journal in (
            {"moves": [], "gone": [outside], "record": {"format": 1}},
            {"moves": [[outside, "matrix.csv"]], "gone": [], "record": {"format": 1}},
            {"moves": [["matrix.csv", outside]], "gone": [], "record": {"format": 1}},
        ):
            mine.write_text("years of work")
            (mark(store) / "publish.json").write_text(json.dumps(journal))
            with pytest.raises(StoreError, match=r"publish\.json"):
                store.record()
            assert mine.read_text() == "years of work"
            assert contents(Path(store.root)) == before


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"moves": 1}', "\0"])
def test_a_journal_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    store = Store(tmp_path)
    publish(store, "one")
    before = contents(tmp_path)
    (mark(store) / "publish.json").write_text(text)
    with pytest.raises(StoreError, match=r"publish\.json"):
        store.record()
    with pytest.raises(StoreError, match=r"publish\.json"), store.working():
        pass
    assert contents(tmp_path) == before
    assert (tmp_path / RECORD).exists()


# Failing ------------------------------------------------------------------------------------------


def fail(store: Store, content: str) -> str:
    """Fail as a run with too many rejects does; return where they are kept."""
    with store.working(MADE_BY) as work:
        return store.keep_rejects(build(work, content).folders[REJECTS][0])


def test_the_rejects_of_a_failed_run_are_kept_where_no_whole_run_is(tmp_path: Path) -> None:
    store = Store(tmp_path)
    claim(store)
    for content in ("failed", "again"):
        kept = fail(store, content)
        path = f"rejects/part-{content}.parquet"
        assert kept == str(tmp_path / path)
        assert contents(tmp_path) == {path: content}
        assert store.record() is None
        claim(store)  # and the next run needs no --overwrite
    publish(store, "whole")
    assert whole(store) == "whole"


def test_the_rejects_of_a_failed_run_do_not_touch_a_whole_one(tmp_path: Path) -> None:
    store = Store(tmp_path)
    publish(store, "one")
    for content in ("failed", "again"):
        kept = fail(store, content)
        assert Path(kept).read_text() == content
        assert whole(store) == "one"
        assert [p.name for p in mark(store).iterdir() if p.suffix == ".parquet"] == [
            "failed-rejects.parquet"
        ]


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
    (Path(store.root) / "note.txt").write_text("mine")
    store.abandon()
    assert contents(tmp_path) == {"new/note.txt": "mine"}


def test_all_that_is_published_is_on_the_disk_before_that_is_decided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that stops just then must not leave a decision for files that are empty."""
    store = Store(tmp_path / "store")
    claim(store)
    on_disk: set[int] = set()
    at_decision: list[set[int]] = []
    sync, rename = os.fsync, os.replace

    def synced(handle: int) -> None:
        on_disk.add(os.fstat(handle).st_ino)
        sync(handle)

    def renamed(source: Any, target: Any, **options: Any) -> None:
        if str(target).endswith("publish.json"):
            at_decision.append(set(on_disk))
        rename(source, target, **options)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed)
    with store.working(MADE_BY) as work:
        publication = build(work, "new")
        record = record_of(work, publication, "new")
        sources = [*chain(*publication.folders.values()), *publication.files.values()]
        files = [mark(store).parent / path for path in sources if path]
        inodes = {file.stat().st_ino for one in files for file in (one, one.parent)}
        store.publish(work, record, publication)
    assert at_decision
    assert inodes <= at_decision[-1]


CLAIMS = """
import os, signal, sys
from pathlib import Path
from verger.store.store import Store

backbone = {"name": "lite", "sha256": "sha", "image_size": 224, "resize_shorter_side": 256}

def claim(root, steps):
    pid = os.fork()
    if pid == 0:
        left = [steps]
        def watch(event, _):
            if event in ("open", "fcntl.flock", "os.rename", "os.remove", "os.mkdir", "os.rmdir"):
                left[0] -= 1
                if left[0] < 0:
                    os.kill(os.getpid(), signal.SIGKILL)
        sys.addaudithook(watch)
        Store(root).claim(backbone=backbone, overwrite=False)
        os._exit(0)
    return os.waitpid(pid, 0)[1]

steps, status = 0, 1
while status:
    root = Path(sys.argv[1]) / str(steps)
    status = claim(root, steps)
    assert status in (0, signal.SIGKILL), status
    store = Store(root)
    store.claim(backbone=backbone, overwrite=False)
    with store.working("x"):
        pass
    left = sorted(entry.name for entry in (root / ".verger").iterdir())
    assert left == ["lock", "store.json"], (steps, left)
    steps += 1
print(steps)
"""


def test_a_claim_killed_at_any_step_leaves_no_trace(in_memory: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CLAIMS, str(in_memory)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) > 10
