"""What runs on the server, on the cluster's nodes and on Serverless, made of one `Job`.

Each function returns what the templates and the calls of AWS take. Nothing of it is secret, and no
value is pasted into a shell's text but by `shlex`. docs/howto/aws-machine.md says what happens
when.
"""

from __future__ import annotations

import shlex
from importlib import resources
from urllib.parse import quote

from verger.cloud.job import Job
from verger.cloud.prices import vcpus
from verger.errors import UsageError

PYTHON = "3.11"
"""The Python of the server and of the cluster: Amazon Linux 2023, EMR 7 and EMR Spark 8 have it."""
HOME = "/opt/verger"
"""Where Verger lies on the server, and on each node."""
ARCHIVE_KEY = "archive/verger-env.tar.gz"
ENTRY_KEY = "scripts/entry.py"
JOB_KEY = "scripts/job.sh"
BOOTSTRAP_KEY = "scripts/bootstrap.sh"
TOKEN_KEY = "lab/token"  # noqa: S105 - where it lies
"""What JupyterLab wants of who comes to it: made on the laptop, and a secret."""
READY_KEY = "logs/ready.json"
"""Is there once JupyterLab answers."""
LAB_PORT = 8888
# A parameter of CloudFormation holds 4,096 characters, and user data go in as base64.
LONGEST_USER_DATA = 3072

ARCHITECTURES = {"x86_64": "x86_64", "arm64": "aarch64"}
"""As Linux names them."""
# Two tasks at once in each executor: half a gigabyte of Java a task, and as much for Python, which
# holds the network and a batch of photos. It fits servers of 2 GB a core.
_EXECUTOR_CORES, _EXECUTOR_MEMORY = 2, "1g"
_ON_SERVERLESS = {"cores": 4, "memory": "5g", "overhead": "3g"}  # 8 GB, the least for 4 vCPU


def script(name: str) -> str:
    """Return the text of one of the shell scripts that come with Verger, such as `job.sh`."""
    return (resources.files("verger.cloud") / "scripts" / name).read_text(encoding="utf-8")


def arguments(job: Job) -> list[str]:
    """Return the arguments of `verger` that the job runs, or of `lab.py` after `notebook`."""
    if job.notebook:
        told = ["--language", job.notebook, "--idle-minutes", str(job.idle_minutes)]
        return ["notebook", job.photos, job.store, *told, *job.options]
    price = ["--price", job.price] if job.price else []
    return ["run", job.photos, job.store, *price, *job.options]


def user_data(job: Job, scratch: str) -> str:
    """Return the script of the EC2 server's first boot.

    `scratch` is the name of the scratch bucket. Raises `UsageError` where the script would be too
    long, which only very long options can make it.
    """
    values = {
        "JOB": job.id,
        "SCRATCH": f"s3://{scratch}",
        "AWS_REGION": job.region,
        "LIMIT": str(job.limit_minutes),
        "ARCHITECTURE": ARCHITECTURES[job.architecture],
        "PYTHON": PYTHON,
        "NOTIFY": job.notify,
    }
    lines = ["#!/bin/bash", *(f"{name}={shlex.quote(value)}" for name, value in values.items())]
    lines.append(f"set -- {shlex.join(_quoted(arguments(job)))}")
    text = "\n".join([*lines, script("user-data.sh")])
    if len(text.encode()) > LONGEST_USER_DATA:
        raise UsageError(
            f"The server's script is too long ({len(text.encode())} bytes, {LONGEST_USER_DATA} at "
            "most).",
            hint="Shorten the options of the run.",
        )
    return text


def emr_step(job: Job, scratch: str) -> list[str]:
    """Return the command line of the step, for `command-runner.jar`.

    The driver runs on the node that leads. It is the cluster's own Spark.
    """
    python = f"python{PYTHON}"
    conf = {
        "spark.pyspark.python": python,
        "spark.pyspark.driver.python": python,
        "spark.executorEnv.PYTHONPATH": HOME,
        "spark.dynamicAllocation.enabled": "false",
        "spark.executor.instances": str(executors(job)),
        "spark.executor.cores": str(_EXECUTOR_CORES),
        "spark.executor.memory": _EXECUTOR_MEMORY,
        "spark.executor.memoryOverhead": _EXECUTOR_MEMORY,
    }
    return [
        "spark-submit", "--deploy-mode", "client", "--name", job.id, *_conf(conf),
        f"{HOME}/entry.py", *entry_arguments(job, scratch),
    ]  # fmt: skip


def spark_parameters(job: Job, scratch: str) -> str:
    """Return `sparkSubmitParameters` of EMR Serverless's StartJobRun, in one line."""
    address = f"s3://{scratch}"
    python, unpacked = f"python{PYTHON}", "./verger-env"
    size = _ON_SERVERLESS
    conf = {
        "spark.archives": f"{address}/{ARCHIVE_KEY}#verger-env",
        "spark.emr-serverless.driverEnv.PYSPARK_DRIVER_PYTHON": python,
        "spark.emr-serverless.driverEnv.PYSPARK_PYTHON": python,
        "spark.emr-serverless.driverEnv.PYTHONPATH": unpacked,
        "spark.executorEnv.PYSPARK_PYTHON": python,
        "spark.executorEnv.PYTHONPATH": unpacked,
        "spark.dynamicAllocation.enabled": "false",
        "spark.executor.instances": str(max(job.nodes, 1)),
    }
    for role in ("driver", "executor"):
        conf[f"spark.{role}.cores"] = str(size["cores"])
        conf[f"spark.{role}.memory"] = str(size["memory"])
        conf[f"spark.{role}.memoryOverhead"] = str(size["overhead"])
    return shlex.join(_conf(conf))


def executors(job: Job) -> int:
    """Return how many executors of two cores fit the nodes that work."""
    return max(job.nodes, 1) * max(vcpus(job.instance_type) // _EXECUTOR_CORES, 1)


def entry_arguments(job: Job, scratch: str) -> list[str]:
    """Return the arguments of `entry.py`: ASCII words without spaces and commas."""
    told = ["--job", job.id, "--scratch", f"s3://{scratch}", "--region", job.region]
    told += ["--notify", job.notify] if job.notify else []
    return [*told, "--", *_quoted(arguments(job))]


def _quoted(words: list[str]) -> list[str]:
    """Write words as in URLs (RFC 3986): ASCII, without spaces and commas; `entry.py` undoes it.

    On the way are Java, which in a POSIX locale makes two question marks of an é, and
    CloudFormation, whose lists have no way to write a comma.
    """
    return [quote(word, safe="/:=._~+@-") for word in words]


def _conf(settings: dict[str, str]) -> list[str]:
    return [word for key, value in settings.items() for word in ("--conf", f"{key}={value}")]
