"""`verger cloud run` and what looks after a run: options become arguments, outcomes lines."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from verger.cli.cloud_notebook import notebook_command
from verger.cli.cloud_options import (
    ARCHITECTURE,
    BUDGET,
    FENCES,
    KEEP,
    REGION,
    SIZES,
    SUBNETS,
    all_of,
)  # fmt: skip
from verger.errors import StoreError, UsageError
from verger.machine.folders import scratch_folder
from verger.progress import Reporter, reporter, show, tell
from verger.settings import RunSettings
from verger.store.summary import summary
from verger.texts.command import say

if TYPE_CHECKING:
    from verger.cloud.job import Job
    from verger.cloud.life import Life
    from verger.cloud.plan import Plan

_SIZES = (
    *SIZES,
    click.option("--release", default="", metavar="LABEL",
                 help="EMR release, such as emr-7.13.0 (default: emr-spark-8.1.0)."),
    click.option("--spot", is_flag=True,
                 help="Use cheaper spot servers; continue at full price if AWS has none "
                 "or takes one back."),
    BUDGET,
    click.option("--limit-minutes", type=click.IntRange(10, 10080), metavar="N",
                 help="End everything after this long, whatever happens "
                 "(default: set by the plan)."),
    REGION,
    *FENCES,
)  # fmt: skip


@click.command("run")
@click.argument("photos")
@click.argument("store")
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
@all_of(*_SIZES)
@click.option(
    "--upload",
    default="",
    metavar="S3_FOLDER",
    help="First send PHOTOS, a local folder, to this folder.",
)
@SUBNETS
@KEEP
@click.option("--json", "as_json", is_flag=True, help="Print the run record as JSON on stdout.")
def run_command(
    photos: str,
    store: str,
    options: tuple[str, ...],
    upload: str,
    subnets: tuple[str, ...],
    keep: bool,
    email: str,
    as_json: bool,
    **sizes: Any,
) -> None:
    """Run on AWS: plan, send, run, check the result, take everything down.

    PHOTOS and STORE are s3://bucket/folder. OPTIONS after -- go to verger run, for example
    -- --components 0.95. Once the run is under way you can close this machine; verger cloud status
    ID --follow comes back to it. Ctrl-C leaves it running.
    """
    from verger.cloud import check, parameters, places, runs, ship, sync

    told = reporter(quiet=as_json)
    parameters.s3_folder(store, StoreError)
    if not upload:
        sync.refuse_local(photos)
    parameters.check_email(email)
    settings = _settings(photos, store, options)
    life = _life(sizes["region"], told)
    _ = life.aws.account  # tells first whoever is not signed in
    job, plan = _planned(photos, upload or photos, store, options, settings, told, **sizes)
    parameters.check(job)
    job = places.in_subnets(life.aws, job, subnets)
    job = check.prepare(life.aws, job, told)
    estimate = plan.of(job.on)
    told.say(
        f"{job.on}, {estimate.size}: about {estimate.seconds / 60:.0f} minutes, "
        f"{estimate.eur:.2f} EUR; {estimate.eur_at(job.limit_minutes):.2f} EUR at most, when it is "
        f"ended after {job.limit_minutes} minutes."
    )
    with scratch_folder() as folder:
        files = ship.artefacts(job, folder)  # before sending anything: this may fail
        if upload and sync.is_local(photos):
            sync.upload(life.aws, photos, upload, told)
        budget_usd = job.budget_eur * plan.prices.usd_per_eur
        record = runs.run_to_end(life, job, files, budget_usd=budget_usd, email=email, keep=keep)
    (show if as_json else tell)(json.dumps(record, indent=2) if as_json else summary(record, store))


@click.command("show")
@click.argument("photos")
@click.argument("store")
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
@all_of(*_SIZES)
@click.option(
    "--photos-count",
    type=click.IntRange(1),
    metavar="N",
    help="Assume N photos without listing them.",
)
@click.option("--name", default="", metavar="ID", help="Name of the job (default: a new one).")
@click.option(
    "--account", default="", metavar="NUMBER", help="Your account number, to deploy by hand."
)
@click.option(
    "--to",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Write the files here instead of printing them.",
)
def show_command(
    photos: str,
    store: str,
    options: tuple[str, ...],
    email: str,
    name: str,
    account: str,
    to: Path | None,
    **sizes: Any,
) -> None:
    """Print every file and parameter of a run; start nothing.

    With --photos-count it needs no account. The files are all you need to deploy by hand;
    README.txt among them explains how.
    """
    from verger.cloud.parameters import check_account, check_email
    from verger.cloud.show import ACCOUNT, dry_run, printed

    told = reporter(quiet=True)
    check_email(email)
    check_account(account)
    settings = _settings(photos, store, options)
    job, plan = _planned(photos, photos, store, options, settings, told, name=name, **sizes)
    budget_usd = job.budget_eur * plan.prices.usd_per_eur
    now = dt.datetime.now(dt.UTC)
    files = dry_run(job, budget_usd=budget_usd, email=email, now=now, account=account or ACCOUNT)
    if to is None:
        show(printed(files), nl=False)
        return
    for file, text in files.items():
        path = to / file
        with _writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        tell(path, as_it_is=True)


@click.command("pack")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--on",
    type=click.Choice(["ec2", "emr", "serverless"]),
    required=True,
    help="Platform to build for.",
)
@ARCHITECTURE
def pack_command(folder: Path, on: Any, architecture: Any) -> None:
    """Build in FOLDER what a job's scratch bucket holds: wheels or an archive, and scripts.

    Only for deploying by hand; verger cloud run does this itself.
    """
    from verger.cloud.job import Job
    from verger.cloud.ship import artefacts

    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    job = Job(id="verger-pack", photos="", store="", on=on, architecture=architecture)
    with scratch_folder() as made:
        for key, file in artefacts(job, made).items():
            path = folder / key
            with _writing(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, path)
            tell(path, as_it_is=True)


@click.command("status")
@click.argument("job_id", metavar="[ID]", required=False)
@click.option(
    "--follow", is_flag=True, help="Follow it to the end, check the result, take everything down."
)
@KEEP
@REGION
def status_command(job_id: str | None, follow: bool, keep: bool, region: str) -> None:
    """Show what a job is doing, or list all jobs; --follow comes back to one."""
    from verger.cloud import following, runs, stack, watch

    life = _life(region)
    if job_id is None:
        jobs = stack.jobs(life.aws)
        tell("\n".join(f"{job}  {what}" for job, what in jobs) or f"No job in {region}.")
        return
    job = life.job(job_id)
    if follow:
        state = following.follow(life, job)
        tell(summary(runs.finish(life, job, state, keep=keep), job.store))
        return
    state = watch.look(life.aws, job, life.scratch(job.id))
    ends = f" Ends at the latest at {state.ends:%Y-%m-%d %H:%M} UTC." if state.ends else ""
    line = f"{say(state.phase)}{say(': ')}{say(state.line)}."
    tell(line if state.is_over else f"{line}{say(ends)}", as_it_is=True)


@click.command("logs")
@click.argument("job_id", metavar="ID")
@click.option("--lines", type=click.IntRange(1), default=40, show_default=True, metavar="N",
              help="How many.")  # fmt: skip
@REGION
def logs_command(job_id: str, lines: int, region: str) -> None:
    """Print the last lines of a job's logs; if it failed, keep them next to STORE too."""
    from verger.cloud.following import last_lines
    from verger.cloud.runs import keep_late_logs

    life = _life(region)
    job = life.job(job_id)
    for line in last_lines(life.scratch(job.id), lines):
        tell(line, as_it_is=True)
    keep_late_logs(life, job)


