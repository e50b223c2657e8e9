"""What goes wrong: after each, nothing is left running, and one clear line says what to do."""

from __future__ import annotations

import dataclasses
import gzip
from collections.abc import Callable
from pathlib import Path, PosixPath
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import EndpointConnectionError
from click.testing import CliRunner

from verger.cli.main import cli
from verger.cloud import parameters, runs, stack, watch
from verger.cloud.aws import Aws
from verger.cloud.following import follow, last_lines
from verger.cloud.job import Job, Platform
from verger.cloud.life import Life
from verger.errors import (
    CloudError,
    CountError,
    NetworkError,
    PhotosError,
    RegionError,
    SignInError,
    StoreError,
    VergerError,
)

from . import pretended
from .pretended import ACCOUNT, NAME, RECORD, REGION, RESULT, SCRATCH, Account, MakeJob, Naps, Said
from .refusing import refuse

COMPUTE = {"ec2": "Server", "emr": "Cluster", "serverless": "Application"}


class Bench(pretended.Bench):
    """What a fault needs, and how a job is run in it."""

    def run(self, job: Job) -> dict[str, Any]:
        return runs.run_to_end(self.life, job, self.files, budget_usd=11.5, email="", keep=False)

    def start(self, job: Job) -> None:
        """Start a job, and leave it to itself until it works."""
        self.life.start(job, self.files, budget_usd=1.0)
        self.account.pass_time()

    def kept(self) -> str:
        """Return what is kept beside STORE of a job that failed."""
        key = f"fruits/store.{NAME}.log"
        body = self.account.client("s3").get_object(Bucket="results", Key=key)["Body"]
        return str(body.read().decode())

    def keeper(self) -> str:
        """Return how that which looks after the job has ended, or that it runs."""
        found = watch.keeper(self.life.aws, NAME)
        return str(found["status"]) if found else ""

    def running(self) -> list[object]:
        busy = [run for run in self.account.job_runs() if run.state == "RUNNING"]
        return [*self.account.servers(), *self.account.clusters(), *busy]


@pytest.fixture
def bench(account: Account, life: Life, files: dict[str, Path], said: Said, naps: Naps) -> Bench:
    return Bench(account, life, files, said, naps)


def one_line(error: VergerError) -> str:
    text = str(error)
    assert "\n" not in text
    assert "Traceback" not in text
    return text


@pytest.mark.parametrize("on", ["ec2", "emr", "serverless"])
def test_a_stack_that_fails_half_way_is_taken_back(
    on: Platform, bench: Bench, job: MakeJob
) -> None:
    bench.account.fail(COMPUTE[on], "Your quota of vCPU is 0")

    with pytest.raises(CloudError) as caught:
        bench.run(job(on))

    assert "Your quota of vCPU is 0" in one_line(caught.value)
    assert caught.value.exit_code == 9
    assert bench.account.left() == []
    assert "Your quota of vCPU is 0" in bench.kept()


def test_a_first_stack_that_fails_leaves_nothing(bench: Bench, job: MakeJob) -> None:
    bench.account.fail("OnlyTls", "Too many policies")

    with pytest.raises(CloudError, match="OnlyTls: Too many policies"):
        bench.run(job("ec2"))

    assert bench.account.left() == []


def test_an_account_without_budgets_goes_on_without_an_alarm(
    bench: Bench, job: MakeJob, finished: Callable[[], None]
) -> None:
    """A linked account may make none, a new one has none for a day; neither may look at them."""
    refused = "Account 123456789012 is a linked account. To enable budgets, sign in to its payer."
    for call in ("CreateBudget", "DescribeBudget", "DeleteBudget"):
        refuse(bench.life, "budgets", call, "AccessDeniedException", refused)
    bench.naps += [finished]

    bench.run(job("ec2"))

    (line,) = [line for line in bench.said.lines if "budget alarm" in line]
    assert "is a linked account" in line
    assert "goes on without it" in line
    assert bench.account.left() == []


