"""Whole runs with PHOTOS and STORE in a bucket; the first is a process, as a user has it."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import obstore
import pandas as pd
import pyarrow.parquet as pq
import pytest

from faults import Faults, faulty
from program import Ended, verger
from seaweed import S3
from verger.errors import PhotosError, StoreError
from verger.pipeline import run
from whole_runs import NO_REPORT, Here

pytestmark = pytest.mark.slow

At = Callable[..., Ended]


def environment(s3: S3, settings: dict[str, str]) -> dict[str, str]:
    """The variables of a user of the server."""
    return s3.environment() | {"AWS_MAX_ATTEMPTS": "4"} | settings


def alone(s3: S3, *args: object, **settings: str) -> Ended:
    """Run the program as a process, in the environment of a user of the server."""
    return _clean(s3, verger(*args, env=os.environ | environment(s3, settings)))


def _at(program: Here, monkeypatch: pytest.MonkeyPatch) -> At:
    def run_here(s3: S3, *args: object, **settings: str) -> Ended:
        with monkeypatch.context() as patched:
            for name, value in environment(s3, settings).items():
                patched.setenv(name, value)
            return _clean(s3, program(*args))

    return run_here


@pytest.fixture
def at(here: Here, monkeypatch: pytest.MonkeyPatch) -> At:
    """Run the program in this process, in the environment of a user of the server."""
    return _at(here, monkeypatch)


@pytest.fixture
def at_each(on_each: Here, monkeypatch: pytest.MonkeyPatch) -> At:
    """The same on each engine."""
    return _at(on_each, monkeypatch)


def _clean(s3: S3, ended: Ended) -> Ended:
    for secret in (s3.keys.secret_key, s3.keys.access_key):
        assert secret not in ended.out + ended.err
    assert "Traceback" not in ended.out + ended.err, ended.err[-3000:]
    return ended


def keys(store: Any, prefix: str = "") -> dict[str, Any]:
    """Every object below a prefix, and its ETag."""
    return {one["path"]: one["e_tag"] for page in obstore.list(store, prefix) for one in page}


def record_of(store: Any, name: str) -> dict[str, Any]:
    return dict(json.loads(bytes(obstore.get(store, f"{name}/run.json").bytes())))


def table_of(store: Any, folder: str) -> pd.DataFrame:
    """Read a table of a STORE in a bucket, in order of path."""
    paths = [path for path in sorted(keys(store, folder)) if path.endswith(".parquet")]
    parts = [
        pq.read_table(io.BytesIO(bytes(obstore.get(store, path).bytes()))).to_pandas()
        for path in paths
    ]
    table: pd.DataFrame = pd.concat(parts).sort_values("path", ignore_index=True)
    return table


@dataclass
class Orchard:
    """Photos in a bucket and the same on the disk, and a bucket for STOREs."""

    photos: Any
    results: Any
    local: Path


@pytest.fixture(scope="module")
def both(s3: S3, orchard: Path, tmp_path_factory: pytest.TempPathFactory) -> Orchard:
    """Put the orchard there and here, with odd names and two photos that are none."""
    folder = tmp_path_factory.mktemp("same") / "photos"
    shutil.copytree(orchard, folder)
    some = sorted(folder.rglob("*.jpg"))
    (folder / "odd names").mkdir()
    for name in ("a b.jpg", "a+b.jpg", "a%20b.jpg", "é.jpg"):
        shutil.copyfile(some[0], folder / "odd names" / name)
    (folder / "odd names" / "empty.jpg").touch()
    (folder / "odd names" / "text.jpg").write_text("no photo")
    store = s3.make_bucket("whole-runs")
    for file in folder.rglob("*.jpg"):
        obstore.put(store, f"photos/{file.relative_to(folder)}", file)
    s3.put_as_is("whole-runs", "photos/a folder.jpg/")
    s3.put_as_is("whole-runs", "photos/odd names/tab\there.jpg", some[1].read_bytes())
    shutil.copyfile(some[1], folder / "odd names" / "tab\there.jpg")
    return Orchard(store, s3.make_bucket("results"), folder)


@dataclass
class Grown(Orchard):
    """And the STORE that a run made of those on the disk."""

    expected: Path


@pytest.fixture(scope="module")
def grown(
    s3: S3,
    both: Orchard,
    tmp_path_factory: pytest.TempPathFactory,
) -> Grown:
    """Run over both."""
    expected = tmp_path_factory.mktemp("expected") / "store"
    run(both.local, expected, NO_REPORT)
    ended = alone(s3, "run", "s3://whole-runs/photos", "s3://results/store", "--quiet")
    assert (ended.code, ended.err) == (0, "")
    return Grown(both.photos, both.results, both.local, expected)


def local_table(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(folder).sort_values("path", ignore_index=True)


def assert_same(store: Any, name: str, expected: Path) -> None:
    """Compare features and matrix with those of a run on the disk."""
    ours, theirs = table_of(store, f"{name}/features"), local_table(expected / "features")
    assert list(ours["path"]) == list(theirs["path"])
    assert list(ours["label"]) == list(theirs["label"])
    np.testing.assert_allclose(
        np.stack(list(ours["features"])), np.stack(list(theirs["features"])), atol=1e-5
    )
    ours, theirs = table_of(store, f"{name}/matrix"), local_table(expected / "matrix")
    assert list(ours["path"]) == list(theirs["path"])
    assert list(ours.columns) == list(theirs.columns)
    np.testing.assert_allclose(
        np.stack(list(ours["components"])), np.stack(list(theirs["components"])), atol=1e-4
    )
    rejects = table_of(store, f"{name}/rejects"), local_table(expected / "rejects")
    assert [*rejects[0]["path"]] == [*rejects[1]["path"]] == [
        "odd names/empty.jpg", "odd names/text.jpg",
    ]  # fmt: skip
    assert [*rejects[0]["reason"]] == [*rejects[1]["reason"]]


def test_what_comes_of_a_bucket_is_what_comes_of_a_folder(grown: Grown) -> None:
    assert_same(grown.results, "store", grown.expected)
    record = record_of(grown.results, "store")
    counts = json.loads((grown.expected / "run.json").read_text())["counts"]
    assert record["counts"] == counts
    left = {path.rpartition("/")[2] for path in keys(grown.results, "store/.verger")}
    assert left == {"000001.json", "moments", "store.json"}  # no lock, no work


def test_from_google_to_amazon_with_nothing_signed(
    here: Here, s3: S3, grown: Grown, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Google's XML interface is S3's where nobody signs, so that one server is both."""
    photos, results = s3.make_bucket("public"), s3.make_bucket("commons")
    some = sorted(grown.local.glob("T*/*/*.jpg"))[::3]
    for file in some:
        obstore.put(photos, f"photos/{file.relative_to(grown.local)}", file)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    env = {"AWS_ENDPOINT_URL": s3.endpoint, "AWS_REGION": s3.region, "AWS_SKIP_SIGNATURE": "true"}
    env |= {"GOOGLE_BASE_URL": s3.endpoint, "GOOGLE_SKIP_SIGNATURE": "true"}
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    ended = here("run", "gs://public/photos", "s3://commons/store", "--quiet")
    assert (ended.code, ended.err) == (0, "")
    ours = table_of(results, "store/features").set_index("path")
    theirs = local_table(grown.expected / "features").set_index("path").loc[ours.index]
    assert list(ours.index) == [str(file.relative_to(grown.local)) for file in some]
    np.testing.assert_allclose(
        np.stack(list(ours["features"])), np.stack(list(theirs["features"])), atol=1e-5
    )


