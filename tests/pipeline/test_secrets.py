"""Secrets given to Spark: in nothing that a run, its report, slides or notebook leave or print."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from program import verger
from whole_runs import Here

pytestmark = pytest.mark.spark

SECRET = "hunter2hunter2"  # noqa: S105 - nobody's
CONF = (
    f"spark.hadoop.fs.s3a.secret.key={SECRET}",
    f"spark.hadoop.fs.s3a.endpoint=http://me:{SECRET}@localhost:1",
    f"spark.driver.extraJavaOptions=-Dsome.password={SECRET}",
)


def test_no_secret_of_spark_is_left_or_printed(
    spark: object, here: Here, photos_of: Callable[..., Path], tmp_path: Path
) -> None:
    store, file = tmp_path / "store", tmp_path / "n.py"
    conf = [word for pair in CONF for word in ("--spark-conf", pair)]
    photos = photos_of("a/1.jpg", "a/2.jpg", "b/3.jpg")
    lines = [
        ["run", photos, store, "--verbose", *conf],
        ["run", photos, store, "--json", *conf],
        ["report", store],
        ["notebook", store, "--to", file],
        ["slides", store],
    ]
    for line in lines:
        # All that Java says is told by the process that starts one.
        ended = (verger if "--verbose" in line else here)(*line)
        assert ended.code == 0, ended.err[-2000:]
        assert SECRET not in ended.out + ended.err, line[0]
    record = json.loads((store / "run.json").read_text(encoding="utf-8"))
    assert record["settings"]["spark_conf"][0] == "spark.hadoop.fs.s3a.secret.key=…"
    written = [file, *(one for one in store.rglob("*") if one.is_file())]
    assert len(written) > 20
    for one in written:
        parts = [one.read_bytes()]
        if zipfile.is_zipfile(one):
            with zipfile.ZipFile(one) as archive:
                parts += [archive.read(name) for name in archive.namelist()]
        assert not any(SECRET.encode() in part for part in parts), one
