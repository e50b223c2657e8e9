"""An account of AWS, pretended by moto in this process, and jobs to run in it.

Processes that run no test of an account do not wait for moto, which takes seconds to import.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import botocore.loaders
import pytest

from verger.cloud.aws import Aws
from verger.cloud.job import Job, Platform
from verger.cloud.life import Life

from .real import photos_in_s3, root

if TYPE_CHECKING:
    from .pretended import Account, MakeJob, Naps, Said

__all__ = ["photos_in_s3", "root"]

LOADER = botocore.loaders.create_loader()


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """Be signed in to an account that has two buckets of the user's, and nothing else."""
    from moto import mock_aws

    from .pretended import REGION, Account

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")  # a thousand images nobody asks for
    # Reading what AWS's services are costs seconds; it is read once.
    monkeypatch.setattr("botocore.session.create_loader", lambda *_: LOADER)
    with mock_aws():
        pretended = Account()
        for bucket in ("orchard", "results"):
            pretended.client("s3").create_bucket(
                Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION}
            )
        yield pretended
        pretended.mend()


@pytest.fixture
def job() -> MakeJob:
    """Return what makes a job of a platform."""
    from .pretended import NAME

    sized = {"ec2": "c7i.xlarge", "emr": "m5.xlarge", "serverless": ""}

    def make(on: Platform) -> Job:
        return Job(
            id=NAME,
            photos="s3://orchard/photos",
            store="s3://results/fruits/store",
            on=on,
            instance_type=sized[on],
            nodes=1 if on == "ec2" else 2,
            release="" if on == "ec2" else "emr-7.13.0",
        )

    return make


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Return what is sent to the scratch bucket: one file, which stands for all wheels."""
    wheel = tmp_path / "verger.whl"
    wheel.write_bytes(b"wheel")
    return {"wheels/verger.whl": wheel}


@pytest.fixture
def said() -> Said:
    from .pretended import Said

    return Said()


@pytest.fixture
def naps() -> Naps:
    """What happens while a follower sleeps: one entry a nap."""
    return []


@pytest.fixture
def life(account: Account, said: Said, naps: Naps, monkeypatch: pytest.MonkeyPatch) -> Life:
    """Return a life whose sleeps take no time; the clock goes on with each."""
    from .pretended import REGION

    now = [0.0]
    monkeypatch.setattr("verger.cloud.watch._now", account.now)

    def sleep(seconds: float) -> None:
        now[0] += seconds
        account.pass_time(seconds)
        if naps:
            naps.pop(0)()
        assert now[0] < 100_000, "it never ends"

    return Life(Aws(REGION), said, sleep, lambda: now[0])


@pytest.fixture
def finished(account: Account) -> Callable[[], None]:
    """Return what writes what a run that went well leaves."""
    from .pretended import RECORD, RESULT, SCRATCH

    def write() -> None:
        account.put("results", "fruits/store/run.json", RECORD)
        account.put(SCRATCH, "result.json", RESULT)

    return write
