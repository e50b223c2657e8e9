"""A run on a cluster: Spark's standalone master and workers, on this machine."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import obstore
import psutil
import pyarrow.parquet as pq
import pyspark
import pytest
from obstore.store import S3Store

from program import command, finish, quick_java, start, verger
from seaweed import S3, with_parent

pytestmark = pytest.mark.spark

DEPLOY = "org.apache.spark.deploy"
PLACE = ("--host", "127.0.0.1", "--port", "0", "--webui-port", "0")
PHOTOS = 240


@contextmanager
def daemon(log: Path, *words: str, options: str = "") -> Iterator[subprocess.Popen[bytes]]:
    # Nothing of the user's reaches the workers' machines: no key, no endpoint.
    env = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    env |= quick_java() | {"PYSPARK_PYTHON": sys.executable}
    env |= {"SPARK_WORKER_DIR": str(log.parent / "work"), "SPARK_LOCAL_IP": "127.0.0.1"}
    env |= {"SPARK_WORKER_OPTS": options}
    spark_class = Path(pyspark.__file__).parent / "bin" / "spark-class"
    with log.open("w") as out:
        process = subprocess.Popen(
            [*with_parent(), str(spark_class), *words], stdout=out, stderr=out, env=env,
            cwd=log.parent, start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            for one in [process, *psutil.Process(process.pid).children(recursive=True)]:
                one.terminate()
        process.wait(60)


def said(log: Path, pattern: str) -> str:
    """Wait until a daemon has logged a pattern; return its first group."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if found := re.search(pattern, log.read_text()):
            return found.group(1)
        time.sleep(0.2)
    pytest.fail(f"{pattern} was never logged:\n{log.read_text()[-2000:]}")


@dataclass(frozen=True)
class Master:
    url: str
    log: Path


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Master]:
    """A master, to which each test brings workers of its own."""
    log = tmp_path_factory.mktemp("master") / "master.log"
    with daemon(log, f"{DEPLOY}.master.Master", *PLACE):
        yield Master(said(log, r"(spark://127\.0\.0\.1:\d+)"), log)


@pytest.mark.any_spark
def test_a_standalone_cluster(master: Master, orchard: Path, tmp_path: Path) -> None:
    """The driver asks for a master by its URL; the photos and STORE lie on a shared disk."""
    worker = tmp_path / "worker.log"
    size = ("--cores", "3", "--memory", "1g")
    with daemon(worker, f"{DEPLOY}.worker.Worker", *PLACE, *size, master.url):
        said(worker, r"(Successfully registered with master)")
        ended = verger(
            "run", orchard, "store", "--master", master.url, "--memory", "800m", "--json",
            cwd=tmp_path,
        )  # fmt: skip
    assert ended.code == 0, ended.err
    record = json.loads(ended.out)
    assert record["counts"] == {
        "listed": 30, "embedded": 30, "rejected": 0, "rejected_by_reason": {},
    }  # fmt: skip
    assert record["settings"]["master"] == master.url
    assert record["cores"] == 3  # not the 2 that Spark takes for any cluster until workers come
    assert (tmp_path / "store" / "matrix.csv").exists()
    assert {line.split(":")[0] for line in ended.err.splitlines()} <= {
        "Listing",
        "Spark",
        "Embedding",
        "Fitting",
        "Matrix",
        "Gallery",
        "CSV",
    }


