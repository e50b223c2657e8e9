"""`verger.ml` in programs without a session of Verger's, and through Spark Connect."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyspark
import pytest

from program import quick_java
from verger.demo.render import render_orchard

pytestmark = pytest.mark.spark

HOME = Path(pyspark.__file__).parent
CONF = {
    "spark.ui.enabled": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
}
FLAGS = ["--master", "local[1]", *(f"--conf={key}={value}" for key, value in CONF.items())]

FIT = """\
import json
from pyspark.sql import SparkSession
from verger.ml import PCA
spark = SparkSession.builder{options}.getOrCreate()
rows = [([1.0, 2.0],), ([3.0, 5.0],), ([4.0, 1.0],)]
table = spark.createDataFrame(rows, "features array<double>")
out = PCA(k=2).fit(table).transform(table).collect()
print("RESULT", json.dumps([list(row["components"]) for row in out]), flush=True)
"""

# Tries each thing by itself, and tells what came of it.
THROUGH_CONNECT = """\
import json, sys
from pathlib import Path
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.functions import array_to_vector
from pyspark.sql import SparkSession, functions as F
from verger.ml import PCA, Discriminant, PCAModel, PhotoEmbedder

spark = SparkSession.builder.remote(sys.argv[1]).getOrCreate()
folder, photos = sys.argv[2:]
rows = [([1.0, 2.0], "a"), ([3.0, 5.0], "b"), ([4.0, 1.0], "a"), ([2.0, 2.0], "b")]
table = spark.createDataFrame(rows, "features array<double>, label string")
vectors = table.withColumn("features", array_to_vector(F.col("features")))
told = {}

def told_of(name, work):
    try:
        told[name] = work()
    except Exception as error:
        told[name] = f"{type(error).__name__}: {error}"

def column(frame, name):
    return [list(row[name]) for row in frame.collect()]

