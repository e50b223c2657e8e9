"""The options that several commands of `verger cloud` have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from verger.cloud.job import DEFAULT_BUDGET_EUR, DEFAULT_REGION

_Command = TypeVar("_Command", bound=Callable[..., Any])
Option = Callable[[Any], Any]

REGION: Option = click.option(
    "--region", default=DEFAULT_REGION, show_default=True, help="AWS region: that of your buckets."
)
OUTSIDE_EU: Option = click.option(
    "--outside-eu",
    is_flag=True,
    help="Allow photos to leave the European Union (otherwise exit code 13).",
)
BUDGET: Option = click.option(
    "--budget",
    type=float,
    default=DEFAULT_BUDGET_EUR,
    show_default=True,
    metavar="EUR",
    help="Refuse what could cost more (exit code 10).",
)
ON: Option = click.option(
    "--on",
    type=click.Choice(["ec2", "emr", "serverless"]),
    help="One EC2 server, an EMR cluster or EMR Serverless (default: what the plan recommends).",
)
ARCHITECTURE: Option = click.option(
    "--architecture",
    type=click.Choice(["x86_64", "arm64"]),
    default="x86_64",
    show_default=True,
    help="Processor; arm64 is Graviton.",
)
WITHIN: Option = click.option(
    "--within",
    "hours",
    type=float,
    default=1.0,
    show_default=True,
    metavar="HOURS",
    help="Choose the cheapest option that finishes in this time.",
)
INSTANCE_TYPE: Option = click.option(
    "--instance-type",
    default="",
    metavar="TYPE,...",
    help="Server type, such as c7i.xlarge. Give up to three, separated by commas, to try the next "
    "when AWS has no capacity.",
)
FREE_PLAN: Option = click.option(
    "--free-plan/--no-free-plan",
    default=None,
    help="Choose only what AWS's free plan allows (default: ask AWS, if you are signed in).",
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
    help="Prefix of role names, if your account requires one (default: AWS names the roles).",
)
FENCES: tuple[Option, ...] = (
    click.option("--email", default="", metavar="ADDRESS", help="Send the budget alarm here."),
    OUTSIDE_EU,
    click.option(
        "--kms-key",
        "kms_keys",
        multiple=True,
        metavar="ARN",
        help="Your KMS key that encrypts a bucket (default: ask the buckets).",
    ),
    click.option(
        "--notify",
        default="",
        metavar="ARN",
        help="Tell this SNS topic how the run ended; not on EMR Serverless.",
    ),
    click.option(
        "--permissions-boundary",
        "boundary",
        default="",
        metavar="ARN",
        help="Permissions boundary of the job's roles, if your account requires one.",
    ),
    ROLE_PREFIX,
)
SUBNETS: Option = click.option(
    "--subnet",
    "subnets",
    multiple=True,
    metavar="ID",
    help="Use this subnet of yours; may be repeated (default: the job makes its own network).",
)
KEEP: Option = click.option(
    "--keep", is_flag=True, help="Keep the stacks and logs afterwards; they are tagged."
)


def all_of(*options: Option) -> Callable[[_Command], _Command]:
    """Give a command several options, in their order."""

    def decorate(command: _Command) -> _Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate
