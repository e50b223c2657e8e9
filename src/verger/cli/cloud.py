"""`verger cloud …`: options become arguments, outcomes lines. No logic, and no boto3 here."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from typing import Any

import click
from click.core import ParameterSource

from verger.cli import cloud_account, cloud_jobs
from verger.cli.cloud_options import BUDGET, REGION, SIZES, all_of
from verger.cli.helping import Commands
from verger.progress import reporter, show, tell


@click.group("cloud", cls=Commands)
def cloud() -> None:
    """Run Verger on AWS, and switch everything off afterwards.

    `verger cloud plan` shows how long a run takes and what it costs before you spend anything; it
    needs no account.

    Exit codes: those of `verger run`, and 9 AWS refused something or the run there failed, 10 the
    plan costs more than --budget, 11 you are not signed in to AWS, 12 AWS cannot be reached, 13 a
    bucket or the run is outside the EU, or a bucket is in another region than the run.
    """


@cloud.command("plan")
@click.argument("photos", required=False)
@click.argument("store", required=False)
@all_of(BUDGET, *SIZES, REGION)
@click.option(
    "--photos-count",
    type=click.IntRange(1),
    metavar="N",
    help="Plan for N photos without looking at any.",
)
@click.option(
    "--photo-kb",
    type=click.FloatRange(0, 10**6, min_open=True),
    default=100.0,
    show_default=True,
    metavar="KB",
    help="Their average size, with --photos-count.",
)
@click.option("--csv/--no-csv", default=True, help="Plan for a matrix in CSV too, or for none.")
@click.option(
    "--live-prices/--no-live-prices",
    "live",
    default=None,
    help="Ask AWS for today's prices (default: if you are signed in); otherwise use the dated "
    "table in the package.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON on stdout.")
def plan_command(
    photos: str | None, store: str | None, budget: float, as_json: bool, **options: Any
) -> None:
    """Show how long a run on AWS takes and what it costs; start nothing.

    PHOTOS is s3://bucket/folder or a local folder; STORE is s3://bucket/folder. Photos already in
    the STORE are not counted again. With a local folder, or --photos-count, no account is needed.
    """
    from verger.cloud.plan import as_json as record
    from verger.cloud.plan import check_budget
    from verger.cloud.plan_lines import plan_lines
    from verger.cloud.planning import planned

    plan = planned(photos, store, reporter(quiet=as_json), **options)
    if as_json:
        show(json.dumps(record(plan, budget), indent=2))
    else:
        tell("\n".join(plan_lines(plan, budget)))
    if photos and store and not as_json and plan.recommended.eur <= budget:
        upload = ["--upload", "s3://BUCKET/FOLDER"] if plan.workload.upload else []
        words = ["verger", "cloud", "run", photos, store, *upload, *_given()]
        tell("\nNext:")
        tell(f"  {shlex.join(words)}", as_it_is=True)
    check_budget(plan.recommended, budget)


def _given() -> Iterator[str]:
    """Yield what was said to the plan, as the run takes it too."""
    context = click.get_current_context()
    run = {option.name for option in cloud_jobs.run_command.params}
    for option in context.command.params:
        name = option.name or ""
        said = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if not isinstance(option, click.Option) or not said or name not in run - {"as_json"}:
            continue
        value = context.params[name]
        if option.is_flag:
            yield (option.opts if value else option.secondary_opts)[0]
        else:
            yield from (option.opts[0], f"{value:g}" if isinstance(value, float) else str(value))
    if not context.params["csv"]:
        yield from ("--", "--no-csv")


for command in (*cloud_account.COMMANDS, *cloud_jobs.COMMANDS):
    cloud.add_command(command)