def test_a_dry_run_leaves_no_trace(at: At, s3: S3, grown: Grown) -> None:
    before = keys(grown.results)
    for name in ("store", "another-store"):
        ended = at(
            s3, "run", "s3://whole-runs/photos", f"s3://results/{name}", "--dry-run", "--json"
        )
        assert ended.code == 0, ended.err
    assert keys(grown.results) == before


def test_a_second_run_embeds_what_is_new_or_changed_and_drops_what_is_gone(
    at: At, s3: S3, grown: Grown, tmp_path: Path
) -> None:
    photos, store, before = grown.photos, grown.results, table_of(grown.results, "store/features")
    some = sorted(grown.local.rglob("*.jpg"))
    obstore.put(photos, "photos/New one/1.jpg", some[2])
    obstore.put(photos, f"photos/{before['path'][0]}", some[9])
    obstore.delete(photos, f"photos/{before['path'][5]}")
    try:
        ended = at(s3, "run", "s3://whole-runs/photos", "s3://results/store", "--quiet")
        assert (ended.code, ended.err) == (0, "")
        changes = record_of(store, "store")["changes"]
        assert {name: n for name, n in changes.items() if n} == {
            "new": 1, "changed": 1, "gone": 1, "kept": len(before) + 2 - 2, "reused": 2,
        }  # fmt: skip
        after = table_of(store, "store/features")
        assert set(after["path"]) == {*before["path"], "New one/1.jpg"} - {before["path"][5]}
        assert list(table_of(store, "store/matrix")["path"]) == list(after["path"])
        ended = at(s3, "reduce", "s3://results/store", "-k", "3", "--quiet")
        assert (ended.code, ended.err) == (0, "")
        assert record_of(store, "store")["projection"]["k"] == 3
    finally:
        obstore.delete(photos, "photos/New one/1.jpg")
        for path in (before["path"][0], before["path"][5]):
            obstore.put(photos, f"photos/{path}", grown.local / path)


