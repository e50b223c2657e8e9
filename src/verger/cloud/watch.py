"""What a job is at this moment, read from AWS alone: any machine may ask, at any time."""

from __future__ import annotations

import datetime as dt
import gzip
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from verger.cloud.aws import Aws, absent, told
from verger.cloud.job import Job
from verger.cloud.machine import READY_KEY
from verger.cloud.parameters import base_stack, job_stack
from verger.cloud.scratch import LOGS, RESULT, Key, Scratch
from verger.cloud.stack import TAG, describe, reason
from verger.errors import visible

Phase = Literal["absent", "creating", "starting", "running", "done", "failed"]
_NO_KEEPER = ("ExecutionDoesNotExist", "StateMachineDoesNotExist", "InvalidArn")
_NOT_DELETED = ("CREATING", "CREATED", "STARTING", "STARTED", "STOPPING", "STOPPED")
_ENDED = ("shutting-down", "terminated", "stopping", "stopped")
_WHAT = {"ec2": "server", "emr": "cluster", "serverless": "job run"}
# What AWS takes to see that a job's time is up, and to end it, and more: look by look.
_OVERTIME = dt.timedelta(minutes=30)
_TAKEN_BACK = 128 + signal.SIGTERM  # how a run ends whose server is


@dataclass(frozen=True, slots=True)
class State:
    """What a job is.

    phase:    absent (no compute, no result), creating, starting, running, done or failed
    line:     the same in AWS's words
    result:   what the job wrote at its end: `exit_code`, `seconds` and more; None before
    ends:     when everything is terminated, whatever happens; None where that is not known
    is_ready: whether the JupyterLab of a notebook answers
    """

    phase: Phase
    line: str
    result: dict[str, Any] | None = None
    ends: dt.datetime | None = None
    is_ready: bool = False

    @property
    def is_over(self) -> bool:
        """Whether nothing of the job runs any more, nor will; else it should have ended."""
        return self.phase in ("absent", "done", "failed")


def look(aws: Aws, job: Job, scratch: Scratch) -> State:
    """Return what a job is at this moment.

    Raises `CloudError`, `SignInError` or `NetworkError` where AWS could not be asked.
    """
    stack = describe(aws, job_stack(job.id))
    ends = _ends(stack)
    over = _now() - ends if ends else -_OVERTIME
    phase, line = _compute(aws, job, stack, is_late=over > dt.timedelta())
    # Read after the compute was looked at: what has ended has written its result before.
    result = scratch.read_json(RESULT)
    code = result.get("exit_code") if result else None
    if result and not (job.spot and code == _TAKEN_BACK and phase not in ("absent", "failed")):
        if code == 0:
            return State("done", "the run has finished", result, ends=ends)
        return State("failed", _told(result), result, ends=ends)
    if ends and over > dt.timedelta() and phase in ("absent", "failed"):
        line = f"{line}; its time limit was reached at {ends:%H:%M} UTC"
    elif ends and over > _OVERTIME:  # who follows it ends it
        return State("failed", f"{line}, long after its end at {ends:%H:%M} UTC", ends=ends)
    if job.notebook and phase == "running" and scratch.read(READY_KEY):
        return State(phase, f"{line}, JupyterLab is ready", ends=ends, is_ready=True)
    return State(phase, line, ends=ends)


def progress_keys(scratch: Scratch) -> list[Key]:
    """Return the logs that the job itself sends while it works."""
    found = [key for key in scratch.keys(LOGS) if key.name.endswith(".log")]
    return [key for key in found if key.name.count("/") == 1]


def log_keys(scratch: Scratch) -> list[Key]:
    """Return all the logs that a person reads: the job's own last, what the cluster kept first."""
    kept = [
        key
        for key in scratch.keys(LOGS)
        if any(f"/{place}/" in key.name for place in ("steps", "SPARK_DRIVER", "bootstrap-actions"))
        and key.name.rsplit("/", 1)[-1].startswith(("stderr", "stdout"))
    ]
    return kept + progress_keys(scratch)


def log_lines(scratch: Scratch, key: str) -> Iterator[str]:
    """Yield the lines of one log; what a terminal would obey is visible."""
    data = scratch.read(key) or b""
    if key.endswith(".gz"):
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError):  # AWS is writing it
            return
    for line in data.decode("utf-8", "replace").splitlines():
        yield visible(line.expandtabs().rstrip())


def compute_id(aws: Aws, job: Job) -> str:
    """Return the id of the server, cluster or application; empty where there is none."""
    there = {"ec2": instances, "emr": clusters, "serverless": applications}[job.on](aws, job.id)
    return there[0] if there else ""


def instances(aws: Aws, job: str) -> list[str]:
    """Return the servers that carry a job's tag and are not terminated, a cluster's among them."""
    with told("list the servers"):
        there = ["pending", "running", "stopping", "stopped"]
        return aws.all_of(
            "ec2",
            "describe_instances",
            "Reservations[].Instances[].InstanceId",
            Filters=[
                {"Name": f"tag:{TAG}", "Values": [job]},
                {"Name": "instance-state-name", "Values": there},
            ],
        )


def clusters(aws: Aws, job: str, *, since: dt.datetime | None = None) -> list[str]:
    """Return the clusters of a job that are not terminated, the newest first.

    With `since` also those that are: EMR lists an account's of two months, which none of its
    filters makes a job's.
    """
    asked: dict[str, Any] = {"ClusterStates": ["STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING"]}
    if since is not None:
        asked = {"CreatedAfter": since}
    with told("list the clusters"):
        found = aws.all_of("emr", "list_clusters", "Clusters[]", **asked)
    mine = [each for each in found if each["Name"] == job]
    mine.sort(key=lambda each: each["Status"]["Timeline"]["CreationDateTime"], reverse=True)
    return [each["Id"] for each in mine]


def had_nodes(aws: Aws, job: str) -> bool:
    """Say whether a cluster of a job ever had a node: its logs may come."""
    stack = describe(aws, base_stack(job))
    with told("list the nodes"):
        return stack is not None and any(
            aws.all_of("emr", "list_instances", "Instances[]", ClusterId=cluster)
            for cluster in clusters(aws, job, since=stack["CreationTime"])
        )


def applications(aws: Aws, job: str) -> list[str]:
    """Return the EMR Serverless applications of a job that are not deleted."""
    with told("list the applications"):
        found = aws.all_of(
            "emr-serverless", "list_applications", "applications[]", states=list(_NOT_DELETED)
        )
        return [each["id"] for each in found if each["name"] == job]


def job_runs(aws: Aws, application: str) -> list[dict[str, Any]]:
    """Return the job runs of an EMR Serverless application, the newest first."""
    with told(f"look at {application}"):
        found = aws.all_of(
            "emr-serverless", "list_job_runs", "jobRuns[]", applicationId=application
        )
    return sorted(found, key=lambda run: run["createdAt"], reverse=True)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _compute(
    aws: Aws, job: Job, stack: dict[str, Any] | None, *, is_late: bool
) -> tuple[Phase, str]:
    """Return what a job's compute does; one that `is_late` begins no more."""
    if stack is None:
        return "absent", "there is no stack, and no result"
    status = stack["StackStatus"]
    if status == "ROLLBACK_IN_PROGRESS":
        return "creating", f"its stack failed, and is taken back ({_why(aws, stack)})"
    if status.startswith(("DELETE", "ROLLBACK")) or status.endswith("FAILED"):
        return "failed", f"its stack is {status} ({_why(aws, stack)})"
    if "PROGRESS" in status:
        return "creating", "its stack is being made"
    kept = keeper(aws, job.id)
    if kept is None:  # its schedule has not gone off, which it does until the end
        is_kept, why = not is_late, "its state machine never began"
    else:
        is_kept = kept["status"] == "RUNNING"
        why = kept.get("cause") or kept.get("error") or "no reason given"
    if job.on == "emr":
        found = _cluster(aws, job.id, stack["CreationTime"])
    else:
        found = (_server if job.on == "ec2" else _job_run)(aws, job.id)
    if found is None:
        if is_kept:
            return "starting", f"AWS will start its {_WHAT[job.on]}"
        return "failed", f"AWS started no {_WHAT[job.on]} ({why})"
    phase, line = found
    if phase == "failed" and is_kept and job.on != "serverless":  # which may start another
        return "starting", f"{line}; AWS is deciding what to do next"
    return phase, f"{line}, and wrote no result" if phase == "failed" else line


