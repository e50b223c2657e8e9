"""`verger cloud …`: options become arguments, outcomes lines. No logic, and no boto3 here."""

from __future__ import annotations

import click

from verger.cli import cloud_account, cloud_jobs, cloud_plan
from verger.cli.helping import Commands


@click.group("cloud", cls=Commands)
def cloud() -> None:
    """Run Verger on AWS, and switch everything off afterwards.

    `verger cloud plan` shows how long a run takes and what it costs before you spend anything; it
    needs no account.

    Exit codes: those of `verger run`, and 9 AWS refused something or the run there failed, 10 the
    plan costs more than --budget, 11 you are not signed in to AWS, 12 AWS cannot be reached, 13 a
    bucket or the run is outside the EU, or a bucket is in another region than the run.
    """


for command in (cloud_plan.plan_command, *cloud_account.COMMANDS, *cloud_jobs.COMMANDS):
    cloud.add_command(command)