def test_faults_change_nothing_of_the_result(at_each: At, s3: S3, grown: Grown) -> None:
    faults = Faults(latency=0.01, error=0.1, reset=0.05, cut=0.05, most=3, seed=5)
    with faulty(s3.endpoint, faults) as proxy:
        ended = at_each(
            s3.behind(proxy.endpoint), "run", "s3://whole-runs/photos", "s3://results/faulty",
            "--quiet", AWS_MAX_ATTEMPTS="8",
        )  # fmt: skip
        counts = proxy.counts()
    assert (ended.code, ended.err) == (0, "")
    assert min(counts["error"], counts["reset"], counts["cut"]) > 0
    assert_same(grown.results, "faulty", grown.expected)


def test_credentials_that_expire_in_mid_run_cost_no_photo_that_is_done(
    at_each: At, s3: S3, grown: Grown
) -> None:
    """A photo late in the order answers 403 ExpiredToken, and all that is asked after it."""
    store = grown.results
    some = sorted(grown.local.rglob("*.jpg"))[3].read_bytes()
    for n in range(150):
        obstore.put(grown.photos, f"expiring/{n:03}.jpg", some)
    args = ("run", "s3://whole-runs/expiring", "s3://results/expired", "--label-from", "none")
    with faulty(s3.endpoint) as proxy:
        proxy.set(Faults(error=1, status=403, code="ExpiredToken", only="GET [^ ]*/149.jpg"))
        ended = at_each(s3.behind(proxy.endpoint), *args)
        assert ended.code in (3, 4), ended.err
        assert "the credentials have expired" in ended.error
        assert proxy.counts()["error"] >= 1
    finished = [path for path in keys(store, "expired") if "/features/part-" in path]
    ended = at_each(s3, *args, "--quiet")
    assert (ended.code, ended.err) == (0, "")
    record = record_of(store, "expired")
    assert record["counts"]["embedded"] == 150
    assert (record["changes"]["kept"] > 0) is bool(finished)
    assert record["changes"]["kept"] > 0


# Bad input: each is refused before any work begins ----------------------------------------------


@pytest.mark.parametrize(
    ("photos", "store", "code", "says"),
    [
        ("s3://nosuch/photos", "s3://results/new", 3, "s3://nosuch/photos: there is no such"),
        ("s3://whole-runs/photos", "s3://nosuch/new", 4, "s3://nosuch/new: there is no such"),
        ("s3://whole-runs/none", "s3://results/new", 3, "No photo in s3://whole-runs/none"),
        ("s3://whole-runs/photos", "s3://whole-runs/photos", 4, "other than a Verger STORE"),
        ("s3://whole-runs/../x", "s3://results/new", 3, "is not a usable folder"),
        ("s3://", "s3://results/new", 3, "names no bucket"),
        ("s3://whole-runs/photos", "s3://results/a//b", 4, "is not a usable folder"),
        ("ftp://host/x", "s3://results/new", 3, "this kind of location is not supported"),
    ],
)
def test_places_that_cannot_be(
    at: At, s3: S3, both: Orchard, photos: str, store: str, code: int, says: str
) -> None:
    before = keys(both.results)
    ended = at(s3, "run", photos, store)
    assert ended.code == code, ended.err
    assert says in ended.error
    assert keys(both.results) == before


