"""The sizes that a plan looks at, and the arithmetic of each: seconds, and the lines of a bill."""

from __future__ import annotations

import math
from collections.abc import Iterator

from verger.cloud import rates
from verger.cloud.bill import WORKER_GB, WORKER_VCPUS, Estimate, Line, Workload
from verger.cloud.job import Architecture, Platform
from verger.cloud.prices import Prices, vcpus
from verger.errors import UsageError

# What a plan chooses among. One server needs little memory; a node shares its own with YARN.
_SERVER: dict[Architecture, str] = {"x86_64": "c7i", "arm64": "c7g"}
_NODE: dict[Architecture, str] = {"x86_64": "m7i", "arm64": "m7g"}
# All that an account on the free plan may start (aws-samples/eks-workshop-v2#1644). A `micro` has
# 1 GB, which is too little for a run on two cores (docs/decisions/0024): it is never chosen.
FREE_PLAN: dict[Architecture, tuple[str, ...]] = {
    "x86_64": ("c7i-flex.large", "m7i-flex.large", "t3.small", "t3.micro"),
    "arm64": ("t4g.small", "t4g.micro"),
}
# The share of its processors that a server with credits has for nothing, by its size.
_BASELINE = {"micro": 0.1, "small": 0.2, "medium": 0.2, "large": 0.3}
_INSTEAD = {"c7i": "m7i", "c7g": "m7g", "m7i": "c7i", "m7g": "c7g",
            "c7i-flex": "m7i-flex", "m7i-flex": "c7i-flex"}  # fmt: skip
_SERVER_SIZES = (1, 2, 4, 8, 12, 16)
_NODE_SIZES = (1, 4)
_NODES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
_NODE_DISKS = {1: 64, 4: 256}  # GB that EMR gives a node, by its size
_HOURS_A_MONTH = 730
_MOST_TYPES = 3  # of one size, tried in their order: as many as the template of a cluster has
_SHORTEST_SECONDS = 60  # that are billed; whole ones are
_EMBED, _FIT = "embed", "fit and project"
OF_ALL = ("start", _EMBED, _FIT)
"""The stages in which all servers work; in the others one process does."""


def sizes(
    on: Platform,
    work: Workload,
    prices: Prices,
    architecture: Architecture,
    instance_type: str,
    nodes: int,
    *,
    free_plan: bool = False,
) -> Iterator[Estimate]:
    """Estimate a platform's sizes; `instance_type` and `nodes`, where given, are the only ones.

    With `free_plan`, servers are of the types that such an account may start.
    """
    counts = (nodes,) if nodes else _NODES
    if on == "ec2":
        free = [kind for kind in FREE_PLAN[architecture] if not kind.endswith(".micro")]
        kinds, counts = free if free_plan else _types(_SERVER[architecture], _SERVER_SIZES), (1,)
    elif on == "emr":
        kinds = _types(_NODE[architecture], _NODE_SIZES)
    else:
        kinds = [""]
    for kind in [instance_type] if instance_type else kinds:
        for count in counts:
            yield _estimate(on, work, prices, architecture, kind, count)


def _types(family: str, sizes: tuple[int, ...]) -> list[str]:
    return [f"{family}.{'' if size == 1 else size}xlarge" for size in sizes]