def test_the_alarm_is_set_and_taken_down(bench: Bench, job: MakeJob) -> None:
    bench.start(job("ec2"))

    budgets = bench.account.client("budgets").describe_budgets(AccountId=ACCOUNT)["Budgets"]
    assert [budget["BudgetName"] for budget in budgets] == [NAME]
    bench.life.down(NAME)
    assert bench.account.left() == []


def test_ctrl_c_before_the_job_is_under_way_takes_all_down(bench: Bench, job: MakeJob) -> None:
    missing = {"wheels/gone.whl": Interrupting()}

    with pytest.raises(KeyboardInterrupt):
        bench.life.start(job("ec2"), missing, budget_usd=1.0)

    assert bench.account.left() == []


class Interrupting(PosixPath):
    """A file whose reading is stopped by Ctrl-C."""

    def stat(self, *, follow_symlinks: bool = True) -> Any:
        raise KeyboardInterrupt


@pytest.mark.parametrize("on", ["ec2", "emr", "serverless"])
def test_a_run_that_fails_ends_with_its_own_exit_code(
    on: Platform, bench: Bench, job: MakeJob
) -> None:
    def fail() -> None:
        told = {**RESULT, "exit_code": 3, "error": "s3://orchard/photos holds no photo."}
        bench.account.put(SCRATCH, "logs/progress.log", b"12:00:00  verger: no photo\n\x1b[2Jx\n")
        bench.account.put(SCRATCH, "result.json", told)

    bench.naps += [fail]

    with pytest.raises(PhotosError) as caught:
        bench.run(job(on))

    assert "holds no photo" in one_line(caught.value)
    assert bench.running() == []
    assert last_lines(bench.life.scratch(job(on).id)) == ["12:00:00  verger: no photo", r"\x1b[2Jx"]
    assert any("verger cloud logs" in line for line in bench.said.lines)
    bench.life.down(NAME)
    assert bench.account.left() == []


def test_a_step_that_dies_without_a_word_is_told(bench: Bench, job: MakeJob) -> None:
    bench.naps += [lambda: bench.account.end_step("FAILED")]

    with pytest.raises(CloudError, match="wrote no result") as caught:
        bench.run(job("emr"))

    assert "step FAILED" in one_line(caught.value)
    assert bench.running() == []


def test_a_server_that_dies_without_a_word_is_told(bench: Bench, job: MakeJob) -> None:
    bench.naps += [bench.account.end_servers]

    with pytest.raises(CloudError, match=r"is terminated .*wrote no result"):
        bench.run(job("ec2"))

    assert bench.running() == []


@pytest.mark.parametrize("on", ["ec2", "emr"])
def test_the_wall_clock_ends_what_the_budget_no_longer_pays(
    on: Platform, bench: Bench, job: MakeJob
) -> None:
    bench.start(job(on))
    bench.account.pass_time(119 * 60)
    assert len(bench.running()) == 1

    # The laptop is off; its time comes.
    bench.account.pass_time(17 * 60)

    assert bench.running() == []
    with pytest.raises(CloudError, match="wrote no result"):
        runs.finish(bench.life, job(on), follow(bench.life, job(on)), keep=False)
    bench.life.down(NAME)
    assert bench.account.left() == []


@pytest.mark.parametrize(("on", "look", "end"), [
    ("ec2", "describeInstances", "terminateInstances"),
    ("emr", "describeCluster", "terminateJobFlows"),
])  # fmt: skip
def test_the_wall_clock_ends_what_cannot_be_looked_at(
    on: Platform, look: str, end: str, bench: Bench, job: MakeJob
) -> None:
    """AWS is ill for three hours: no look is answered, nor are the first requests to end it."""
    bench.start(job(on))
    bench.account.stumble(look, "Rate exceeded", times=10_000)
    bench.account.stumble(end, "Service Unavailable", times=9)

    bench.account.pass_time(3 * 3600)

    assert bench.running() == []
    pretended.stumbling.clear()
    bench.account.pass_time(600)
    assert bench.keeper() == "SUCCEEDED"
    bench.life.down(NAME)
    assert bench.account.left() == []


