"""What runs on AWS's servers, run for real: in a fresh Debian, against a real S3 server.

Nothing of the checkout is in that root: all comes by way of the scratch bucket. What stands in for
Amazon's: `shutdown` writes down that it was called, Amazon Linux's `dnf` gives Python, and a
standalone master and worker are the cluster, whose platform knows `s3://` as EMR's does.
"""

from __future__ import annotations

import io
import json
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import obstore
import pyarrow.parquet as pq
import pytest

from debian import Root
from verger.cloud.job import Job
from verger.demo.render import render_orchard

if TYPE_CHECKING:
    from obstore.store import S3Store

    from seaweed import S3

PHOTOS = 30


def job(on: Any, store: str = "store é") -> Job:
    return Job(
        id=f"verger-{on}", photos="s3://orchard/some photos", store=f"s3://results/{on}/{store}",
        on=on, price="0.05 + 0.2/h on 1 × m5.large", instance_type="m5.large",
        region="eu-west-3", limit_minutes=90,
        options=("--components", "5", *(["--no-report"] if on == "emr" else [])),
    )  # fmt: skip


@pytest.fixture(scope="session")
def photos_in_s3(s3: S3, tmp_path_factory: pytest.TempPathFactory) -> S3:
    """A bucket of photos, and one for results."""
    folder = tmp_path_factory.mktemp("orchard") / "photos"
    assert render_orchard(folder, varieties=5, views=4, test_views=2) == PHOTOS
    bucket = s3.make_bucket("orchard")
    for file in folder.rglob("*.jpg"):
        obstore.put(bucket, f"some photos/{file.relative_to(folder).as_posix()}", file)
    s3.make_bucket("results")
    return s3


@pytest.fixture
def root(tmp_path: Path) -> Root:
    """A fresh Debian."""
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


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