@click.command("stop")
@click.argument("job_id", metavar="ID")
@REGION
def stop_command(job_id: str, region: str) -> None:
    """Stop a job at once. Its logs and stacks stay; verger cloud down deletes them."""
    ended = _life(region).stop(job_id)
    tell(f"Stopped: {', '.join(ended)}." if ended else "Nothing of it was running.")


@click.command("down")
@click.argument("job_id", metavar="ID")
@REGION
def down_command(job_id: str, region: str) -> None:
    """Delete everything AWS has of a job, and check that nothing is left.

    Your photos and STORE stay: they are in your own buckets. Safe to repeat.
    """
    for note in _life(region).down(job_id):
        tell(f"Note: {note}")
    tell(f"Nothing of {job_id} is left in {region}.")


@click.command("ui")
@click.argument("job_id", metavar="ID")
@click.option("--port", type=click.IntRange(1024, 65535), default=4040, show_default=True,
              help="Local port.")  # fmt: skip
@click.option("--print", "only_print", is_flag=True, help="Print the command; run nothing.")
@click.option("--ssh", is_flag=True, help="Print the commands for an SSH tunnel instead.")
@click.option("--foxyproxy", type=click.Path(path_type=Path), metavar="FILE",
              help="Write FoxyProxy settings for the SSH tunnel.")  # fmt: skip
