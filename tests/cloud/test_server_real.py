"""What the server of EC2 runs, run for real; `real` says how."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import obstore

from debian import Root
from seaweed import S3
from verger.cloud import machine, ship, tunnel

from .real import PHOTOS, check_store, fill, free_port, job, read


def test_the_servers_boot_script_makes_the_store(
    photos_in_s3: S3, root: Root, tmp_path: Path
) -> None:
    port = free_port()
    page_of_spark = (*tunnel.SPARK_UI, "--spark-conf", f"spark.ui.port={port}")
    asked = job("ec2")
    asked = dataclasses.replace(asked, options=(*asked.options, *page_of_spark))
    scratch = photos_in_s3.make_bucket("scratch-ec2")
    (tmp_path / "shipped").mkdir()
    fill(scratch, ship.artefacts(asked, tmp_path / "shipped"))
    root.file("/root/user-data").write_text(machine.user_data(asked, "scratch-ec2"))
    with looked_at(f"http://127.0.0.1:{port}/jobs/") as seen:
        ran = root.run(["bash", "/root/user-data"], photos_in_s3.environment())
    log = read(scratch, "logs/boot.log")
    assert ran.returncode == 0, log + ran.stderr
    result = json.loads(read(scratch, "result.json"))
    assert result["job"] == asked.id
    assert (result["exit_code"], result["error"]) == (0, "")
    assert result["record"]["counts"]["embedded"] == PHOTOS
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
