"""One run on AWS from its plan to its end, and what `verger cloud` tells of it."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from verger.cloud.following import follow, last_lines
from verger.cloud.job import Job, new_id
from verger.cloud.life import Life
from verger.cloud.places import keep_log, kept_log, verify
from verger.cloud.plan import Estimate, check_budget
from verger.cloud.scratch import Key
from verger.cloud.sizes import instead_of
from verger.cloud.tunnel import SPARK_UI
from verger.cloud.watch import State, had_nodes, log_keys
from verger.errors import BudgetError, CloudError, StoreError, UsageError, VergerError
from verger.texts.command import say
from verger.texts.numbers import plural

# Long-term support, until September 2029; Spark 4.1.1, Python 3.11 and 3.13, Java 17
# (https://docs.aws.amazon.com/emr/latest/ReleaseGuide/emr-spark810-release.html).
DEFAULT_RELEASE = "emr-spark-8.1.0"
_KEPT_LINES, _SAID_LINES = 200, 20
# A cluster's logs are sent each five minutes, and once more when its nodes end
# (https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-plan-debugging.html).
_LOG_LOOKS, _SECONDS_BETWEEN_LOOKS = 18, 20.0


def job_of(
    chosen: Estimate,
    photos: str,
    store: str,
    *,
    release: str,
    spot: bool,
    limit_minutes: int | None,
    budget_eur: float,
    options: tuple[str, ...] = (),
    name: str = "",
    takes_spark: bool = False,
    outside_eu: bool = False,
    kms_keys: tuple[str, ...] = (),
    boundary: str = "",
    role_prefix: str = "",
    notify: str = "",
    types: tuple[str, ...] = (),
) -> Job:
    """Make a job of an estimate; its wall clock is what the budget buys, or less.

    Where it `takes_spark`, a server shows Spark's page. Where AWS has no room, the other `types`
    that were asked for are tried, or those that do as well. Raises `BudgetError` where the run, or
    the time asked for, could cost more than the budget, `UsageError` for what the platform has not:
    spot on EMR Serverless, a release of EMR on a server.
    """
    check_budget(chosen, budget_eur)
    if release and chosen.on == "ec2":
        raise UsageError(
            f"--release {release}: the plan takes one EC2 server, which has no EMR.",
            hint="Leave --release out, or give --on emr.",
        )
    if spot and chosen.on == "serverless":
        raise UsageError("EMR Serverless has no spot servers.", hint="Leave --spot out.")
    if limit_minutes is not None and chosen.eur_at(limit_minutes) > budget_eur:
        raise BudgetError(
            f"--limit-minutes {limit_minutes} could cost {chosen.eur_at(limit_minutes):,.2f} EUR, "
            f"more than the budget of {budget_eur:,.2f} EUR.",
            hint="Nothing was started. Give fewer minutes or a higher --budget.",
        )
    minutes = limit_minutes or chosen.limit_minutes(budget_eur)
    return Job(
        id=name or new_id(),
        photos=photos,
        store=store,
        on=chosen.on,
        region=chosen.prices.region,
        architecture=chosen.architecture,
        instance_type=chosen.instance_type,
        nodes=chosen.nodes,
        primary_type=chosen.primary_type,
        disk_gb=max(20, math.ceil(chosen.disk_gb)),
        release="" if chosen.on == "ec2" else release or DEFAULT_RELEASE,
        price=str(chosen.price),
        spot=spot,
        limit_minutes=max(minutes, 10),
        budget_eur=budget_eur,
        outside_eu=outside_eu,
        kms_keys=kms_keys,
        boundary=boundary,
        role_prefix=role_prefix,
        notify=notify,
        other_types=types[1:] if types else instead_of(chosen),
        # Only a server's own Spark is told: elsewhere the platform keeps the page.
        options=(*options, *(SPARK_UI if chosen.on == "ec2" and takes_spark else ())),
    )


def run_to_end(
    life: Life,
    job: Job,
    files: Mapping[str, Path],
    *,
    budget_usd: float,
    email: str,
    keep: bool,
    when_ready: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Start a job, follow it, verify what it made, take all down; return the run record.

    `when_ready` is called once the JupyterLab of a notebook answers. Raises the `VergerError` that
    the run on AWS ended with, or that of what AWS refused.
    """
    life.start(job, files, budget_usd=budget_usd, email=email)
    life.reporter.say(
        f"{job.id} is under way, for {job.limit_minutes} minutes at most, and no longer needs this "
        f"machine. To come back to it: verger cloud status {job.id} --region {job.region} --follow"
    )
    return finish(life, job, follow(life, job, when_ready), keep=keep)


