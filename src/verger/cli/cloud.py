"""`verger cloud …`: options become arguments, outcomes lines. No logic, and no boto3 here."""

from __future__ import annotations

from collections.abc import MutableMapping
from functools import cache

import click

from verger.cli.helping import Commands


class _Cloud(Commands):
    """Imports its commands when they are asked for: the others begin without them."""

    @property
    def commands(self) -> MutableMapping[str, click.Command]:
        return _commands()

    @commands.setter
    def commands(self, none_yet: MutableMapping[str, click.Command]) -> None:
        """Leave aside what click begins with."""


@cache
def _commands() -> dict[str, click.Command]:
    from verger.cli import cloud_account, cloud_jobs, cloud_plan

    all_of_them = (cloud_plan.plan_command, *cloud_account.COMMANDS, *cloud_jobs.COMMANDS)
    return {command.name or "": command for command in all_of_them}


@click.group("cloud", cls=_Cloud)
def cloud() -> None:
    """Run Verger on AWS, and switch everything off afterwards.

    `verger cloud plan` shows how long a run takes and what it costs before you spend anything; it
    needs no account.

    Exit codes: those of `verger run`, and 9 AWS refused something or the run there failed, 10 the
    plan costs more than --budget, 11 you are not signed in to AWS, 12 AWS cannot be reached, 13 a
    bucket or the run is outside the EU, or a bucket is in another region than the run.
    """
