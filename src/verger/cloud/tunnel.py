"""Ways to the Spark UI: SSM's port forwarding; or, for those who prefer it, SSH and FoxyProxy.

No port is open on any server. A session of SSM is a connection that the server itself made, and
IAM says who may join it; SSH goes through such a session too, with a key that holds for a minute.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass

from verger.cloud import watch
from verger.cloud.aws import Aws, told
from verger.cloud.job import Job
from verger.cloud.machine import LAB_PORT, TOKEN_KEY
from verger.cloud.scratch import Scratch
from verger.errors import CloudError

# What listens where, on the server or on the primary node.
PORTS = {"ec2": 4040, "emr": 18080, "notebook": LAB_PORT}
SPARK_UI = ("--spark-conf", "spark.ui.enabled=true")
"""Options of a run whose Spark, the server's own, shows its page."""
SOCKS_PORT = 8157  # the port of AWS's own instructions for EMR
_USERS = {"ec2": "ec2-user", "emr": "hadoop"}


@dataclass(frozen=True, slots=True)
class Way:
    """How to see what a job does; of a notebook, how to work in it.

    forward: the command that brings the UI to this machine; empty where there is none
    local:   the address on this machine, once it runs
    url:     a page of AWS's own, which needs no command; holds for a minute or an hour
    """

    forward: list[str]
    local: str
    url: str


def way(aws: Aws, job: Job, port: int) -> Way:
    """Return the ways to the UI of a job, or to its notebook; `port` is that of this machine.

    Raises `CloudError` where nothing of the job is running, or nothing of it has a page.
    """
    if job.on == "ec2" and not job.notebook and SPARK_UI[1] not in job.options:
        raise CloudError(
            f"{job.id}: with so few photos it runs without Spark, so there is no Spark UI.",
            hint="To get one, end `verger cloud run` with -- --engine spark. "
            f"verger cloud logs {job.id} --region {job.region} shows what it is doing.",
        )
    compute = watch.compute_id(aws, job)
    if not compute:
        raise CloudError(f"{job.id}: nothing is running, so there is nothing to see.")
    if job.on == "serverless":
        return Way([], "", _dashboard(aws, compute))
    server = server_of(aws, job, compute)
    if job.notebook:
        token = (Scratch(aws, job.id).read(TOKEN_KEY) or b"").decode().strip()
        page = f"http://127.0.0.1:{port}/lab/tree/verger.{job.notebook}.ipynb?token={token}"
        return Way(forward(job.region, server, PORTS["notebook"], port), page, "")
    url = _history(aws, compute) if job.on == "emr" else ""
    return Way(forward(job.region, server, PORTS[job.on], port), f"http://127.0.0.1:{port}", url)


def server_of(aws: Aws, job: Job, compute: str) -> str:
    """Return the server that has the UI: the only one, or the node that leads."""
    if job.on == "ec2":
        return compute
    with told(f"list the nodes of {compute}"):
        nodes = aws.client("emr").list_instances(
            ClusterId=compute, InstanceFleetType="MASTER", InstanceStates=["RUNNING"]
        )["Instances"]
    if not nodes:
        raise CloudError(f"{compute} has no primary node, yet or any more.")
    return str(nodes[0]["Ec2InstanceId"])


def can_forward() -> bool:
    """Say whether this machine has what a session of SSM takes."""
    return bool(shutil.which("aws") and shutil.which("session-manager-plugin"))


def forward(region: str, server: str, remote: int, local: int) -> list[str]:
    """Return the command that forwards a port of a server to this machine, through SSM."""
    return [
        "aws", "ssm", "start-session", "--region", region, "--target", server,
        "--document-name", "AWS-StartPortForwardingSession",
        "--parameters", f"portNumber={remote},localPortNumber={local}",
    ]  # fmt: skip


def ssh(region: str, server: str, on: str, key: str) -> list[list[str]]:
    """Return the two commands of an SSH tunnel: authorise a key for a minute; be a SOCKS proxy."""
    user = _USERS[on]
    through = (
        f"ProxyCommand=aws ssm start-session --region {region} --target %h "
        "--document-name AWS-StartSSHSession --parameters portNumber=%p"
    )
    return [
        [
            "aws", "ec2-instance-connect", "send-ssh-public-key", "--region", region,
            "--instance-id", server, "--instance-os-user", user,
            "--ssh-public-key", f"file://{key}.pub",
        ],
        ["ssh", "-N", "-D", str(SOCKS_PORT), "-i", key, "-o", through, f"{user}@{server}"],
    ]  # fmt: skip


def foxyproxy(region: str) -> str:
    """Return settings for FoxyProxy 8 and later: names inside AWS go through the SSH tunnel."""
    suffix = "ec2.internal" if region == "us-east-1" else f"{region}.compute.internal"
    patterns = [f"*://*.{suffix}:*/*", f"*://*.{suffix}/*", "*://10.20.*:*/*"]
    settings = {
        "mode": "pattern",
        "sync": False,
        "autoBackup": False,
        "passthrough": "",
        "theme": "",
        "container": {},
        "commands": {"setProxy": "", "setTabProxy": "", "includeHost": "", "excludeHost": ""},
        "data": [
            {
                "active": True,
                "title": "verger",
                "type": "socks5",
                "hostname": "127.0.0.1",
                "port": str(SOCKS_PORT),
                "username": "",
                "password": "",
                "cc": "",
                "city": "",
                "color": "#2e7d32",
                "pac": "",
                "pacString": "",
                "proxyDNS": True,
                "include": [
                    {"type": "wildcard", "title": "", "pattern": pattern, "active": True}
                    for pattern in patterns
                ],
                "exclude": [],
                "tabProxy": [],
            }
        ],
    }
    return json.dumps(settings, indent=2) + "\n"


def _history(aws: Aws, cluster: str) -> str:
    """Return the page of the cluster's history server that AWS keeps, for thirty days."""
    client = aws.client("emr")
    with told(f"ask for the history of {cluster}"):
        arn = client.describe_cluster(ClusterId=cluster)["Cluster"]["ClusterArn"]
        made = client.create_persistent_app_ui(TargetResourceArn=arn)["PersistentAppUIId"]
        return str(
            client.get_persistent_app_ui_presigned_url(
                PersistentAppUIId=made, PersistentAppUIType="SHS"
            )["PresignedURL"]
        )


def _dashboard(aws: Aws, application: str) -> str:
    client = aws.client("emr-serverless")
    runs = watch.job_runs(aws, application)
    if not runs:
        raise CloudError(f"{application}: no job was started on it.")
    with told(f"ask for the page of {application}"):
        asked = {"applicationId": application, "jobRunId": runs[0]["id"]}
        return str(client.get_dashboard_for_job_run(**asked)["url"])
