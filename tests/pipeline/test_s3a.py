"""Spark reads and writes `s3://` as it is written, with the connector that Verger fetches."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import obstore
import pytest

from program import PATIENCE
from seaweed import S3

pytestmark = pytest.mark.spark

PROGRAM = """
import json, os, sys
from verger.settings import RunSettings
from verger.spark.session import session

success = "spark.hadoop.mapreduce.fileoutputcommitter.marksuccessfuljobs=true"
with session(RunSettings(cores=2, spark_conf=(success,)), schemes={"s3"}) as spark:
    rows = spark.range(3000).selectExpr("id", "concat('é ', id % 3) AS label")
    for _ in range(2):
        rows.repartition(3).write.mode("overwrite").partitionBy("label").parquet(sys.argv[1])
    back = spark.read.parquet(sys.argv[1])
    conf = [value for _, value in spark.sparkContext.getConf().getAll()]
    secrets = [os.environ[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")]
    print(json.dumps({
        "count": back.count(),
        "sum": back.groupBy().sum("id").first()[0],
        "told": [s for s in secrets if any(s in value for value in conf)],
    }))
"""


@pytest.mark.usefixtures("connector")
def test_a_table_is_written_to_s3_without_renaming_and_read_back(s3: S3) -> None:
    store = s3.make_bucket("tables")
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, "s3://tables/store é+ 1/matrix"],
        env=os.environ | s3.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    told = json.loads(ran.stdout.splitlines()[-1])
    assert told == {"count": 3000, "sum": sum(range(3000)), "told": []}
    names = [one["path"] for one in obstore.list(store, prefix="store é+ 1/matrix").collect()]
    tables = [name for name in names if name.endswith(".parquet")]
    assert {name.split("/")[2] for name in tables} == {f"label=é {n}" for n in range(3)}
    assert len(tables) == 9  # what the first write left is gone
    success = obstore.get(store, "store é+ 1/matrix/_SUCCESS").bytes()
    assert json.loads(bytes(success))["committer"] == "magic"
    assert not [name for name in names if "__magic" in name]