def finish(life: Life, job: Job, state: State, *, keep: bool) -> dict[str, Any]:
    """Verify what a job made and take all down; of one that failed, keep the logs.

    Raises the `VergerError` of the exit code that the run on AWS ended with.
    """
    try:
        if state.phase != "done":
            raise failure(job, state)
        record = verify(life.aws, job)
        _check_is_of(job, state, record)
    except VergerError as error:
        life.retire(job.id)
        _keep_reason(life, job, state, error)
        raise
    if keep:
        return record
    for note in life.down(job.id):
        life.reporter.say(f"Note: {note}")
    life.reporter.say(f"Nothing of {job.id} is left on AWS except {job.store}.")
    return record


def _keep_reason(life: Life, job: Job, state: State, error: VergerError) -> None:
    """Say why a job failed as its logs have it, and keep that beside STORE."""
    scratch, say, kept = life.scratch(job.id), life.reporter.say, 0
    may_log = state.result is not None
    try:
        where = keep_log(life.aws, job, f"{error.what}\n")
        say(f"Why it failed is kept in {where}.")
        if job.on == "emr" and not may_log:
            may_log = had_nodes(life.aws, job.id)
            if may_log:
                _await_logs(life, job)
        for line in last_lines(scratch, _SAID_LINES, of_the_platform=True):
            say(f"| {line}")
        if kept := keep_late_logs(life, job):
            say(f"The end of its logs, {kept:,} line{plural(kept)}, is kept there too.")
    except VergerError as second:
        say(f"{second.what} Nothing more is kept next to STORE.")
        may_log = True
    if not kept and not may_log:
        life.down(job.id)  # nothing ran, and nothing was logged
        say(f"Nothing of {job.id} is left on AWS.")
        return
    say(
        f"Nothing of {job.id} runs any more. Its logs are kept for 30 days: verger cloud logs "
        f"{job.id}; verger cloud down {job.id} deletes them (both with --region {job.region})."
    )


def keep_late_logs(life: Life, job: Job) -> int:
    """Keep the last lines of a job that failed beside STORE, below why; return how many.

    May be said again, when more have come. Of a job that did not fail nothing is kept.
    """
    why = kept_log(life.aws, job).partition("\n")[0]
    lines = last_lines(life.scratch(job.id), _KEPT_LINES) if why else []
    if lines:
        keep_log(life.aws, job, "\n".join([why, *lines]) + "\n")
    return len(lines)


def _await_logs(life: Life, job: Job) -> None:
    """Wait for a cluster's own logs, which come when its nodes have ended: late, or never.

    They are read once they change no more. Ctrl-C waits no longer.
    """
    life.reporter.say("Waiting up to six minutes for the cluster's logs; Ctrl-C skips this.")
    seen: list[Key] = []
    with contextlib.suppress(KeyboardInterrupt):
        for _ in range(_LOG_LOOKS):
            there = log_keys(life.scratch(job.id))
            if there and there == seen:
                return
            seen = there
            life.sleep(_SECONDS_BETWEEN_LOOKS)
    if not seen:
        life.reporter.say(
            f"No log of the cluster has arrived yet. Later, verger cloud logs {job.id} --region "
            f"{job.region} prints what has, and keeps it next to STORE."
        )


def _check_is_of(job: Job, state: State, record: dict[str, Any]) -> None:
    """Refuse the record of an earlier run, which a job that wrote none would leave in STORE."""
    told = (state.result or {}).get("record") or {}
    if told and told.get("finished") != record.get("finished"):
        raise StoreError(
            f"{job.store}: its record is of a run that ended {record.get('finished')}; that of "
            f"{job.id} ended {told.get('finished')}.",
            hint="Another run on the same STORE came later, or this one was not published.",
        )


def failure(job: Job, state: State) -> VergerError:
    """Make the error of a job that failed; it has the exit code of the run on AWS."""
    result = state.result or {}
    kinds = {kind.exit_code: kind for kind in VergerError.__subclasses__()}
    kind = kinds.get(result.get("exit_code", 0), CloudError)
    hint = "What was embedded is kept in STORE: the same run again goes on from there."
    if job.notebook:
        hint = f"What was saved is in {job.store}/notebook."
    return kind(f"{job.id}{say(': ')}{say(state.line)}.", hint=hint)
