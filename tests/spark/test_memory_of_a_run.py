"""A run on a machine of 1 GB: what is chosen for it, and that it does the work."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from program import PATIENCE

pytestmark = pytest.mark.spark

# The program in a process of its own, told that 950 MiB are left; it tells what it was run with.
_RUN = """
import json, sys
from verger.progress import Silent
from verger.settings import RunSettings
from verger.gallery.build import Validation
from verger.spark import executors, session

session.memory_available = lambda: 950 * 2**20
from verger.pipeline import run

seen = {}
versions = session.versions
def noted(spark):
    java = spark.sparkContext._jvm.java.lang.Runtime.getRuntime()
    conf = spark.sparkContext.getConf()
    seen.update(cores=executors.cores(spark, Silent()), heap=java.maxMemory() / 2**20,
                reuse=conf.get("spark.python.worker.reuse"))
    return versions(spark)
session.versions = noted
calibration = Validation.calibration
def alone(*given):
    seen["beside"] = session.running_session() is not None
    return calibration(*given)
Validation.calibration = alone
record = run(sys.argv[1], sys.argv[2], RunSettings(engine="spark")).record
print(json.dumps([seen, record["counts"]["embedded"]]))
"""


def test_a_machine_of_one_gigabyte(orchard: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    ended = subprocess.run(
        [sys.executable, "-c", _RUN, str(orchard), str(store)],
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-3000:]
    seen, embedded = json.loads(ended.stdout)
    assert embedded == 30
    assert (seen["cores"], seen["reuse"]) == (1, "false")
    assert seen["beside"] is False, (
        "a validation takes 350 MB, for which there is no room beside Java"
    )
    assert 150 < seen["heap"] <= 224
    paths = [pq.read_table(store / name, columns=["path"])["path"].to_pylist()
             for name in ("features", "matrix")]  # fmt: skip
    assert sorted(paths[0]) == paths[1]
    assert len(set(paths[1])) == 30
