"""The whole life of a job, with one thing going wrong: nothing runs after, and the reason is kept.

Each fault is a rule of AWS's with its source, or what befalls a laptop. What each of them says in
particular, test_job_faults.py looks at.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from botocore.exceptions import EndpointConnectionError

from verger.cloud import check, runs
from verger.cloud.following import follow
from verger.cloud.job import Platform
from verger.cloud.life import Life
from verger.errors import NetworkError, SignInError, VergerError

from . import pretended, rules
from .pretended import NAME, RESULT, SCRATCH, Account, MakeJob, Naps, Said
from .refusing import refuse


@dataclasses.dataclass
class Bench(pretended.Bench):
    """Where a fault befalls a job, and how its run ends."""

    finished: Callable[[], None]

    def fail(self, logical: str, why: str, times: int = 1) -> None:
        """Have AWS not make something, so many times."""
        for _ in range(times):
            self.account.fail(logical, why)

    def fail_once(self, logical: str, why: str) -> None:
        """Have AWS not make something, and make it when it is asked again."""
        self.fail(logical, why)
        self.naps += [*[lambda: None] * 40, self.finished]

    def stumble(self, action: str, why: str, times: int) -> None:
        """Have AWS fail at what the keeper asks for, so many times."""
        self.account.stumble(action, why, times)
        self.naps += [*[lambda: None] * 40, self.finished]

    def refuse(self, service: str, call: str, code: str, message: str, times: int = 99) -> None:
        refuse(self.life, service, call, code, message, times)
        self.naps += [lambda: None, self.finished]

    def cut(self, *, looks: int) -> None:
        """Take the network away at the first look, for so many."""
        events = self.life.aws.client("cloudformation").meta.events
        self.naps += [
            lambda: events.register_first("before-send", gone),
            *[lambda: None] * (looks - 1),
            lambda: events.unregister("before-send", gone),
            self.finished,
        ]

    def interrupt(self) -> None:
        self.account.take_time(9)
        self.naps.append(interrupt)

    def end(self, **told: Any) -> None:
        """Have the run end, with what it tells of itself."""
        self.naps += [lambda: self.account.put(SCRATCH, "result.json", {**RESULT, **told})]

    def record(self, **counts: int) -> None:
        key = "fruits/store/run.json"
        self.naps += [
            lambda: self.account.put("results", key, {"counts": counts}),
            lambda: self.account.put(SCRATCH, "result.json", RESULT),
        ]

    def late_log(self) -> None:
        """A log that comes when the bucket has been emptied, so that it cannot be deleted."""
        s3, first = self.life.aws.client("s3"), [True]

        def write(**_: object) -> None:
            if first.pop() if first else False:
                self.account.put(SCRATCH, "logs/j-1/late.gz", b"late")

        s3.meta.events.register("after-call.s3.DeleteObjects", write)
        self.naps += [self.finished]


def gone(request: Any, **_: object) -> None:
    raise EndpointConnectionError(endpoint_url=request.url)


def interrupt() -> None:
    raise KeyboardInterrupt


class Fault(NamedTuple):
    """A name; on what; what goes wrong; and whether the run ends well all the same."""

    name: str
    on: Platform
    befalls: Callable[[Bench], object]
    well: bool = False
    spot: bool = False


FREE = "The specified instance type is not eligible for Free Tier."
# As EC2 says it, in words like those for no room (scrapoxy/scrapoxy#202).
VCPUS = (
    "You have requested more vCPU capacity than your current vCPU limit of 0 allows for the "
    "instance bucket that the specified instance type belongs to."
)
ROOM = "We currently do not have sufficient c7i.xlarge capacity in the Availability Zone."
FAULTS = [
    # Quotas: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/troubleshooting-launch.html
    Fault("vCPU of a server", "ec2", lambda b: b.fail("Server", VCPUS)),
    Fault("vCPU of a cluster", "emr", lambda b: b.fail("Cluster", VCPUS)),
    Fault("an application", "serverless", lambda b: b.fail("Application", "limit of applications")),
    Fault("networks", "ec2", lambda b: b.fail("Network", "The maximum number of VPCs is reached.")),
    # aws-samples/eks-workshop-v2#1644
    Fault("the free plan", "ec2", lambda b: b.fail("Server", FREE)),
    # A linked account, or a day-old one.
    Fault("budgets", "ec2", lambda b: b.refuse(
        "budgets", "CreateBudget", "AccessDeniedException", "is a linked account"), well=True),
    Fault("looking at budgets", "emr", lambda b: b.refuse(
        "budgets", "DescribeBudget", "AccessDeniedException", "is a linked account"), well=True),
    # Capacity, of one zone and of all.
    Fault("room in a zone", "ec2", lambda b: b.fail_once("Server", ROOM), well=True),
    Fault("room anywhere", "ec2", lambda b: b.fail("Server", ROOM, times=99)),
    Fault("room for a cluster", "emr", lambda b: b.fail_once(
        "Cluster", "EC2 is out of capacity"), well=True),
    Fault("spot servers", "ec2", lambda b: b.fail_once(
        "Server", "There is no Spot capacity available"), well=True, spot=True),
    # S3 Block Public Access, encryption: an organisation's policy refuses a bucket.
    Fault("a scratch bucket", "ec2", lambda b: b.fail("Scratch", "explicit deny in an SCP")),
    Fault("a bucket's policy", "emr", lambda b: b.fail("OnlyTls", "denied: PutBucketPolicy")),
    Fault("the cache", "ec2", lambda b: b.refuse(
        "s3", "CreateBucket", "AccessDenied", "explicit deny in an SCP"), well=True),
    Fault("roles", "ec2", lambda b: b.fail("ServerRole", "not authorized: iam:CreateRole")),
    Fault("a permissions boundary", "serverless", lambda b: b.fail("JobRole", "no boundary")),
    # KMS: the role may not decrypt; Verger then says what S3 says, with its exit code.
    Fault("a customer's key", "ec2", lambda b: b.end(exit_code=3, error="PHOTOS: access denied.")),
    # IAM is eventually consistent:
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html
    Fault("a role that is new", "serverless", lambda b: b.fail_once(
        "JobRun", "The execution role cannot be assumed"), well=True),
    Fault("a profile that is new", "ec2", lambda b: b.fail_once(
        "Server", "Invalid IAM Instance Profile name"), well=True),
    Fault("a job run", "serverless", lambda b: b.fail("JobRun", "no such release", times=9)),
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/CommonErrors.html
    Fault("throttling", "ec2", lambda b: b.refuse(
        "cloudformation", "DescribeStacks", "Throttling", "Rate exceeded", times=3), well=True),
    Fault("a network that comes back", "emr", lambda b: b.cut(looks=4), well=True),
    Fault("a network that stays away", "ec2", lambda b: b.cut(looks=100)),
    Fault("an expired sign-in", "ec2", lambda b: b.naps.append(lambda: refuse(
        b.life, "cloudformation", "DescribeStacks", "ExpiredToken", "expired", 99))),
    Fault("Ctrl-C while it is made", "emr", lambda b: b.interrupt()),
    Fault("throttling of what looks after it", "ec2", lambda b: b.stumble(
        "describeInstances", "Request limit exceeded.", times=200), well=True),
    Fault("throttling where it is started", "emr", lambda b: b.stumble(
        "runJobFlow", "Rate exceeded", times=3), well=True),
    # What ends by itself.
    Fault("a bootstrap", "emr", lambda b: b.end(exit_code=1, error="failed at line 31")),
    Fault("a step without a word", "emr", lambda b: b.naps.append(
        lambda: b.account.end_step("FAILED"))),
    Fault("a server without a word", "ec2", lambda b: b.naps.append(b.account.end_servers)),
    Fault("the wall clock", "emr", lambda b: b.naps.append(lambda: b.account.pass_time(3600))),
    Fault("a clock that is past", "ec2", lambda b: b.account.take_time(looks=1, seconds=9 * 3600)),
    # What is found in STORE, and what hinders taking down.
    Fault("no record", "ec2", lambda b: b.end()),
    Fault("counts", "serverless", lambda b: b.record(listed=9, embedded=1, rejected=1)),
    Fault("a late log", "emr", lambda b: b.late_log(), well=True),
]  # fmt: skip


@pytest.fixture(autouse=True)
def paid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("verger.cloud.account.account_plan", lambda: "PAID")


@pytest.fixture
def bench(
    account: Account, life: Life, files: dict[str, Path], said: Said, naps: Naps,
    finished: Callable[[], None],
) -> Bench:  # fmt: skip
    return Bench(account, life, files, said, naps, finished)


def test_there_are_thirty() -> None:
    assert len(FAULTS) >= 30
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_after_each_nothing_runs_and_the_reason_is_told(
    fault: Fault, bench: Bench, job: MakeJob
) -> None:
    rules.quotas.update({key: (name, 99.0) for key, (name, _) in rules.quotas.items()})
    asked = dataclasses.replace(check.prepare(bench.life.aws, job(fault.on), bench.said),
                                spot=fault.spot, limit_minutes=10)  # fmt: skip
    fault.befalls(bench)
    error: BaseException | None = None
    try:
        runs.run_to_end(bench.life, asked, bench.files, budget_usd=9.0, email="", keep=False)
    except (VergerError, KeyboardInterrupt) as caught:
        error = caught

    if isinstance(error, (SignInError, NetworkError, KeyboardInterrupt)):
        # The laptop is out; the job is not. Whoever comes back sees it to its end.
        said = f"{error} {' '.join(bench.said.lines)}"
        assert f"verger cloud status {NAME}" in said
        bench.account.mend()
        again = Life(type(bench.life.aws)("eu-west-1"), bench.said, bench.life.sleep)
        bench.naps[:] = [lambda: None, bench.finished]
        runs.finish(again, asked, follow(again, asked), keep=False)
        assert bench.account.left() == []
        return
    assert (error is None) is fault.well, error
    if error is not None:
        assert isinstance(error, VergerError)
        assert error.what
        assert "\n" not in str(error)
        assert "Traceback" not in str(error)
    assert running(bench.account) == []
    if error is not None and any("STORE" in line or "beside" in line for line in bench.said.lines):
        kept = (
            bench.account.client("s3")
            .get_object(Bucket="results", Key=f"fruits/store.{NAME}.log")["Body"]
            .read()
        )
        assert error.what.encode() in kept
    Life(type(bench.life.aws)("eu-west-1"), bench.said, bench.life.sleep).down(NAME)
    assert bench.account.left() == []


def running(account: Account) -> list[object]:
    busy = [run for run in account.job_runs() if run.state not in ("CANCELLED", "SUCCESS")]
    return [*account.servers(), *account.clusters(), *busy]