def test_a_job_run_that_goes_on_is_ended_at_its_time(bench: Bench, job: MakeJob) -> None:
    """Its own timeout counts from when it runs, and it may have begun late."""
    bench.start(job("serverless"))

    bench.account.pass_time(134 * 60)
    assert len(bench.running()) == 1
    bench.account.pass_time(2 * 60)

    assert bench.running() == []
    assert bench.keeper() == "SUCCEEDED"


def test_a_request_that_stumbles_is_said_again_and_starts_one_server(
    bench: Bench, job: MakeJob
) -> None:
    bench.account.stumble("runInstances", "Request limit exceeded.", times=2)
    bench.start(job("ec2"))
    assert bench.running() == []

    bench.account.pass_time(SAID_AGAIN)

    assert len(bench.running()) == 1


def test_a_server_that_aws_had_no_room_for_after_all_is_replaced(
    bench: Bench, job: MakeJob
) -> None:
    bench.start(dataclasses.replace(job("ec2"), zones=("eu-west-1a", "eu-west-1b")))
    bench.account.end_servers("Server.InsufficientInstanceCapacity")

    bench.account.pass_time(61)

    (other,) = bench.account.servers()
    assert other["Placement"]["AvailabilityZone"] == "eu-west-1b"


def test_a_job_whose_time_is_past_starts_nothing(bench: Bench, job: MakeJob) -> None:
    bench.account.take_time(looks=1, seconds=9 * 3600)

    with pytest.raises(CloudError, match=r"AWS started no server .*time limit was reached"):
        bench.run(job("ec2"))

    assert bench.account.left() == []


@pytest.mark.parametrize("on", ["ec2", "emr", "serverless"])
def test_following_ends_where_what_looks_after_a_job_never_begins(
    on: Platform, bench: Bench, job: MakeJob
) -> None:
    bench.account.stumble("startExecution", "AccessDenied", times=100_000)
    bench.naps += [lambda: bench.account.pass_time(3 * 3600)]

    with pytest.raises(CloudError, match="its state machine never began") as caught:
        bench.run(job(on))

    assert "time limit was reached" in one_line(caught.value)
    assert caught.value.exit_code == 9
    assert bench.account.left() == []
    assert "never began" in bench.kept()


@pytest.mark.parametrize("on", ["ec2", "emr", "serverless"])
def test_who_follows_a_job_ends_what_aws_did_not(on: Platform, bench: Bench, job: MakeJob) -> None:
    """What looks after it is dead, the server's own timer failed: it is ended by who looks."""
    bench.start(job(on))
    keeper = watch.keeper(bench.life.aws, NAME)
    assert keeper is not None
    bench.account.client("stepfunctions").stop_execution(executionArn=keeper["executionArn"])
    bench.naps += [lambda: bench.account.pass_time(3 * 3600)]

    with pytest.raises(CloudError, match="long after its end") as caught:
        runs.finish(bench.life, job(on), follow(bench.life, job(on)), keep=False)

    one_line(caught.value)
    assert bench.running() == []
    bench.life.down(NAME)
    assert bench.account.left() == []


def test_a_look_lists_no_cluster_from_before_the_job(bench: Bench, job: MakeJob) -> None:
    """An account's of two months are many, and each look would list them all."""
    asked: list[dict[str, Any]] = []
    events = bench.life.aws.client("emr").meta.events
    bench.start(job("emr"))
    events.register(
        "provide-client-params.emr.ListClusters", lambda params, **_: asked.append(params)
    )

    state = watch.look(bench.life.aws, job("emr"), bench.life.scratch(NAME))
    assert state.phase == "running"
    assert watch.had_nodes(bench.life.aws, NAME)
    watch.clusters(bench.life.aws, NAME)

    assert len(asked) == 3
    assert all("CreatedAfter" in each for each in asked[:2])
    assert "TERMINATED" not in asked[2]["ClusterStates"]