def _estimate(
    on: Platform, work: Workload, prices: Prices, architecture: Architecture, kind: str, nodes: int
) -> Estimate:
    """Estimate one size; `kind` is empty on Serverless, whose `nodes` are executors."""
    cpus = nodes * (vcpus(kind) if kind else WORKER_VCPUS)
    stages = _stages(work, on, architecture, cpus)
    seconds = math.ceil(sum(seconds for _, seconds in stages))
    hours = max(seconds, _SHORTEST_SECONDS) / 3600
    primary, leads = "", 0
    if on == "ec2":
        disk = 20 + math.ceil((1.2 * lead_bytes(work) + work.copied) / 1e9)
        lines = [
            Line(kind, 1, "server", prices.server_hour(kind), hours, may_be_spot=True),
            *_credits(prices, kind, hours),
            *_around(prices, 1, disk, hours),
        ]
    elif on == "emr":
        primary = f"{_NODE[architecture]}.xlarge"
        leads = vcpus(primary)
        disk = _NODE_DISKS.get(vcpus(kind) // 4, 256)
        lines = [
            Line(f"{primary}, primary node", 1, "server", prices.server_hour(primary), hours),
            Line(f"EMR on {primary}", 1, "server", prices.emr_hour(primary), hours),
            Line(
                f"{kind}, workers",
                nodes,
                "server",
                prices.server_hour(kind),
                hours,
                may_be_spot=True,
            ),
            Line(f"EMR on {kind}", nodes, "server", prices.emr_hour(kind), hours),
            *_around(prices, nodes + 1, disk * nodes + _NODE_DISKS[1], hours),
        ]
    else:
        disk, leads = 20, WORKER_VCPUS
        vcpu = prices.serverless_vcpu_hour[architecture]
        memory = prices.serverless_gb_hour[architecture]
        lines = [
            Line("driver", WORKER_VCPUS, "vCPU", vcpu, hours),
            Line("its memory", WORKER_GB, "GB", memory, hours),
            Line(f"executors ({nodes})", cpus, "vCPU", vcpu, hours),
            Line("their memory", nodes * WORKER_GB, "GB", memory, hours),
        ]
    return Estimate(
        on=on, architecture=architecture, instance_type=kind, nodes=nodes, primary_type=primary,
        vcpus=cpus + leads, disk_gb=disk, stages=stages,
        lines=(*lines, *_requests(work, prices, cpus, on)), prices=prices,
    )  # fmt: skip


def _stages(
    work: Workload, on: Platform, architecture: Architecture, cpus: int
) -> tuple[tuple[str, float], ...]:
    """Return the seconds of each stage."""
    cores = rates.cores(on, architecture, cpus)
    embed = rates.core_seconds(work.photos, work.size, work.views) / cores
    lead = work.listed * (rates.GALLERY_MS + (rates.CSV_MS if work.csv else 0)) / 1e3
    # The gallery reads all features, and the CSV is sent, through the one that leads.
    streamed = work.listed * rates.FEATURE_BYTES + (csv_bytes(work) if work.csv else 0)
    return (
        ("start", rates.START_SECONDS[on] + rates.SPARK_SECONDS),
        ("list", work.listed / rates.LISTED_A_SECOND),
        (_EMBED, max(embed, work.photos / rates.S3_GETS_A_SECOND)),
        (_FIT, rates.FIT_SECONDS + work.listed * rates.REDUCE_MS / 1e3 / cores),
        ("gallery and CSV", lead + streamed / rates.STREAM_BYTES_A_SECOND),
        ("publish", _files(work, cpus) * rates.PLACE_SECONDS),
        ("report", rates.REPORT_SECONDS + work.listed * rates.REPORT_MS / 1e3),
    )


def _credits(prices: Prices, kind: str, hours: float) -> Iterator[Line]:
    """Return what a server with credits pays: it works above its baseline all the time."""
    family, _, size = kind.partition(".")
    if family in prices.credits_vcpu_hour:
        above = vcpus(kind) * (1 - _BASELINE.get(size, 0.4))
        yield Line("CPU credits", above, "vCPU", prices.credits_vcpu_hour[family], hours)


def _around(prices: Prices, servers: int, disk_gb: int, hours: float) -> Iterator[Line]:
    yield Line("disk (gp3)", disk_gb, "GB", prices.ebs_gb_month / _HOURS_A_MONTH, hours)
    yield Line("public IPv4", servers, "address", prices.ipv4_hour, hours)


def _requests(work: Workload, prices: Prices, cpus: int, on: Platform) -> Iterator[Line]:
    """Return the requests to S3: a GET a photo; features read back; files written, moved, sent."""
    gets = work.photos + work.listed / 300 + 1_000
    matrix = work.listed * rates.MATRIX_BYTES / 128e6
    puts = work.listed / 1_000 + 4 * _files(work, cpus) + 3 * matrix + 500
    yield Line("S3 GET", gets / 1e3, "thousand", prices.s3_get_1000)
    yield Line("S3 PUT, LIST", puts / 1e3, "thousand", prices.s3_put_1000)
    yield Line("Verger sent, S3 PUT", rates.SENT_REQUESTS[on] / 1e3, "thousand", prices.s3_put_1000)
    if work.upload:
        yield Line("upload, S3 PUT", work.photos / 1e3, "thousand", prices.s3_put_1000)


def _files(work: Workload, cpus: int) -> float:
    """Return how many files of features tasks write."""
    return max(work.photos / rates.PHOTOS_A_FILE, min(3 * cpus, work.photos / 8))


def instead_of(chosen: Estimate) -> tuple[str, ...]:
    """Return types of server that do as well as one that was chosen: as many processors, no slower.

    Their price is within the margin of the estimate.
    """
    family, _, size = chosen.instance_type.partition(".")
    return (f"{_INSTEAD[family]}.{size}",) if family in _INSTEAD else ()


def types_of(asked: str) -> tuple[str, ...]:
    """Return the types of server in `--instance-type`, in the order in which they are tried.

    Raises `UsageError` where one is no type, they differ in the number of processors, or they are
    more than are tried.
    """
    types = tuple(asked.split(",")) if asked else ()
    if len(types) > _MOST_TYPES:
        raise UsageError(
            f"--instance-type {asked}: {len(types)} types, and at most {_MOST_TYPES} are tried.",
            hint="Leave the last ones out.",
        )
    if len({vcpus(kind) for kind in types}) > 1:
        raise UsageError(
            f"--instance-type {asked}: not all have the same number of processors.",
            hint="Give types of one size, such as c7i.xlarge,m7i.xlarge.",
        )
    return types


def check_dearest_first(types: tuple[str, ...], prices: Prices) -> None:
    """Raise `UsageError` where another type costs more than the first, whose price is planned."""
    most = prices.server_hour(types[0]) * (1 + prices.margin) if types else 0
    for kind in types[1:]:
        if prices.server_hour(kind) > most:
            raise UsageError(
                f"--instance-type: {kind} costs more than {types[0]}, on which the plan is based.",
                hint=f"Put {kind} first.",
            )


def csv_bytes(work: Workload) -> float:
    """Return how large `matrix.csv` will be."""
    return work.listed * rates.CSV_BYTES


def lead_bytes(work: Workload) -> float:
    """Return the bytes that the process that leads has on its disk."""
    return work.listed * rates.GALLERY_BYTES + (csv_bytes(work) if work.csv else 0)


def store_bytes(work: Workload) -> float:
    """Return how large the STORE will be."""
    each = rates.FEATURE_BYTES + rates.MATRIX_BYTES + rates.GALLERY_BYTES
    return work.listed * (each + (rates.CSV_BYTES if work.csv else 0))
