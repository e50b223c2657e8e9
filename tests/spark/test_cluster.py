"""A run on a cluster: Spark's standalone master and a worker, on this machine."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pyspark
import pytest

from verger.spark.java import find_java, java_home

from .program import verger

DEPLOY = "org.apache.spark.deploy"


@contextmanager
def daemon(log: Path, *words: str) -> Iterator[None]:
    env = {**os.environ, "JAVA_HOME": str(java_home(find_java())), "PYSPARK_PYTHON": sys.executable}
    env |= {"SPARK_WORKER_DIR": str(log.parent / "work"), "SPARK_LOCAL_IP": "127.0.0.1"}
    spark_class = Path(pyspark.__file__).parent / "bin" / "spark-class"
    with log.open("w") as out:
        process = subprocess.Popen(
            [str(spark_class), *words], stdout=out, stderr=out, env=env, cwd=log.parent,
            start_new_session=True,
        )  # fmt: skip
    try:
        yield
    finally:
        processes = [process, *psutil.Process(process.pid).children(recursive=True)]
        for one in processes:
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


def test_a_standalone_cluster(orchard: Path, tmp_path: Path) -> None:
    """The driver asks for a master by its URL; the photos and STORE lie on a shared disk."""
    master, worker = tmp_path / "master.log", tmp_path / "worker.log"
    place = ("--host", "127.0.0.1", "--port", "0", "--webui-port", "0")
    with daemon(master, f"{DEPLOY}.master.Master", *place):
        url = said(master, r"(spark://127\.0\.0\.1:\d+)")
        size = ("--cores", "2", "--memory", "1g")
        with daemon(worker, f"{DEPLOY}.worker.Worker", *place, *size, url):
            said(worker, r"(Successfully registered with master)")
            ended = verger(
                "run", orchard, "store", "--master", url, "--memory", "800m", "--json",
                cwd=tmp_path,
            )  # fmt: skip
    assert ended.code == 0, ended.err
    record = json.loads(ended.out)
    assert record["counts"] == {
        "listed": 30, "embedded": 30, "rejected": 0, "rejected_by_reason": {},
    }  # fmt: skip
    assert record["settings"]["master"] == url
    assert (tmp_path / "store" / "matrix.csv").exists()
    assert {line.split(":")[0] for line in ended.err.splitlines()} <= {
        "Listing",
        "Embedding",
        "CSV",
    }