model = PCA(k=2).fit(table)
told_of("pca", lambda: column(model.transform(table), "components"))
told_of("vectors", lambda: column(PCA(k=2).fit(vectors).transform(vectors), "components"))
told_of("save", lambda: model.save(folder + "/model"))
told_of("load", lambda: column(PCAModel.load(folder + "/model").transform(table), "components"))
told_of("taken", lambda: model.save(folder + "/model"))
told_of("overwrite", lambda: model.write().overwrite().save(folder + "/model"))
told_of("overwrite an estimator", lambda: PCA(k=2).write().overwrite().save(folder + "/other"))
told_of("missing", lambda: PCAModel.load(folder + "/nothing") and None)
told_of("toMLlib", lambda: model.toMLlib() and None)
told_of("no column", lambda: PCA(inputCol="nope").fit(table) and None)
paths = [(str(path),) for path in sorted(Path(photos).rglob("*.jpg"))] + [("/gone.jpg",)]
label = F.element_at(F.split("path", "/"), -2)
seen = spark.createDataFrame(paths, "path string").withColumn("label", label)
pipeline = Pipeline(stages=[PhotoEmbedder(), PCA(k=2), Discriminant()]).fit(seen)
pipeline.write().save(folder + "/pipeline")
out = PipelineModel.load(folder + "/pipeline").transform(seen).collect()
told["photos"] = [[row["reason"], row["components"] and len(row["components"])] for row in out]
print("RESULT", json.dumps(told), flush=True)
"""


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    """Return variables for a program that starts Spark by itself, on the Java that Verger uses."""
    return {
        **os.environ,
        **quick_java(),
        "SPARK_HOME": str(HOME),
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
    }


@pytest.mark.parametrize(
    "way", ["notebook", pytest.param("spark-submit", marks=pytest.mark.any_spark), "shell"]
)
def test_it_works_without_a_session_of_vergers(
    way: str, environment: dict[str, str], tmp_path: Path
) -> None:
    builder = "".join(f".config({key!r}, {value!r})" for key, value in CONF.items())
    alone = FIT.format(options=f'.master("local[1]"){builder}')
    script = tmp_path / "program.py"
    script.write_text(FIT.format(options=""))
    command, said = {
        "notebook": ([sys.executable, "-c", alone], ""),
        "spark-submit": ([str(HOME / "bin" / "spark-submit"), *FLAGS, str(script)], ""),
        "shell": ([str(HOME / "bin" / "pyspark"), *FLAGS], FIT.format(options="")),
    }[way]
    values = np.array(_result(command, environment, tmp_path, said))
    np.testing.assert_allclose(values.mean(axis=0), 0, atol=1e-6)
    assert values.shape == (3, 2)
    np.testing.assert_allclose((values**2).sum(), 2 * (7 / 3 + 13 / 3), rtol=1e-6)


@pytest.fixture
def connect(environment: dict[str, str], tmp_path: Path) -> Iterator[str]:
    """Start a Spark Connect server, as an administrator would, and give its address."""
    if importlib.util.find_spec("grpc") is None:
        pytest.skip("Spark Connect's client needs grpcio: pip install 'pyspark[connect]'")
    if not list((HOME / "jars").glob("spark-connect_*.jar")):
        pytest.skip(f"pyspark {pyspark.__version__} comes without a Spark Connect server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path / "server.log"
    with log.open("w") as out:
        server = subprocess.Popen(
            [
                str(HOME / "bin" / "spark-submit"), *FLAGS,
                "--class", "org.apache.spark.sql.connect.service.SparkConnectServer",
                f"--conf=spark.connect.grpc.binding.port={port}",
                "--conf=spark.connect.grpc.binding.address=127.0.0.1",
                "spark-internal",
            ],
            env=environment, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
        )  # fmt: skip
    try:
        for _ in range(240):
            if server.poll() is not None or _listens(port):
                break
            time.sleep(0.5)
        else:
            pytest.fail(f"The Spark Connect server did not start: {log.read_text()[-2000:]}")
        assert server.poll() is None, log.read_text()[-2000:]
        yield f"sc://127.0.0.1:{port}"
    finally:
        server.terminate()
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def test_spark_connect(connect: str, environment: dict[str, str], tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    assert render_orchard(photos, varieties=2, views=1, test_views=1) == 4
    program = tmp_path / "program.py"
    program.write_text(THROUGH_CONNECT)
    command = [sys.executable, str(program), connect, str(tmp_path), str(photos)]
    told = _result(command, environment, tmp_path)
    np.testing.assert_allclose(np.mean(told["pca"], axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(told["vectors"], told["pca"], atol=1e-6)
    np.testing.assert_array_equal(told["load"], told["pca"])
    assert told["save"] is None
    assert told["photos"] == [[None, 2]] * 4 + [["unreadable", None]]
    errors = {
        "taken": "StoreError: {folder}/model exists already. write().overwrite().save(…) "
        "replaces it.",
        "missing": "StoreError: There is no saved model at {folder}/nothing, or not all of it.",
        "overwrite": "UsageError: overwrite() does not work through Spark Connect. "
        "Save to a new path.",
        "overwrite an estimator": "UsageError: overwrite() does not work through Spark Connect. "
        "Save to a new path.",
        "toMLlib": "UsageError: toMLlib() needs a classic Spark session, not Spark Connect.",
        "no column": "UsageError: There is no column 'nope'; there are features, label.",
    }
    for name, text in errors.items():
        assert told[name] == text.format(folder=tmp_path)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _result(command: list[str], environment: dict[str, str], cwd: Path, said: str = "") -> Any:
    """Run a program, and return what it printed after the word RESULT."""
    ran = subprocess.run(
        command, env=environment, cwd=cwd, input=said,
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    for line in ran.stdout.splitlines():
        if "RESULT " in line:
            return json.loads(line.partition("RESULT ")[2])
    raise AssertionError(f"no result:\n{ran.stdout[-2000:]}\n{ran.stderr[-4000:]}")
