"""The options that several commands of `verger cloud` have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from verger.cloud.job import DEFAULT_BUDGET_EUR, DEFAULT_REGION

_Command = TypeVar("_Command", bound=Callable[..., Any])
Option = Callable[[Any], Any]

REGION: Option = click.option(
    "--region", default=DEFAULT_REGION, show_default=True, help="Where: that of the buckets."
)
OUTSIDE_EU: Option = click.option(
    "--outside-eu", is_flag=True, help="Let photos leave the European Union (else: exit code 13)."
)
BUDGET: Option = click.option(
    "--budget",
    type=float,
    default=DEFAULT_BUDGET_EUR,
    show_default=True,
    metavar="EUR",
    help="What could cost more is refused (exit code 10).",
)
ON: Option = click.option(
    "--on",
    type=click.Choice(["ec2", "emr", "serverless"]),
    help="A server, a cluster, EMR Serverless (default: what the plan recommends).",
)
ARCHITECTURE: Option = click.option(
    "--architecture",
    type=click.Choice(["x86_64", "arm64"]),
    default="x86_64",
    show_default=True,
    help="The processor; arm64 is Graviton.",
)
WITHIN: Option = click.option(
    "--within",
    "hours",
    type=float,
    default=1.0,
    show_default=True,
    metavar="HOURS",
    help="Choose the cheapest that is done in so many hours.",
)
INSTANCE_TYPE: Option = click.option(
    "--instance-type",
    default="",
    metavar="TYPE,...",
    help="Type of server, such as c7i.xlarge. Of several, with commas, the next is tried where "
    "AWS has no room for one.",
)
FREE_PLAN: Option = click.option(
    "--free-plan/--no-free-plan",
    default=None,
    help="Choose among what an account on AWS's free plan may start (default: AWS is asked "
    "where this machine is signed in).",
)
SIZES: tuple[Option, ...] = (
    WITHIN,
    ON,
    ARCHITECTURE,
    INSTANCE_TYPE,
    click.option(
        "--nodes", type=click.IntRange(1, 200), metavar="N", help="Number of worker nodes."
    ),
    FREE_PLAN,
)
ROLE_PREFIX: Option = click.option(
    "--role-prefix",
    default="",
    metavar="TEXT",
    help="What names of roles begin with, where the account wants that (default: AWS names them).",
)
FENCES: tuple[Option, ...] = (
    click.option("--email", default="", metavar="ADDRESS", help="Where the budget alarm writes."),
    OUTSIDE_EU,
    click.option(
        "--kms-key",
        "kms_keys",
        multiple=True,
        metavar="ARN",
        help="Key of yours that a bucket encrypts with (default: the buckets are asked).",
    ),
    click.option(
        "--notify",
        default="",
        metavar="ARN",
        help="Topic of SNS that is told how the run ended; not on EMR Serverless.",
    ),
    click.option(
        "--permissions-boundary",
        "boundary",
        default="",
        metavar="ARN",
        help="Policy that bounds the roles of the job, where the account wants one.",
    ),
    ROLE_PREFIX,
)
SUBNETS: Option = click.option(
    "--subnet",
    "subnets",
    multiple=True,
    metavar="ID",
    help="Of a network of yours; else the job makes a network of its own.",
)
KEEP: Option = click.option(
    "--keep", is_flag=True, help="Leave the stacks and logs; they are tagged."
)


def all_of(*options: Option) -> Callable[[_Command], _Command]:
    """Give a command several options, in their order."""

    def decorate(command: _Command) -> _Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate
