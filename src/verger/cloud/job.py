"""One run on AWS, as it was asked for: what the plan, the templates and the scripts share."""

from __future__ import annotations

import dataclasses
import secrets
import time
from typing import Literal

Platform = Literal["ec2", "emr", "serverless"]
Architecture = Literal["x86_64", "arm64"]

# Photos of the EU stay in the EU unless a user says otherwise.
DEFAULT_REGION = "eu-west-1"
DEFAULT_BUDGET_EUR = 10.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A network that is there: its VPC, the VPC's addresses, and subnets of it to choose among."""

    vpc: str
    cidr: str
    subnets: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What one run on AWS is: where it reads and writes, on what, and its fences."""

    id: str
    """Name of its stacks, of its scratch bucket, and of its tag `verger:job`; see `new_id`."""
    photos: str
    store: str
    on: Platform
    region: str = DEFAULT_REGION
    architecture: Architecture = "x86_64"
    instance_type: str = ""
    nodes: int = 1
    """Servers that work: 1 on EC2, core nodes on EMR, executors at most on Serverless."""
    primary_type: str = ""
    """Of EMR's node that leads; empty elsewhere, and where the template's default will do."""
    disk_gb: int = 20
    """Of an EC2 server."""
    release: str = ""
    """The EMR release, such as `emr-spark-8.1.0`; empty on EC2."""
    price: str = ""
    """What the plan reckons, as `verger run --price` takes it; empty where nobody planned."""
    spot: bool = False
    limit_minutes: int = 120
    """Wall clock after which everything is terminated, whatever the laptop does."""
    budget_eur: float = DEFAULT_BUDGET_EUR
    options: tuple[str, ...] = ()
    """Options of `verger run`, passed on as they are."""
    outside_eu: bool = False
    """Whether photos may leave the European Union."""
    other_types: tuple[str, ...] = ()
    """Types of server that do as well, in the order in which they are tried."""
    zones: tuple[str, ...] = ()
    """Zones of the region that have the servers, in the order in which they are tried."""
    kms_keys: tuple[str, ...] = ()
    """ARNs of the customer's keys that the buckets are encrypted with."""
    boundary: str = ""
    """ARN of the policy that bounds what its roles may do; empty where there is none."""
    role_prefix: str = ""
    """What the names of its roles begin with; empty where AWS names them."""
    notify: str = ""
    """ARN of a topic of SNS that is told how it ended; empty for none."""
    notebook: str = ""
    """Language of the notebook that is opened in JupyterLab; empty where Verger runs."""
    idle_minutes: int = 60
    """After so many, JupyterLab and its server are switched off."""
    network: Network | None = None
    """A network of the account's own; the job makes one where there is none."""


def new_id() -> str:
    """Return a fresh name, fit for a stack, a bucket and a tag."""
    moment = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    return f"verger-{moment}-{secrets.token_hex(3)}"