@pytest.mark.parametrize(
    ("user", "codes", "says"),
    [
        ("reader", {4}, "access denied"),
        ("blind", {3, 4}, "access denied"),
        ("stranger", {3, 4}, "access key is not known"),
    ],
)
def test_users_who_may_not(
    at: At, s3: S3, both: Orchard, user: str, codes: set[int], says: str
) -> None:
    before = keys(both.results)
    ended = at(s3.as_user(user), "run", "s3://whole-runs/photos", "s3://results/denied")
    assert ended.code in codes, ended.err
    assert says in ended.error
    assert keys(both.results) == before


@pytest.mark.parametrize(
    ("faults", "says"),
    [
        (Faults(error=1), "keeps asking for fewer requests"),
        (Faults(reset=1), "the endpoint does not answer"),
        (Faults(error=1, status=400, code="ExpiredToken"), "the credentials have expired"),
        (Faults(error=1, status=301, code="PermanentRedirect"), "Set AWS_REGION"),
        (Faults(error=1, status=400, code="AuthorizationHeaderMalformed"), "Set AWS_REGION"),
    ],
    ids=["503 for ever", "down", "expired", "redirected", "another region"],
)
def test_servers_that_refuse(at: At, s3: S3, both: Orchard, faults: Faults, says: str) -> None:
    with faulty(s3.endpoint, faults) as proxy:
        ended = at(
            s3.behind(proxy.endpoint), "run", "s3://whole-runs/photos", "s3://results/new",
            AWS_MAX_ATTEMPTS="2",
        )  # fmt: skip
    assert ended.code in (3, 4)
    assert says in ended.error


def test_photos_that_may_be_listed_but_not_read(
    s3: S3,
    few: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = s3.make_bucket("unreadable")
    for file in few[:5]:
        obstore.put(store, f"photos/{file.parent.name}/{file.name}", file)
    refused = Faults(error=1, status=403, code="AccessDenied", only=r"^GET .*\.jpg")
    with faulty(s3.endpoint, refused) as proxy:
        for name, value in s3.behind(proxy.endpoint).environment().items():
            monkeypatch.setenv(name, value)
        photos = "s3://unreadable/photos"
        with pytest.raises(PhotosError, match=r"No photo of .* can be read \(5 listed\)") as caught:
            run(photos, tmp_path / "store", NO_REPORT)
        assert "s3:GetObject" in caught.value.hint
        proxy.set(Faults())
        record = run(
            photos, tmp_path / "store", NO_REPORT
        ).record  # what was refused is not remembered
    assert (record["counts"]["embedded"], record["changes"]["new"]) == (5, 5)


@pytest.mark.parametrize(
    "faults",
    [Faults(error=1), Faults(error=1, status=500, code="InternalError"), Faults(reset=1)],
    ids=["503 for ever", "500 for ever", "reset"],
)
def test_one_photo_that_cannot_be_had_costs_no_other(
    s3: S3,
    few: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    faults: Faults,
) -> None:
    """The bucket answers, so it is this photo; the next run takes it up."""
    bucket = f"partly-{faults.status}-{faults.reset:.0f}"
    store = s3.make_bucket(bucket)
    for file in few[:4]:
        obstore.put(store, f"photos/{file.parent.name}/{file.name}", file)
    broken = f"photos/{few[0].parent.name}/{few[0].name}"
    only = dataclasses.replace(faults, only="^GET .*" + re.escape(quote(broken)))
    with faulty(s3.endpoint, only) as proxy:
        for name, value in s3.behind(proxy.endpoint).environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
        counts = run(f"s3://{bucket}/photos", tmp_path / "store", NO_REPORT).record["counts"]
        assert (counts["embedded"], counts["rejected_by_reason"]) == (3, {"unavailable": 1})
        proxy.set(Faults())
        record = run(f"s3://{bucket}/photos", tmp_path / "store", NO_REPORT).record
    assert (record["counts"]["embedded"], record["counts"]["rejected"]) == (4, 0)
    assert record["changes"]["retried"] == 1


def test_a_store_of_a_newer_version(at: At, s3: S3, both: Orchard) -> None:
    obstore.put(both.results, "newer/.verger/store.json", b'{"format": 1}')
    obstore.put(both.results, "newer/run.json", b'{"format": 99}')
    ended = at(s3, "run", "s3://whole-runs/photos", "s3://results/newer")
    assert ended.code == StoreError.exit_code
    assert "newer Verger" in ended.error
