"""What jobs are sent is sent once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from verger.cloud import ship
from verger.cloud.cache import LEAST_BYTES, Cache
from verger.cloud.life import Life

from .pretended import ACCOUNT, NAME, SCRATCH, Account, MakeJob, Said
from .refusing import refuse

BUCKET = f"verger-cache-{ACCOUNT}-eu-west-1"


@pytest.fixture
def wheels(tmp_path: Path) -> dict[str, Path]:
    made = {}
    for name in ("a", "b", "c"):
        path = tmp_path / f"{name}.whl"
        path.write_bytes(name.encode() * LEAST_BYTES)
        made[f"wheels/{name}.whl"] = path
    script = tmp_path / "job.sh"
    script.write_bytes(b"#!/bin/bash\n")
    return made | {"scripts/job.sh": script}


def uploads(life: Life) -> list[str]:
    """Return what fills with the keys that are sent from here."""
    sent: list[str] = []

    def note(params: dict[str, Any], **_: object) -> None:
        if params["Key"].endswith(".whl") or ("/" in params["Key"] and params["Body"]):
            sent.append(params["Key"])

    life.aws.client("s3").meta.events.register("provide-client-params.s3.PutObject", note)
    return sent


def held(account: Account) -> dict[str, bytes]:
    found = account.client("s3").list_objects_v2(Bucket=SCRATCH)["Contents"]
    get = account.client("s3").get_object
    return {each["Key"]: get(Bucket=SCRATCH, Key=each["Key"])["Body"].read() for each in found}


def test_a_second_job_is_sent_nothing_again(
    life: Life, account: Account, job: MakeJob, wheels: dict[str, Path]
) -> None:
    sent = uploads(life)
    life.start(job("ec2"), wheels, budget_usd=1.0)
    first = held(account)
    assert {key: first[key] for key in wheels} == {k: p.read_bytes() for k, p in wheels.items()}
    assert len([key for key in sent if key.startswith("sha256/")]) == 3
    life.down(NAME)
    sent.clear()

    wheels["wheels/c.whl"].write_bytes(b"C" * LEAST_BYTES)  # another version
    life.start(job("ec2"), wheels, budget_usd=1.0)

    assert {key: held(account)[key] for key in wheels} == {
        key: path.read_bytes() for key, path in wheels.items()
    }
    assert len([key for key in sent if key.startswith("sha256/")]) == 1
    life.down(NAME)
    assert account.left() == []  # but for the cache, which is meant to stay


def test_the_cache_is_private_and_forgets(
    life: Life, account: Account, job: MakeJob, wheels: dict[str, Path]
) -> None:
    life.start(job("ec2"), wheels, budget_usd=1.0)

    s3 = account.client("s3")
    shut = s3.get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"]
    assert set(shut.values()) == {True}
    (rule,) = s3.get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
    assert rule["Expiration"]["Days"] > 0
    assert Cache(life.aws).name == BUCKET


def test_without_a_cache_all_is_sent_as_before(
    life: Life, account: Account, job: MakeJob, wheels: dict[str, Path], said: Said
) -> None:
    refuse(life, "s3", "CreateBucket", "AccessDenied", "by an SCP")

    life.start(job("ec2"), wheels, budget_usd=1.0)

    assert any("Sending everything again" in line for line in said.lines)
    assert wheels.keys() <= held(account).keys()


@pytest.mark.slow
def test_the_same_files_make_the_same_archive(tmp_path: Path, monkeypatch: Any) -> None:
    """Else each would be sent again."""
    some = [one for one in ship.requirements() if one.startswith(("six==", "idna=="))]
    monkeypatch.setattr(ship, "requirements", lambda: some)
    made = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        archive = ship.pack(tmp_path / name / "env.tar.gz", "x86_64")
        made.append(archive.read_bytes())
        os.utime(tmp_path)

    assert made[0] == made[1]
