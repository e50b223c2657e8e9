"""One run on AWS from its plan to its end, and what `verger cloud` tells of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from verger.cloud.following import follow
from verger.cloud.job import Job, new_id
from verger.cloud.life import Life, is_lack_of_spot
from verger.cloud.places import verify
from verger.cloud.plan import Estimate, check_budget
from verger.cloud.watch import State
from verger.errors import BudgetError, CloudError, StoreError, UsageError, VergerError

DEFAULT_RELEASE = "emr-spark-8.0.0"


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
) -> Job:
    """Make a job of an estimate; its wall clock is what the budget buys, or less.

    Raises `BudgetError` where the run, or the time asked for, could cost more than the budget,
    `UsageError` for spot on EMR Serverless, which has none.
    """
    check_budget(chosen, budget_eur)
    if spot and chosen.on == "serverless":
        raise UsageError("EMR Serverless has no spot servers.", hint="Leave --spot out.")
    if limit_minutes is not None and chosen.eur_at(limit_minutes) > budget_eur:
        raise BudgetError(
            f"--limit-minutes {limit_minutes} could cost {chosen.eur_at(limit_minutes):,.2f} EUR, "
            f"more than the budget of {budget_eur:,.2f} EUR.",
            hint="Nothing was started. Give fewer minutes, or --budget.",
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
        options=options,
    )


def run_to_end(
    life: Life, job: Job, files: Mapping[str, Path], *, budget_usd: float, email: str, keep: bool
) -> dict[str, Any]:
    """Start a job, follow it, verify what it made, take all down; return the run record.

    Raises the `VergerError` that the run on AWS ended with, or that of what AWS refused.
    """
    life.start(job, files, budget_usd=budget_usd, email=email)
    life.reporter.say(
        f"{job.id} is under way, for {job.limit_minutes} minutes at most. It needs this machine no "
        f"more; verger cloud status {job.id} --region {job.region} --follow comes back to it."
    )
    state = follow(life, job)
    # Of a cluster AWS itself replaces the nodes that it takes back.
    may_lack_spot = job.on == "ec2" and job.spot and state.phase == "failed" and not state.result
    if may_lack_spot and is_lack_of_spot(state.line):
        state = follow(life, life.again_without_spot(job))
    return finish(life, job, state, keep=keep)


def finish(life: Life, job: Job, state: State, *, keep: bool) -> dict[str, Any]:
    """Verify what a job made and take all down; of one that failed, keep the logs.

    Raises the `VergerError` of the exit code that the run on AWS ended with.
    """
    try:
        if state.phase != "done":
            raise failure(job, state)
        record = verify(life.aws, job)
        _check_is_of(job, state, record)
    except VergerError:
        life.retire(job.id)
        life.reporter.say(
            f"Nothing of {job.id} runs any more. Its logs are kept for 30 days: verger cloud logs "
            f"{job.id}; verger cloud down {job.id} deletes them (both with --region {job.region})."
        )
        raise
    if keep:
        return record
    for note in life.down(job.id):
        life.reporter.say(f"Note: {note}")
    life.reporter.say(f"Nothing of {job.id} is left on AWS but {job.store}.")
    return record


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
    return kind(f"{job.id}: {state.line}.", hint=hint)