def test_an_application_that_does_not_stop_is_named(
    bench: Bench, job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.start(job("serverless"))
    with monkeypatch.context() as patch:
        patch.setattr("verger.cloud.ending._LOOKS", 2)
        with pytest.raises(CloudError, match="is still started ten minutes after it was") as caught:
            bench.life.down(NAME)

    assert "down again" in one_line(caught.value)
    assert bench.life.down(NAME) == []
    assert bench.account.left() == []


def answer_with(life: Life, service: str, answer: Callable[..., Any]) -> None:
    life.aws.client(service).meta.events.register_first("before-send", answer)


def expired(request: Any, **_: object) -> AWSResponse:
    body = (
        b"<ErrorResponse><Error><Type>Sender</Type><Code>ExpiredToken</Code><Message>The security "
        b"token included in the request is expired</Message></Error></ErrorResponse>"
    )
    raw = type("Raw", (), {"stream": lambda self, **_: iter([body]), "read": lambda self: body})()
    return AWSResponse(request.url, 400, {}, raw)


def gone(request: Any, **_: object) -> None:
    raise EndpointConnectionError(endpoint_url=request.url)


def test_credentials_that_expire_while_following_leave_the_job_to_itself(
    bench: Bench, job: MakeJob, finished: Callable[[], None]
) -> None:
    bench.naps += [lambda: answer_with(bench.life, "cloudformation", expired)]

    with pytest.raises(SignInError) as caught:
        bench.run(job("ec2"))

    text = one_line(caught.value)
    assert "expired" in text
    assert f"verger cloud status {NAME} --region eu-west-1 --follow" in text
    assert caught.value.exit_code == 11
    # It goes on, and whoever is signed in again comes back to it.
    assert len(bench.running()) == 1
    finished()
    again = Life(type(bench.life.aws)("eu-west-1"), bench.said, lambda _: None)
    state = follow(again, again.job(NAME))
    assert runs.finish(again, job("ec2"), state, keep=False)
    assert bench.account.left() == []


def test_permissions_that_go_while_following_leave_the_job_to_itself(
    bench: Bench, job: MakeJob
) -> None:
    denied = ("ec2", "DescribeInstances", "UnauthorizedOperation", "not authorized")
    bench.naps += [lambda: refuse(bench.life, *denied)]

    with pytest.raises(CloudError, match="not permitted") as caught:
        bench.run(job("ec2"))

    assert "The job goes on" in one_line(caught.value)
    assert len(bench.running()) == 1


def test_a_network_that_comes_back_is_waited_for(
    bench: Bench, job: MakeJob, finished: Callable[[], None]
) -> None:
    events = bench.life.aws.client("cloudformation").meta.events

    def cut() -> None:
        events.register_first("before-send", gone)

    def mend() -> None:
        events.unregister("before-send", gone)
        finished()

    bench.naps += [cut, lambda: None, mend]

    bench.run(job("ec2"))

    assert any("cannot be reached" in line for line in bench.said.lines)
    assert bench.account.left() == []


def test_a_network_that_stays_away_is_given_up_on(bench: Bench, job: MakeJob) -> None:
    bench.naps += [lambda: answer_with(bench.life, "cloudformation", gone)]

    with pytest.raises(NetworkError) as caught:
        bench.run(job("ec2"))

    assert "goes on, and ends after 120 minutes" in one_line(caught.value)
    assert caught.value.exit_code == 12


@pytest.mark.parametrize("on", ["ec2", "emr", "serverless"])
def test_a_stack_that_is_submitted_goes_on_without_anyone(
    on: Platform, bench: Bench, job: MakeJob, finished: Callable[[], None]
) -> None:
    """Ctrl-C while it is being made ends nothing; whoever comes back follows it to its end."""
    bench.account.take_time(6)
    bench.naps += [lambda: None, interrupt]

    with pytest.raises(KeyboardInterrupt):
        bench.run(job(on))

    assert any("goes on. Follow it again" in line for line in bench.said.lines)
    again = Life(type(bench.life.aws)("eu-west-1"), bench.said, bench.life.sleep)
    bench.naps += [lambda: None] * 8 + [finished]
    state = follow(again, again.job(NAME))
    assert runs.finish(again, job(on), state, keep=False)
    assert bench.account.left() == []


def interrupt() -> None:
    raise KeyboardInterrupt


def test_a_connection_lost_while_the_stack_is_made_is_waited_for(
    bench: Bench, job: MakeJob, finished: Callable[[], None]
) -> None:
    events = bench.life.aws.client("cloudformation").meta.events
    bench.account.take_time(3)
    bench.naps += [
        lambda: events.register_first("before-send", gone),
        lambda: events.unregister("before-send", gone),
        lambda: None,
        finished,
    ]

    bench.run(job("emr"))

    assert any("cannot be reached" in line for line in bench.said.lines)
    assert not any("Taking everything down" in line for line in bench.said.lines)
    assert bench.account.left() == []


def test_a_job_run_that_is_refused_leaves_nothing(bench: Bench, job: MakeJob) -> None:
    why = "Local disk exceeds the account's limit."
    for _ in range(9):
        bench.account.fail("JobRun", why)

    with pytest.raises(CloudError, match="Local disk exceeds") as caught:
        bench.run(job("serverless"))

    one_line(caught.value)
    assert bench.account.left() == []
    assert why in bench.kept()


def test_a_bootstrap_that_fails_is_told_with_its_last_lines(bench: Bench, job: MakeJob) -> None:
    """The reason and the log are read before anything goes, and kept beside STORE."""

    def fail() -> None:
        told = {"exit_code": 1, "error": "The bootstrap action failed at line 31, on ip-10-20-0-9."}
        bench.account.put(SCRATCH, "logs/bootstrap-ip-10-20-0-9.log", b"No module named 'numpy'\n")
        bench.account.put(SCRATCH, "result.json", told)

    bench.account.take_time(20)
    bench.naps += [fail]

    with pytest.raises(CloudError, match="bootstrap action failed at line 31") as caught:
        bench.run(job("emr"))

    one_line(caught.value)
    assert any("No module named 'numpy'" in line for line in bench.said.lines)
    assert "No module named 'numpy'" in bench.kept()
    assert "failed at line 31" in bench.kept()
    assert bench.running() == []
    assert any("verger cloud logs" in line for line in bench.said.lines)


def test_a_cluster_s_own_logs_are_waited_for(bench: Bench, job: MakeJob) -> None:
    """They come minutes after its nodes have ended, and one after the other."""
    log = "logs/j-1/steps/s-1/{}.gz"
    late: Naps = [
        *[lambda: None] * 9,
        lambda: bench.account.put(SCRATCH, log.format("stdout"), gzip.compress(b"")),
        lambda: bench.account.put(SCRATCH, log.format("stderr"), gzip.compress(b"not found\n")),
    ]
    bench.naps += [lambda: bench.account.end_step("FAILED")]
    bench.life.sleep = sleeps(bench.life.sleep, then=late)

    with pytest.raises(CloudError, match="step FAILED"):
        bench.run(job("emr"))

    assert any("| not found" in line for line in bench.said.lines)
    assert "not found" in bench.kept()


def test_logs_that_come_later_still_are_kept_when_they_are_read(
    bench: Bench, job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.naps += [lambda: bench.account.end_step("FAILED")]
    with pytest.raises(CloudError, match="step FAILED"):
        bench.run(job("emr"))
    assert any("No log of the cluster has arrived yet" in line for line in bench.said.lines)
    assert bench.kept().count("\n") == 1

    bench.account.put(SCRATCH, "logs/j-1/steps/s-1/stderr.gz", gzip.compress(b"not found\n"))
    monkeypatch.setattr("verger.cli.cloud_jobs._life", lambda _: bench.life)
    told = CliRunner().invoke(cli, ["cloud", "logs", NAME])

    assert told.output.endswith("not found\n")
    why, line = bench.kept().splitlines()
    assert "step FAILED" in why
    assert line == "not found"


def sleeps(sleep: Callable[[float], None], then: Naps) -> Callable[[float], None]:
    """Return a sleep in the longer ones of which something else happens."""

    def longer(seconds: float) -> None:
        sleep(seconds)
        if seconds > 10 and then:
            then.pop(0)()

    return longer


def test_a_network_that_goes_while_starting_says_what_to_take_down(
    bench: Bench, job: MakeJob
) -> None:
    # Gone once the first stack is there: files cannot be sent, and nothing can be taken down.
    def cut(**_: object) -> None:
        for service in ("cloudformation", "s3", "emr", "ec2", "emr-serverless"):
            answer_with(bench.life, service, gone)

    events = bench.life.aws.client("s3").meta.events
    events.register_first("before-parameter-build.s3.PutObject", lambda **_: cut())

    with pytest.raises(NetworkError) as caught:
        bench.run(job("ec2"))

    assert f"verger cloud down {NAME} --region eu-west-1" in one_line(caught.value)


def test_down_may_be_said_twice_and_of_a_job_that_never_was(bench: Bench, job: MakeJob) -> None:
    bench.life.start(job("ec2"), bench.files, budget_usd=1.0)

    assert bench.life.down(NAME) == []
    assert bench.account.left() == []
    assert bench.life.down(NAME) == []
    assert bench.life.down("verger-never-was") == []


def test_a_bucket_that_is_not_empty_is_emptied(
    bench: Bench, job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("verger.cloud.scratch._AT_ONCE", 3)
    bench.life.start(job("ec2"), bench.files, budget_usd=1.0)
    for number in range(7):
        bench.account.put(SCRATCH, f"logs/{number}", b"x")
    bench.account.client("s3").create_multipart_upload(Bucket=SCRATCH, Key="logs/large")

    bench.life.down(NAME)

    assert bench.account.left() == []


def test_a_bucket_that_is_not_ours_is_left_as_it_is(bench: Bench, job: MakeJob) -> None:
    bench.life.start(job("ec2"), bench.files, budget_usd=1.0)
    bench.account.client("s3").delete_bucket_tagging(Bucket=SCRATCH)

    with pytest.raises(CloudError, match="not this job's, and was left as it is") as caught:
        bench.life.down(NAME)

    one_line(caught.value)
    assert bench.running() == []
    assert bench.life.scratch(NAME).read("job.json")


def test_a_bucket_of_another_tag_is_not_ours_either(bench: Bench) -> None:
    name = f"verger-other-{ACCOUNT}"
    s3 = bench.account.client("s3")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.put_bucket_tagging(
        Bucket=name, Tagging={"TagSet": [{"Key": "verger:job", "Value": "verger-else"}]}
    )
    bench.account.put(name, "precious", b"x")

    with pytest.raises(CloudError, match="not this job's"):
        bench.life.down("verger-other")

    assert bench.life.scratch("verger-other").read("precious") == b"x"


def test_a_store_that_is_not_there_is_refused_before_anything_is_made(
    bench: Bench, job: MakeJob
) -> None:
    wrong = dataclasses.replace(job("ec2"), store="s3://no-such-bucket/store")

    with pytest.raises(CloudError, match="there is no bucket no-such-bucket"):
        bench.run(wrong)

    assert bench.account.left() == []


SAID_AGAIN = 36.0  # seconds in which a request that fails is said again
NO_ROOM = "We currently do not have sufficient c7i.xlarge capacity in the Availability Zone."


def test_without_a_laptop_the_next_zone_is_tried_and_then_another_type(
    bench: Bench, job: MakeJob
) -> None:
    for _ in range(2):
        bench.account.fail("Server", NO_ROOM)
    zones = ("eu-west-1a", "eu-west-1b")
    bench.start(dataclasses.replace(job("ec2"), zones=zones, other_types=("m7i.xlarge",)))
    bench.account.pass_time(2 * SAID_AGAIN)

    (server,) = bench.account.servers()

    assert server["InstanceType"] == "m7i.xlarge"
    assert server["Placement"]["AvailabilityZone"] == "eu-west-1a"
    bench.life.down(NAME)
    assert bench.account.left() == []


@pytest.mark.parametrize("on", ["ec2", "emr"])
def test_where_there_is_no_room_at_all_it_is_tried_again_and_again(
    on: Platform, bench: Bench, job: MakeJob
) -> None:
    for _ in range(2):
        bench.account.fail(COMPUTE[on], NO_ROOM)
    bench.start(job(on))
    for _ in range(6):
        bench.account.pass_time(60)
        assert bench.running() == []
        assert watch.look(bench.life.aws, job(on), bench.life.scratch(NAME)).phase == "starting"

    for _ in range(7):
        bench.account.pass_time(60)

    assert len(bench.running()) == 1


@pytest.mark.parametrize("on", ["ec2", "emr", "serverless"])
def test_a_job_that_is_stopped_before_it_began_never_begins(
    on: Platform, bench: Bench, job: MakeJob
) -> None:
    bench.life.start(job(on), bench.files, budget_usd=1.0)
    bench.life.stop(NAME)

    bench.account.pass_time(600)

    assert bench.running() == []
    bench.life.down(NAME)
    assert bench.account.left() == []


def test_what_begins_while_a_job_is_taken_down_is_ended_too(
    bench: Bench, job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The schedule had gone off when it was deleted, and its keeper starts a server."""
    bench.life.start(job("ec2"), bench.files, budget_usd=1.0)
    real, late = stack.delete, [True]

    def delete(aws: Aws, name: str, *rest: Any) -> None:
        if late.pop() if late else False:
            machine = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{NAME}"
            bench.account.client("stepfunctions").start_execution(
                stateMachineArn=machine, name=NAME
            )
            bench.account.pass_time()
        if bench.running():
            raise CloudError("Firewall: resource sg-1 has a dependent object.")
        real(aws, name, *rest)

    monkeypatch.setattr(stack, "delete", delete)

    assert bench.life.down(NAME) == []
    assert bench.account.left() == []


@pytest.mark.parametrize("what", ["photos", "store"])
def test_a_bucket_of_another_region_is_refused_before_anything_is_made(
    what: str, bench: Bench, job: MakeJob
) -> None:
    place = {"LocationConstraint": "eu-west-3"}
    elsewhere = boto3.client("s3", region_name="eu-west-3")
    elsewhere.create_bucket(Bucket="paris", CreateBucketConfiguration=place)
    places: dict[str, Any] = {what: "s3://paris/folder"}
    wrong = dataclasses.replace(job("ec2"), **places)

    with pytest.raises(RegionError, match="paris is in eu-west-3, not in eu-west-1") as refused:
        bench.run(wrong)

    assert "--region eu-west-3" in one_line(refused.value)
    assert bench.account.left() == []


def test_a_slow_line_does_not_use_up_the_time_of_the_job(
    bench: Bench, job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wall clock is set when the files are there, not when they begin to be sent."""
    moments = []
    real = parameters.ends

    def ends(job: Job, now: Any) -> Any:
        moments.append({key.name for key in bench.life.scratch(job.id).keys("")})
        return real(job, now)

    monkeypatch.setattr(parameters, "ends", ends)

    bench.life.start(job("ec2"), bench.files, budget_usd=11.5)

    assert [set(bench.files) <= there for there in moments] == [True]


def test_a_job_that_ended_well_without_a_record_is_not_believed(bench: Bench, job: MakeJob) -> None:
    bench.naps += [lambda: bench.account.put(SCRATCH, "result.json", RESULT)]

    with pytest.raises(StoreError, match=r"holds no run\.json"):
        bench.run(job("ec2"))

    assert bench.running() == []


def test_counts_that_do_not_add_up_are_not_believed(bench: Bench, job: MakeJob) -> None:
    def end() -> None:
        counts = {"listed": 9, "embedded": 4, "rejected": 1}
        bench.account.put("results", "fruits/store/run.json", {"counts": counts})
        bench.account.put(SCRATCH, "result.json", RESULT)

    bench.naps += [end]

    with pytest.raises(CountError, match="9 listed"):
        bench.run(job("ec2"))


def test_the_record_of_an_earlier_run_is_not_believed(bench: Bench, job: MakeJob) -> None:
    def end() -> None:
        earlier = {**RECORD, "finished": "2026-11-20T03:00:00+00:00"}
        bench.account.put("results", "fruits/store/run.json", earlier)
        later = {**RECORD, "finished": "2026-11-21T03:00:00+00:00"}
        bench.account.put(SCRATCH, "result.json", {**RESULT, "record": later})

    bench.naps += [end]

    with pytest.raises(StoreError, match="of a run that ended 2026-11-20"):
        bench.run(job("ec2"))

    assert bench.running() == []


def test_without_a_spot_server_one_is_taken_that_lasts(bench: Bench, job: MakeJob) -> None:
    bench.account.fail("Server", "There is no Spot capacity available that matches your request.")
    bench.start(dataclasses.replace(job("ec2"), spot=True))
    bench.account.pass_time(SAID_AGAIN)

    (server,) = bench.account.servers()

    assert "InstanceLifecycle" not in server


def test_without_a_laptop_a_spot_server_that_is_taken_back_is_replaced(
    bench: Bench, job: MakeJob, finished: Callable[[], None]
) -> None:
    asked = dataclasses.replace(job("ec2"), spot=True)
    bench.start(asked)
    (spot,) = bench.account.servers()
    assert spot["InstanceLifecycle"] == "spot"

    # AWS switches it off, and Verger ends in good order: what it says then is not the end.
    bench.account.end_servers("Server.SpotInstanceTermination")
    bench.account.put(SCRATCH, "result.json", {**RESULT, "exit_code": 143})
    assert not watch.look(bench.life.aws, asked, bench.life.scratch(NAME)).is_over
    bench.account.pass_time(61)

    (other,) = bench.account.servers()
    assert "InstanceLifecycle" not in other
    finished()
    assert runs.finish(bench.life, asked, follow(bench.life, bench.life.job(NAME)), keep=False)
    assert bench.account.left() == []


def test_a_job_run_begins_without_a_laptop(
    bench: Bench, job: MakeJob, finished: Callable[[], None]
) -> None:
    bench.account.fail("JobRun", "The execution role cannot be assumed")  # it is new
    bench.life.start(job("serverless"), bench.files, budget_usd=1.0)
    bench.account.pass_time()
    assert bench.account.job_runs() == []

    bench.account.pass_time(16)
    bench.account.pass_time(600)

    (run,) = bench.account.job_runs()
    assert run.execution_timeout_minutes == 120
    assert run.job_driver["sparkSubmit"]["entryPoint"] == f"s3://{SCRATCH}/scripts/entry.py"
    finished()
    assert runs.finish(bench.life, job("serverless"), follow(bench.life, bench.life.job(NAME)),
                       keep=False)  # fmt: skip
    assert bench.account.left() == []
