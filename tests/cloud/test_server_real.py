"""What the server of EC2 runs, run for real; `real` says how."""

from __future__ import annotations

import json
from pathlib import Path

import obstore

from debian import Root
from seaweed import S3
from verger.cloud import machine, ship

from .real import PHOTOS, check_store, fill, job, read


def test_the_servers_boot_script_makes_the_store(
    photos_in_s3: S3, root: Root, tmp_path: Path
) -> None:
    asked = job("ec2")
    scratch = photos_in_s3.make_bucket("scratch-ec2")
    (tmp_path / "shipped").mkdir()
    fill(scratch, ship.artefacts(asked, tmp_path / "shipped"))
    root.file("/root/user-data").write_text(machine.user_data(asked, "scratch-ec2"))
    ran = root.run(["bash", "/root/user-data"], photos_in_s3.environment())
    log = read(scratch, "logs/boot.log")
    assert ran.returncode == 0, log + ran.stderr
    result = json.loads(read(scratch, "result.json"))
    assert result["job"] == asked.id
    assert (result["exit_code"], result["error"]) == (0, "")
    assert result["record"]["counts"]["embedded"] == PHOTOS
    assert "Embedding: 30/30 photos" in read(scratch, "logs/progress.log")
    page = read(photos_in_s3.store("results"), "ec2/store é/report/report.html")
    assert "1 × m5.large" in page
    check_store(photos_in_s3, "ec2/store é")
    # A run ends with its report, on a server too.
    assert read(photos_in_s3.store("results"), "ec2/store é/report/report.html").startswith("<!")
    # The fence was set first, and the server switched off last.
    assert root.file("/var/log/shutdown").read_text() == "-P +90\n-P now\n"
    assert photos_in_s3.keys.secret_key not in log


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