def test_a_worker_whose_gpu_does_not_work_ends_the_run_with_the_reason(
    master: Master, orchard: Path, tmp_path: Path
) -> None:
    """Spark gives the task a GPU, as its worker says that it has one; ONNX Runtime finds none."""
    finds = tmp_path / "finds.sh"
    finds.write_text("""#!/bin/sh\necho '{"name": "gpu", "addresses": ["3"]}'\n""")
    finds.chmod(0o755)
    resource = "-Dspark.worker.resource.gpu"
    options = f"{resource}.amount=1 {resource}.discoveryScript={finds}"
    size = ("--cores", "2", "--memory", "1g")
    worker = tmp_path / "worker.log"
    with daemon(worker, f"{DEPLOY}.worker.Worker", *PLACE, *size, master.url, options=options):
        said(worker, r"(Successfully registered with master)")
        ended = verger(
            "run", orchard, "store", "--master", master.url, "--memory", "600m",
            "--device", "cuda", cwd=tmp_path,
        )  # fmt: skip
    assert ended.code == 2, ended.err
    assert "No GPU can be used on " in ended.error
    assert "is for CPUs only" in ended.error
    assert not (tmp_path / "store" / "run.json").exists()


def executors(worker: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """The executors of a worker in which tasks of Python's run."""
    found = []
    for child in psutil.Process(worker.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if "java" in child.name() and child.children():
                found.append(child)
    return found


def parts(store: S3Store) -> list[str]:
    """The tables of features that tasks of a run under way have finished."""
    entries = obstore.list(store, "store/.verger/work").collect()
    return [entry["path"] for entry in entries if "/features/part-" in entry["path"]]


def table(store: S3Store, folder: str) -> list[str]:
    """The paths in a table that lies in a bucket."""
    paths: list[str] = []
    for entry in obstore.list(store, folder).collect():
        if entry["path"].endswith(".parquet"):
            body = bytes(obstore.get(store, entry["path"]).bytes())
            with pq.ParquetFile(io.BytesIO(body)) as file:
                paths += file.read(["path"])["path"].to_pylist()
    return paths


def test_workers_are_killed_and_no_photo_is_lost(
    s3: S3, master: Master, few: list[Path], tmp_path: Path
) -> None:
    """Two workers of one core, PHOTOS and STORE in a bucket: kill -9 costs a retry, no photo."""
    store = s3.make_bucket("cluster")
    names = sorted(f"photos/{n % 5}/é {n:03d}.jpg" for n in range(PHOTOS))
    for number, name in enumerate(names):
        obstore.put(store, name, few[number % len(few)])
    size = ("--cores", "1", "--memory", "1g")
    # No task starts before both workers are there, however slow this machine is.
    wait = ("cores.max=2", "scheduler.minRegisteredResourcesRatio=1",
            "scheduler.maxRegisteredResourcesWaitingTime=120s")  # fmt: skip
    all_at_once = [word for pair in wait for word in ("--spark-conf", f"spark.{pair}")]
    logs = [tmp_path / f"worker{n}.log" for n in range(2)]
    with ExitStack() as stack:
        words = (f"{DEPLOY}.worker.Worker", *PLACE, *size, master.url)
        workers = [stack.enter_context(daemon(log, *words)) for log in logs]
        for log in logs:
            said(log, r"(Successfully registered with master)")
        line = command(
            "run", "s3://cluster/photos", "s3://cluster/store", "--master", master.url,
            "--memory", "600m", "--json", *all_at_once,
        )  # fmt: skip
        process = start(line, os.environ | s3.environment())
        deadline = time.monotonic() + 120
        while not parts(store):
            assert process.poll() is None, finish(process).err
            assert time.monotonic() < deadline, "no task was ever finished"
            time.sleep(0.05)
        running = [executors(worker) for worker in workers]
        assert all(running)
        # Of one worker the executor is lost, and is started anew; the other goes with its own.
        running[0][0].kill()
        workers[1].kill()
        ended = finish(process)
        assert ended.code == 0, ended.err
        assert "Traceback" not in ended.err
        record = json.loads(ended.out)
        assert record["counts"]["embedded"] == record["counts"]["listed"] == PHOTOS
        assert record["cores"] == 2
        short = [name.removeprefix("photos/") for name in names]
        assert sorted(table(store, "store/features")) == short
        assert table(store, "store/matrix") == short
        said(master.log, r"Removing executor (app-\S+) because it is EXITED")
        said(master.log, r"Removing worker (worker-\S+)")
