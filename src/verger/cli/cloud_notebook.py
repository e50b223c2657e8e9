"""`verger cloud notebook`: options become arguments, outcomes lines."""

from __future__ import annotations

import dataclasses
import shlex
import subprocess
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from verger.cli.cloud_options import (
    ARCHITECTURE,
    BUDGET,
    FENCES,
    FREE_PLAN,
    INSTANCE_TYPE,
    KEEP,
    REGION,
    SUBNETS,
    WITHIN,
    all_of,
)  # fmt: skip
from verger.errors import StoreError
from verger.machine.folders import scratch_folder
from verger.progress import reporter, tell

if TYPE_CHECKING:
    from verger.cloud.tunnel import Way


@click.command("notebook")
@click.argument("store")
@click.option(
    "--on",
    type=click.Choice(["ec2", "emr", "serverless"]),
    default="ec2",
    show_default=True,
    help="Only ec2 works; the others are refused, with the reason.",
)
@click.option(
    "--photos",
    default="",
    metavar="S3_FOLDER",
    help="Where the photos are now (default: where the run found them).",
)
@click.option(
    "--language",
    type=click.Choice(["en", "fr"]),
    default="en",
    show_default=True,
    help="Language of the notebook.",
)
@click.option(
    "--overwrite", is_flag=True, help="Run the notebook again, even if STORE has a saved one."
)
@click.option(
    "--idle-minutes",
    type=click.IntRange(5, 1440),
    default=60,
    show_default=True,
    metavar="N",
    help="Shut down after this long with nothing computed or saved.",
)
@click.option(
    "--limit-minutes",
    type=click.IntRange(10, 10080),
    metavar="N",
    help="Shut down after this long, whatever happens (default: 480).",
)
@click.option(
    "--port",
    type=click.IntRange(1024, 65535),
    default=8888,
    show_default=True,
    help="Local port.",
)
@click.option("--plan", "only_plan", is_flag=True, help="Show what it costs; start nothing.")
@all_of(WITHIN, ARCHITECTURE, INSTANCE_TYPE, FREE_PLAN, BUDGET, REGION, *FENCES, SUBNETS, KEEP)
def notebook_command(
    store: str,
    on: Any,
    photos: str,
    port: int,
    only_plan: bool,
    region: str,
    budget: float,
    email: str,
    keep: bool,
    subnets: tuple[str, ...],
    **options: Any,
) -> None:
    """Open a STORE's notebook in JupyterLab, on an AWS server.

    STORE is the s3://bucket/folder of a run. The server copies it and its photos, runs the notebook
    and starts JupyterLab, which you reach through Session Manager: no port is open on AWS. Your
    changes are saved to STORE/notebook every minute and at the end. The server shuts down when it
    is idle, and at its limit, even without this machine. Ctrl-C leaves it running; verger cloud
    down ID ends it.
    """
    from verger.cloud import check, notebooks, parameters, places, runs, ship, tunnel
    from verger.cloud.aws import Aws
    from verger.cloud.life import Life
    from verger.cloud.sizes import types_of

    told = reporter(quiet=False)
    parameters.s3_folder(store, StoreError)
    parameters.check_email(email)
    life = Life(Aws(region), told)
    _ = life.aws.account  # who is not signed in shall know it first
    sizes = {name: options.pop(name) for name in _SIZES}
    photos = photos or notebooks.photos_of(life.aws, store)
    plan = notebooks.plan_notebook(life.aws, photos, store, **sizes)
    options["types"] = types_of(sizes["instance_type"])
    job = notebooks.notebook_job(plan, photos, store, budget_eur=budget, **options)
    job = dataclasses.replace(job, on=on)
    parameters.check(job)
    job = places.in_subnets(life.aws, job, subnets)
    told.say(notebooks.told_cost(plan, job))
    if only_plan:
        return
    job = check.prepare(life.aws, job, told)
    with scratch_folder() as folder, ExitStack() as open_ways:
        files = ship.artefacts(job, folder) | notebooks.token_file(folder)

        def when_ready() -> None:
            _open(tunnel.way(life.aws, job, port), tunnel.can_forward(), open_ways)

        budget_usd = job.budget_eur * plan.prices.usd_per_eur
        runs.run_to_end(
            life, job, files, budget_usd=budget_usd, email=email, keep=keep, when_ready=when_ready
        )
    tell(notebooks.where_saved(store), as_it_is=True)


_SIZES = ("hours", "architecture", "instance_type", "free_plan")


def _open(way: Way, can_forward: bool, open_ways: ExitStack) -> None:
    """Bring a page to this machine until `open_ways` is left; where that cannot be, say how."""
    if not can_forward:
        tell(f"Run this in another terminal, then open {way.local}:")
        tell(shlex.join(way.forward), as_it_is=True)
        return
    process = subprocess.Popen(way.forward, stdout=subprocess.DEVNULL)  # noqa: S603 - no shell
    open_ways.callback(process.wait)
    open_ways.callback(process.terminate)
    tell(f"Open {way.local}")
