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
SIZES: tuple[Option, ...] = (
    click.option(
        "--within",
        "hours",
        type=float,
        default=1.0,
        show_default=True,
        metavar="HOURS",
        help="Choose the cheapest that is done in so many hours.",
    ),
    ON,
    ARCHITECTURE,
    click.option("--instance-type", default="", metavar="TYPE", help="Such as c7i.xlarge."),
    click.option(
        "--nodes", type=click.IntRange(1, 200), metavar="N", help="Number of worker nodes."
    ),
    click.option(
        "--free-plan/--no-free-plan",
        default=None,
        help="Choose among what an account on AWS's free plan may start (default: AWS is asked "
        "where this machine is signed in).",
    ),
)


def all_of(*options: Option) -> Callable[[_Command], _Command]:
    """Give a command several options, in their order."""

    def decorate(command: _Command) -> _Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate
