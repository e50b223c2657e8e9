"""What a job is at this moment, read from AWS alone: any machine may ask, at any time."""

from __future__ import annotations

import datetime as dt
import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from verger.cloud.aws import Aws, absent, told
from verger.cloud.job import Job
from verger.cloud.machine import READY_KEY
from verger.cloud.parameters import job_stack
from verger.cloud.scratch import LOGS, RESULT, Key, Scratch
from verger.cloud.stack import TAG, describe, outputs_of, reason
from verger.errors import visible

Phase = Literal["absent", "creating", "starting", "running", "done", "failed"]
_NOT_STARTED = "its application is there, and no job was started on it"
# What AWS says when it has no spot server, or takes one back.
_NO_SPOT = ("capacity", "spot")
# What it says when a zone has no such server at the moment, or never
# (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/troubleshooting-launch.html; of EMR
# https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-events-response-insuff-capacity.html).
_NO_ROOM = (
    "not have sufficient",
    "insufficient capacity",
    "insufficientinstancecapacity",
    "out of capacity",
    "not supported in your requested",
    "not supported in the requested",
)
_ENDED = ("shutting-down", "terminated", "stopping", "stopped")
_LOGICAL = {"ec2": "Server", "emr": "Cluster", "serverless": "Application"}


@dataclass(frozen=True, slots=True)
class State:
    """What a job is.

    phase:    absent (no compute, no result), creating, starting, running, done or failed
    line:     the same in AWS's words
    todo:     what AWS does not do by itself, and whoever follows the job does; empty else
    result:   what the job wrote at its end: `exit_code`, `seconds` and more; None before
    ends:     when everything is terminated, whatever happens; None where that is not known
    is_ready: whether the JupyterLab of a notebook answers
    """

    phase: Phase
    line: str
    result: dict[str, Any] | None = None
    ends: dt.datetime | None = None
    todo: Literal["", "start", "without spot", "elsewhere"] = ""
    is_ready: bool = False

    @property
    def is_over(self) -> bool:
        """Whether nothing of the job runs any more, nor will."""
        return not self.todo and self.phase in ("absent", "done", "failed")


def look(aws: Aws, job: Job, scratch: Scratch) -> State:
    """Return what a job is at this moment.

    Raises `CloudError`, `SignInError` or `NetworkError` where AWS could not be asked.
    """
    stack = describe(aws, job_stack(job.id))
    phase, line = _compute(aws, job, stack)
    ends = _ends(stack)
    # Read after the compute was looked at: what has ended has written its result before.
    if result := scratch.read_json(RESULT):
        code = result.get("exit_code")
        if code == 0:
            return State("done", "the run has ended well", result, ends=ends)
        return State("failed", _told(result), result, ends=ends)
    if phase in ("absent", "failed") and ends and dt.datetime.now(dt.UTC) >= ends:
        line += f"; its wall clock ran out at {ends:%H:%M} UTC"
    elif phase == "failed" and job.on == "ec2" and job.spot and _is_lack_of_spot(line):
        # Of a cluster AWS itself replaces the nodes that it takes back.
        return State(phase, line, ends=ends, todo="without spot")
    elif phase == "failed" and _is_lack_of_room(line) and (job.zones[1:] or job.other_types):
        return State(phase, line, ends=ends, todo="elsewhere")
    elif line == _NOT_STARTED and stack and stack["StackStatus"] == "CREATE_COMPLETE":
        return State(phase, line, ends=ends, todo="start")
    if job.notebook and phase == "running" and scratch.read(READY_KEY):
        return State(phase, f"{line}, JupyterLab answers", ends=ends, is_ready=True)
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
    return _physical(aws, job, describe(aws, job_stack(job.id)))


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


def clusters(aws: Aws, job: str) -> list[str]:
    """Return the clusters of a job that are not terminated."""
    with told("list the clusters"):
        there = ["STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING"]
        found = aws.all_of("emr", "list_clusters", "Clusters[]", ClusterStates=there)
        return [each["Id"] for each in found if each["Name"] == job]


def applications(aws: Aws, job: str) -> list[str]:
    """Return the EMR Serverless applications of a job that are not deleted."""
    with told("list the applications"):
        found = aws.all_of("emr-serverless", "list_applications", "applications[]")
        return [a["id"] for a in found if a["name"] == job and a["state"] != "TERMINATED"]


def _compute(aws: Aws, job: Job, stack: dict[str, Any] | None) -> tuple[Phase, str]:
    if stack is None:
        return "absent", "there is no stack, and no result"
    status = stack["StackStatus"]
    if status == "ROLLBACK_IN_PROGRESS":
        return "creating", f"its stack failed, and is taken back ({_why(aws, stack)})"
    if status.startswith(("DELETE", "ROLLBACK")) or status.endswith("FAILED"):
        return "failed", f"its stack is {status} ({_why(aws, stack)})"
    physical = _physical(aws, job, stack)
    if physical:
        return {"ec2": _server, "emr": _cluster, "serverless": _application}[job.on](aws, physical)
    if "PROGRESS" in status:
        return "creating", "its stack is being made"
    return "failed", f"its stack is {status} and has no compute"


def _why(aws: Aws, stack: dict[str, Any]) -> str:
    return reason(aws, stack["StackId"]) or "no reason given"


def _physical(aws: Aws, job: Job, stack: dict[str, Any] | None) -> str:
    """Return the compute's id, which AWS tells before the stack is complete."""
    if stack is None:
        return ""
    if compute := outputs_of(stack).get("Compute"):
        return compute
    with told("look at the resources of the stack"), absent("ValidationError"):
        found = aws.client("cloudformation").describe_stack_resource(
            StackName=stack["StackId"], LogicalResourceId=_LOGICAL[job.on]
        )
        return str(found["StackResourceDetail"].get("PhysicalResourceId", ""))
    return ""


def _server(aws: Aws, instance: str) -> tuple[Phase, str]:
    found = None
    with told(f"look at {instance}"), absent("InvalidInstanceID.NotFound"):
        found = aws.client("ec2").describe_instances(InstanceIds=[instance])["Reservations"]
    if found is None:
        return "failed", f"{instance} is gone, and wrote no result"
    server = found[0]["Instances"][0]
    state = server["State"]["Name"]
    if state in _ENDED:
        why = server.get("StateReason", {}).get("Message") or server.get("StateTransitionReason")
        return "failed", f"{instance} is {state} and wrote no result ({why or 'no reason given'})"
    phase: Phase = "starting" if state == "pending" else "running"
    return phase, f"{instance} is {phase}"


def _cluster(aws: Aws, cluster: str) -> tuple[Phase, str]:
    client = aws.client("emr")
    with told(f"look at {cluster}"):
        found = client.describe_cluster(ClusterId=cluster)["Cluster"]["Status"]
        steps = client.list_steps(ClusterId=cluster)["Steps"]
    state = found["State"]
    step = steps[0]["Status"]["State"] if steps else "not begun"
    if state.startswith("TERMINATED"):
        why = found.get("StateChangeReason", {}).get("Message") or "no reason given"
        return "failed", f"{cluster} has ended and wrote no result (step {step}; {why})"
    if state == "RUNNING" and step == "RUNNING":
        return "running", f"{cluster} is running, its step too"
    return "starting", f"{cluster} is {state.lower()}, its step {step.lower()}"


def _application(aws: Aws, application: str) -> tuple[Phase, str]:
    with told(f"look at {application}"):
        runs = aws.client("emr-serverless").list_job_runs(applicationId=application)["jobRuns"]
    if not runs:
        return "starting", _NOT_STARTED
    run = max(runs, key=lambda each: each["createdAt"])
    state, why = run["state"], run.get("stateDetails") or "no reason given"
    if state in ("FAILED", "CANCELLED", "CANCELLING", "SUCCESS"):
        return "failed", f"job run {run['id']} is {state} and wrote no result ({why})"
    return ("running" if state == "RUNNING" else "starting"), f"job run {run['id']} is {state}"


def _is_lack_of_spot(said: str) -> bool:
    return any(word in said.lower() for word in _NO_SPOT)


def _is_lack_of_room(said: str) -> bool:
    return any(words in said.lower() for words in _NO_ROOM)


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
