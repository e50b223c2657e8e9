"""What a run on AWS takes and costs, before anything is spent."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

from verger.cloud.account import NEW_ACCOUNT_VCPUS
from verger.cloud.bill import Estimate, Line, Workload
from verger.cloud.job import Architecture, Platform
from verger.cloud.prices import Prices
from verger.cloud.sizes import FREE_PLAN, OF_ALL, csv_bytes, lead_bytes, sizes, store_bytes
from verger.errors import BudgetError, UsageError
from verger.texts.numbers import plural

__all__ = ["Estimate", "Line", "Plan", "Workload", "as_json", "check_budget", "estimate"]

PLATFORMS: tuple[Platform, ...] = ("ec2", "emr", "serverless")
DEFAULT_HOURS = 1.0
_LEAD_DISK: dict[Platform, int] = {"emr": 64, "serverless": 20}  # GB
_NEAR_THE_FASTEST = 1.25


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """The estimate of each platform, and the one that is recommended.

    notes: what a person should know of it, a line each
    """

    workload: Workload
    prices: Prices
    hours: float
    estimates: tuple[Estimate, ...]
    recommended: Estimate
    why: str
    notes: tuple[str, ...]

    def of(self, on: Platform) -> Estimate:
        """Return the estimate of one platform. Raises `UsageError` where there is none."""
        for estimate in self.estimates:
            if estimate.on == on:
                return estimate
        raise UsageError(f"The plan has nothing for {on}.")

    def store_usd_a_month(self) -> float:
        """Return what it costs to keep the STORE, in US dollars a month."""
        return store_bytes(self.workload) / 1e9 * self.prices.s3_gb_month


def estimate(
    workload: Workload,
    prices: Prices,
    *,
    architecture: Architecture = "x86_64",
    hours: float = DEFAULT_HOURS,
    on: Platform | None = None,
    instance_type: str = "",
    nodes: int = 0,
    free_plan: bool = False,
) -> Plan:
    """Plan a run: for each platform the cheapest size that finishes within `hours`.

    Where none is, the cheapest among those that take hardly longer than the fastest. `on`,
    `instance_type` and `nodes` narrow what is looked at, and so does `free_plan`: one server, of a
    type that an account on AWS's free plan may start. Raises `UsageError` for what has no price.
    """
    if not 0 < hours < math.inf:
        raise UsageError(f"--within {hours:g}: give a number of hours above 0.")
    estimates = []
    platforms: tuple[Platform, ...] = ("ec2",) if free_plan else PLATFORMS
    for platform in platforms if on is None else (on,):
        looked_at = sizes(
            platform, workload, prices, architecture, instance_type, nodes, free_plan=free_plan
        )
        estimates.append(_best(list(looked_at), hours))
    recommended = _best(estimates, hours)
    return Plan(
        workload,
        prices,
        hours,
        tuple(estimates),
        recommended,
        _why(recommended, estimates, hours),
        (*_free_plan_notes(recommended, free_plan=free_plan), *_notes(workload, recommended)),
    )


def check_budget(chosen: Estimate, budget_eur: float) -> None:
    """Raise `BudgetError` where an estimate, margin and all, costs more than the budget."""
    if not 0 < budget_eur < math.inf:
        raise UsageError(f"--budget {budget_eur:g}: give euros above 0.")
    if chosen.eur > budget_eur:
        raise BudgetError(
            f"{chosen.on} ({chosen.size}) is estimated at {chosen.eur:,.2f} EUR, more than the "
            f"budget of {budget_eur:,.2f} EUR.",
            hint="Nothing was started. Give more time (--within HOURS), fewer photos, or --budget.",
        )


def _best(estimates: list[Estimate], hours: float) -> Estimate:
    in_time = [size for size in estimates if size.seconds <= hours * 3600]
    fastest = min(size.seconds for size in estimates)
    near = [size for size in estimates if size.seconds <= _NEAR_THE_FASTEST * fastest]
    return min(in_time or near, key=lambda size: (size.usd, size.seconds))


def _why(chosen: Estimate, estimates: list[Estimate], hours: float) -> str:
    if chosen.seconds > hours * 3600:
        return f"nothing finishes within {hours:g} h; this is the cheapest of the fastest"
    if len(estimates) == 1:
        return f"the cheapest size that finishes within {hours:g} h"
    return f"the cheapest that finishes within {hours:g} h"


def _free_plan_notes(chosen: Estimate, *, free_plan: bool) -> Iterator[str]:
    if not free_plan:
        return
    types = FREE_PLAN["x86_64"] + FREE_PLAN["arm64"]
    if chosen.on == "ec2" and chosen.instance_type in types:
        yield f"An account on AWS's free plan starts {', '.join(types)}; others need the paid plan."
    else:
        yield (
            f"An account on AWS's free plan cannot start {chosen.size} on {chosen.on}: it has "
            f"{', '.join(types)}. The paid plan has all (Billing, Upgrade plan); credits are kept."
        )


def _notes(work: Workload, chosen: Estimate) -> Iterator[str]:
    if work.upload:
        yield (
            f"The photos are on this machine: verger cloud run --upload s3://BUCKET/FOLDER sends "
            f"them first ({work.photos:,} file{plural(work.photos)}, {work.size / 1e9:,.2f} GB). "
            "What that costs is in the estimate; how long it takes is not."
        )
    if chosen.instance_type.endswith(".micro"):
        yield (
            f"{chosen.instance_type} has 1 GB of memory; "
            "a run with Spark on two cores takes 1.7 GB."
        )
    if chosen.vcpus > NEW_ACCOUNT_VCPUS[chosen.on]:
        yield (
            f"This takes {chosen.vcpus} vCPU at once; a new account often may have "
            f"{NEW_ACCOUNT_VCPUS[chosen.on]} (Service Quotas): verger cloud check asks."
        )
    lead = sum(s for name, s in chosen.stages if name not in OF_ALL)
    if lead > max(chosen.seconds / 4, 1800):
        yield f"For {lead / 3600:.1f} h of it one process works alone: more servers do not help."
    if work.csv and csv_bytes(work) > 50e9:
        yield f"matrix.csv will have {csv_bytes(work) / 1e9:,.0f} GB: --no-csv leaves it out."
    if chosen.on != "ec2" and lead_bytes(work) / 1e9 > _LEAD_DISK[chosen.on] - 10:
        yield (
            f"The driver needs {lead_bytes(work) / 1e9:,.0f} GB of disk, more than "
            f"it has on {chosen.on}: take --on ec2, which gets enough."
        )


def as_json(plan: Plan, budget_eur: float) -> dict[str, Any]:
    """Return a plan as what JSON can hold."""
    return {
        "workload": dataclasses.asdict(plan.workload),
        "prices": {
            "region": plan.prices.region,
            "source": plan.prices.source,
            "date": str(plan.prices.date),
            "margin": plan.prices.margin,
            "usd_per_eur": plan.prices.usd_per_eur,
        },
        "within_hours": plan.hours,
        "budget_eur": budget_eur,
        "recommended": plan.recommended.on,
        "why": plan.why,
        "estimates": [_estimate_json(one, budget_eur) for one in plan.estimates],
        "store_usd_a_month": round(plan.store_usd_a_month(), 4),
        "notes": list(plan.notes),
    }


def _estimate_json(one: Estimate, budget_eur: float) -> dict[str, Any]:
    limit = one.limit_minutes(budget_eur)
    names = ("on", "architecture", "instance_type", "nodes", "primary_type", "vcpus", "disk_gb")
    return {
        **{name: getattr(one, name) for name in names},
        "seconds": round(one.seconds),
        "stages": {name: round(seconds, 1) for name, seconds in one.stages},
        "lines": [
            {
                "what": line.what,
                "count": round(line.count, 6),
                "unit": line.unit,
                "hours": line.hours,
                "unit_usd": line.usd,
                "usd": line.cost,
            }
            for line in one.lines
        ],
        "usd": one.usd,
        "eur": one.eur,
        "spot_eur": one.spot_eur,
        "within_budget": one.eur <= budget_eur,
        "limit_minutes": limit,
        "eur_at_limit": one.eur_at(limit),
    }