def _why(aws: Aws, stack: dict[str, Any]) -> str:
    return reason(aws, stack["StackId"]) or "no reason given"


def keeper(aws: Aws, job: str) -> dict[str, Any] | None:
    """Return what AWS tells of that which looks after a job; None where it has not begun."""
    arn = f"arn:aws:states:{aws.region}:{aws.account}:execution:{job}:{job}"
    with told("look at the job's state machine"), absent(*_NO_KEEPER):
        found: dict[str, Any] = aws.client("stepfunctions").describe_execution(executionArn=arn)
        return found
    return None


def _server(aws: Aws, job: str) -> tuple[Phase, str] | None:
    """Return what the last server of a job does, and how that is told; None where it has none."""
    asked = [{"Name": f"tag:{TAG}", "Values": [job]}]
    with told("look at the servers"):
        found = aws.all_of("ec2", "describe_instances", "Reservations[].Instances[]", Filters=asked)
    if not found:
        return None
    server = max(found, key=lambda each: each["LaunchTime"])
    name, state = server["InstanceId"], server["State"]["Name"]
    if state in _ENDED:
        why = server.get("StateReason", {}).get("Message") or server.get("StateTransitionReason")
        return "failed", f"{name} is {state} ({why or 'no reason given'})"
    phase: Phase = "starting" if state == "pending" else "running"
    return phase, f"{name} is {phase}"


def _cluster(aws: Aws, job: str, since: dt.datetime) -> tuple[Phase, str] | None:
    there = clusters(aws, job, since=since)
    if not there:
        return None
    cluster, client = there[0], aws.client("emr")
    with told(f"look at {cluster}"):
        found = client.describe_cluster(ClusterId=cluster)["Cluster"]["Status"]
        steps = client.list_steps(ClusterId=cluster)["Steps"]
    state = found["State"]
    step = steps[0]["Status"]["State"] if steps else "not begun"
    if state.startswith("TERMINATED"):
        why = found.get("StateChangeReason", {}).get("Message") or "no reason given"
        return "failed", f"{cluster} has ended (step {step}; {why})"
    if state == "RUNNING" and step == "RUNNING":
        return "running", f"{cluster} is running, its step too"
    return "starting", f"{cluster} is {state.lower()}, its step {step.lower()}"


def _job_run(aws: Aws, job: str) -> tuple[Phase, str] | None:
    runs = [run for application in applications(aws, job) for run in job_runs(aws, application)]
    if not runs:
        return None
    run = runs[0]
    state, why = run["state"], run.get("stateDetails") or "no reason given"
    if state in ("FAILED", "CANCELLED", "CANCELLING", "SUCCESS"):
        return "failed", f"job run {run['id']} is {state} ({why})"
    phase: Phase = "running" if state == "RUNNING" else "starting"
    return phase, f"job run {run['id']} is {state}"


def _ends(stack: dict[str, Any] | None) -> dt.datetime | None:
    given = {
        each["ParameterKey"]: each.get("ParameterValue", "")
        for each in (stack or {}).get("Parameters", [])
    }
    try:
        return dt.datetime.fromisoformat(given["EndAt"]).replace(tzinfo=dt.UTC)
    except (KeyError, ValueError):
        return None


def _told(result: dict[str, Any]) -> str:
    error = result.get("error")
    said = f": {error}" if isinstance(error, str) and error else ""
    return f"the run has ended with exit code {result.get('exit_code')}{said}"
