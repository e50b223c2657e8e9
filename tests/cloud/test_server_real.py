"""What the server of EC2 runs, run for real; `real` says how."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sys
import threading
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import nbformat
import obstore
import pytest

from debian import Root
from seaweed import S3
from verger.cloud import machine, ship, tunnel

from .real import PHOTOS, check_store, fill, free_port, job, read

if TYPE_CHECKING:
    from obstore.store import S3Store

FOLDER = "ec2/store é"
WORK = "/var/tmp/verger"  # noqa: S108 - of the server, and no temporary folder
COMPILED = f"{WORK}/compiled"


@pytest.mark.timeout(1500)  # a run and a notebook, on a machine that may be busy
def test_the_servers_boot_script_makes_the_store(
    photos_in_s3: S3, root: Root, tmp_path: Path
) -> None:
    port = free_port()
    page_of_spark = (*tunnel.SPARK_UI, "--spark-conf", f"spark.ui.port={port}")
    asked = job("ec2")
    asked = dataclasses.replace(asked, options=(*asked.options, *page_of_spark))
    scratch = photos_in_s3.make_bucket("scratch-ec2")
    (tmp_path / "shipped").mkdir()
    # With what the notebook below needs besides: one server is set up for both. The run has to do
    # with the jars that a run is sent.
    shipped = ship.artefacts(dataclasses.replace(asked, notebook="fr"), tmp_path / "shipped")
    (with_mllib,) = (tmp_path / "shipped" / "wheels").glob("pyspark-*.whl")
    with_mllib = with_mllib.rename(tmp_path / with_mllib.name)
    ship.spark_wheel(tmp_path / "shipped" / "wheels")
    fill(scratch, shipped)
    root.file("/root/user-data").write_text(machine.user_data(asked, "scratch-ec2"))
    with looked_at(f"http://127.0.0.1:{port}/jobs/") as seen:
        ran = root.run(["bash", "/root/user-data"], photos_in_s3.environment())
    log = read(scratch, "logs/boot.log")
    assert ran.returncode == 0, log + ran.stderr
    result = json.loads(read(scratch, "result.json"))
    assert result["job"] == asked.id
    assert (result["exit_code"], result["error"]) == (0, "")
    assert result["record"]["counts"]["embedded"] == PHOTOS
    # pytest -rP shows it.
    seconds = result["seconds"]
    sys.stdout.write(
        "{to_first_photo} s to the first photo, {before} s of it before".format(**seconds)
    )
    assert seconds["to_first_photo"] > seconds["before"] > 0
    assert "Embedding: 30/30 photos" in read(scratch, "logs/progress.log")
    # What `verger cloud ui` forwards to is there, of the Spark that was sent.
    assert any("Spark Jobs" in text and "verger" in text for text in seen)
    page = read(photos_in_s3.store("results"), "ec2/store é/report/report.html")
    assert "1 × m5.large" in page
    check_store(photos_in_s3, "ec2/store é")
    # A run ends with its report, on a server too.
    assert read(photos_in_s3.store("results"), "ec2/store é/report/report.html").startswith("<!")
    # The fence was set first, and the server switched off last.
    assert root.file("/var/log/shutdown").read_text() == "-P +90\n-P now\n"
    assert photos_in_s3.keys.secret_key not in log

    with zipfile.ZipFile(with_mllib) as wheel:
        installed = root.file("/opt/verger/lib/python3.11/site-packages")
        wheel.extractall(
            installed,
            (name for name in wheel.namelist() if not (installed / name).exists()),
        )
    check_a_notebook_on_it(photos_in_s3, root, scratch)


def check_a_notebook_on_it(s3: S3, root: Root, scratch: S3Store) -> None:
    """The last line of job.sh once more, for a notebook: executed, opened, changed, saved, idle."""
    port = free_port()
    words = ("--port", str(port), "--idle-minutes", "0.15")
    asked = dataclasses.replace(job("ec2"), notebook="fr", options=words)
    obstore.put(scratch, machine.TOKEN_KEY, b"the-token\n")
    line = machine.script("job.sh").partition("exec ")[2]
    env = {"WORK": WORK, "HOME": WORK, "SPARK_LOCAL_IP": "127.0.0.1",
           "PYTHONPYCACHEPREFIX": COMPILED,
           # Java for a short session: else it takes three times as long.
           "JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
           "JOB": asked.id, "SCRATCH": "s3://scratch-ec2", "STARTED": str(int(time.time())),
           "NOTIFY": "", **s3.environment()}  # fmt: skip
    lab = Guest(port, "the-token")
    with lab.working():
        ran = root.run(
            ["bash", "-c", line, "job.sh", *machine._quoted(machine.arguments(asked))], env,
            cwd=WORK, patience=500,
        )  # fmt: skip
    log = read(scratch, "logs/progress.log")
    assert ran.returncode == 0, log
    assert json.loads(read(scratch, "result.json"))["exit_code"] == 0
    assert json.loads(read(scratch, machine.READY_KEY)) == {"notebook": "verger.fr.ipynb"}
    assert "Idle for 0.15 minutes." in log
    assert "the-token" not in log
    assert lab.seen == [403, "verger.fr.ipynb", "mine.txt"]
    results = s3.store("results")
    notebook = nbformat.reads(read(results, f"{FOLDER}/notebook/verger.fr.ipynb"), as_version=4)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 5
    assert not [output for output in outputs if output["output_type"] == "error"]
    assert read(results, f"{FOLDER}/notebook/mine.txt") == "changed in the browser"
    made = [one["path"] for one in obstore.list(results, f"{FOLDER}/notebook/matrix").collect()]
    assert any(path.endswith(".parquet") for path in made)
    # Nothing of the run itself is touched.
    check_store(s3, FOLDER)


class Guest:
    """Who comes to JupyterLab from a browser, once it answers, and what they see."""

    def __init__(self, port: int, token: str) -> None:
        self.seen: list[object] = []
        self._at, self._token = f"http://127.0.0.1:{port}/api/contents/", token

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        ended = threading.Event()

        def work() -> None:
            while not ended.wait(0.5) and not self.seen:
                with contextlib.suppress(httpx.TransportError):
                    self._work()

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _work(self) -> None:
        refused = httpx.get(f"{self._at}verger.fr.ipynb")
        with httpx.Client(headers={"Authorization": f"token {self._token}"}) as client:
            found = client.get(f"{self._at}verger.fr.ipynb").json()
            text = {"type": "file", "format": "text", "content": "changed in the browser"}
            put = client.put(f"{self._at}mine.txt", json=text)
            # What is left open is no work.
            client.post(self._at.replace("contents/", "kernels")).raise_for_status()
        assert found["content"]["cells"]
        self.seen = [refused.status_code, found["name"], put.json()["name"]]


@contextlib.contextmanager
def looked_at(url: str) -> Iterator[list[str]]:
    """Look at a page again and again; yield what fills with its texts."""
    seen: list[str] = []
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(0.5):
            with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5) as page:  # noqa: S310
                seen.append(page.read().decode())

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()


def test_a_server_that_fails_says_why_and_is_switched_off(photos_in_s3: S3, root: Root) -> None:
    """Wheels that are not there."""
    asked = job("ec2")
    scratch = photos_in_s3.make_bucket("scratch-empty")
    obstore.put(scratch, machine.JOB_KEY, machine.script("job.sh").encode())
    obstore.put(scratch, "wheels/pip-1-py3-none-any.whl", b"no zip")
    root.file("/root/user-data").write_text(machine.user_data(asked, "scratch-empty"))
    ran = root.run(["bash", "/root/user-data"], photos_in_s3.environment())
    assert ran.returncode != 0
    result = json.loads(read(scratch, "result.json"))
    assert result["job"] == asked.id
    assert result["exit_code"] == ran.returncode
    assert "logs/boot.log" in result["error"]
    assert "installing them" in read(scratch, "logs/boot.log")
    assert root.file("/var/log/shutdown").read_text() == "-P +90\n-P now\n"
