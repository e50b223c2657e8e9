"""`verger cloud plan`: options become arguments, outcomes lines."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from typing import Any

import click
from click.core import ParameterSource

from verger.cli.cloud_jobs import run_command
from verger.cli.cloud_options import BUDGET, REGION, SIZES, all_of
from verger.progress import reporter, show, tell


@click.command("plan")
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
    run = {option.name for option in run_command.params}
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