@REGION
def ui_command(
    job_id: str, port: int, only_print: bool, ssh: bool, foxyproxy: Path | None, region: str
) -> None:
    """Open a job's Spark UI or notebook on this machine; no port is opened on AWS.

    Uses SSM port forwarding if the aws command and its session-manager-plugin are installed;
    otherwise prints the command. For EMR and EMR Serverless, AWS's own page is printed too.
    """
    from verger.cloud import tunnel, watch

    if foxyproxy is not None:
        with _writing(foxyproxy):
            foxyproxy.write_text(tunnel.foxyproxy(region), encoding="utf-8")
        tell(f"Wrote {foxyproxy}: FoxyProxy, Options, Import.")
    life = _life(region)
    job = life.job(job_id)
    if ssh or foxyproxy is not None:
        if job.on == "serverless":
            raise click.UsageError("EMR Serverless has no server to reach by SSH.")
        server = tunnel.server_of(life.aws, job, watch.compute_id(life.aws, job))
        key = str(Path("~/.ssh/id_ed25519").expanduser())
        for command in tunnel.ssh(region, server, job.on, key):
            tell(shlex.join(command), as_it_is=True)
        return
    way = tunnel.way(life.aws, job, port)
    if way.url:
        tell(f"AWS's own page (the link expires soon): {way.url}")
    if not way.forward:
        return
    if only_print or not tunnel.can_forward():
        tell(f"Run this, then open {way.local}:")
        tell(shlex.join(way.forward), as_it_is=True)
        return
    tell(f"Open {way.local}; Ctrl-C closes the connection.")
    subprocess.run(way.forward, check=False)  # noqa: S603 - a list, no shell


COMMANDS = (
    run_command, notebook_command, status_command, logs_command, stop_command, down_command,
    show_command, pack_command, ui_command,
)  # fmt: skip


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}.") from None


def _life(region: str, told: Reporter | None = None) -> Life:
    from verger.cloud.aws import Aws
    from verger.cloud.life import Life

    return Life(Aws(region), told or reporter(quiet=False))


def _settings(photos: str, store: str, options: tuple[str, ...]) -> RunSettings:
    """Read the options of `verger run` here as the server will, before it costs anything."""
    from verger.cloud.parameters import check_settings

    context = click.get_current_context()
    group = context.find_root().command
    assert isinstance(group, click.Group)  # noqa: S101 - verger itself
    line = [photos, store, *options]
    given = group.commands["run"].make_context("verger run", line).params
    if given["dry_run"]:
        raise click.UsageError("--dry-run makes nothing on AWS either: verger cloud plan counts.")
    names = [field.name for field in dataclasses.fields(RunSettings)]
    settings = RunSettings(**{name: given[name] for name in names})
    check_settings(settings)
    return settings


def _planned(
    photos: str,
    on_aws: str,
    store: str,
    options: tuple[str, ...],
    settings: RunSettings,
    told: Reporter,
    *,
    budget: float,
    name: str = "",
    release: str,
    spot: bool,
    limit_minutes: int | None,
    outside_eu: bool,
    kms_keys: tuple[str, ...],
    boundary: str,
    role_prefix: str,
    notify: str,
    **sizes: Any,
) -> tuple[Job, Plan]:
    """Plan what is asked for; refuse what exceeds the budget."""
    from verger.cloud.planning import planned
    from verger.cloud.runs import job_of
    from verger.cloud.sizes import types_of
    from verger.pipeline.engines import takes_spark

    csv, views = settings.csv, settings.views_a_photo
    plan = planned(photos, store, told, csv=csv, views=views, **sizes)
    job = job_of(
        plan.recommended,
        on_aws,
        store,
        release=release,
        spot=spot,
        limit_minutes=limit_minutes,
        budget_eur=budget,
        options=options,
        name=name,
        takes_spark=takes_spark(settings, plan.workload.photos),
        outside_eu=outside_eu,
        kms_keys=kms_keys,
        boundary=boundary,
        role_prefix=role_prefix,
        notify=notify,
        types=types_of(sizes["instance_type"]),
    )
    return job, plan
