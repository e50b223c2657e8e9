"""From what a user asks to a plan: photos counted, prices chosen, sizes compared."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable

from verger.cloud.account import is_on_the_free_plan
from verger.cloud.counting import check_store, count
from verger.cloud.job import DEFAULT_REGION, Architecture, Platform
from verger.cloud.plan import DEFAULT_HOURS, Plan, Workload, estimate
from verger.cloud.prices import Prices, is_signed_in, live_prices, table_prices
from verger.cloud.regions import is_in_the_eu
from verger.cloud.sizes import check_dearest_first, types_of
from verger.errors import CloudError, UsageError
from verger.progress import Reporter

_OLD = dt.timedelta(days=180)


def planned(
    photos: str | None,
    store: str | None,
    reporter: Reporter,
    *,
    hours: float = DEFAULT_HOURS,
    on: Platform | None = None,
    architecture: Architecture = "x86_64",
    instance_type: str = "",
    nodes: int | None = None,
    region: str = DEFAULT_REGION,
    photos_count: int | None = None,
    photo_kb: float = 100.0,
    csv: bool = True,
    views: int | None = None,
    live: bool | None = None,
    free_plan: bool | None = None,
) -> Plan:
    """Plan a run of PHOTOS into STORE, or of `photos_count` photos that nobody looks at.

    `live` None asks AWS for its prices where this machine is signed in, and falls back on the
    table, with a note; True insists. `free_plan` None asks AWS there too. Raises what `count`,
    `estimate` and `live_prices` raise.
    """

    def measure() -> tuple[Workload, list[str]]:
        if photos_count is not None:
            if store is not None:
                check_store(store)
            size = round(photos_count * photo_kb * 1e3)
            work = Workload(
                photos=photos_count, size=size, listed=photos_count, csv=csv, views=views or 1
            )
            return work, []
        if photos is None or store is None:
            raise UsageError("A plan needs PHOTOS and STORE, or --photos-count N.")
        return count(photos, store, reporter, csv=csv, views=views)

    return plan_of(
        measure, hours=hours, on=on, architecture=architecture, instance_type=instance_type,
        nodes=nodes, region=region, live=live, free_plan=free_plan,
    )  # fmt: skip


def plan_of(
    measure: Callable[[], tuple[Workload, list[str]]],
    *,
    hours: float = DEFAULT_HOURS,
    on: Platform | None = None,
    architecture: Architecture = "x86_64",
    instance_type: str = "",
    nodes: int | None = None,
    region: str = DEFAULT_REGION,
    live: bool | None = None,
    free_plan: bool | None = None,
) -> Plan:
    """Plan what `measure` finds to do; its notes are told with it. The rest is as in `planned`.

    Of several types of server, with commas between, the first is planned. It may list millions of
    photos: what else can be wrong is looked at first.
    """
    types = types_of(instance_type)
    for kind in types or ("",):
        _check_names(kind, architecture, on, nodes)
    prices, price_notes = _prices(region, live)
    check_dearest_first(types, prices)
    work, notes = measure()
    if free_plan is None:
        free_plan = is_signed_in() and is_on_the_free_plan()
    plan = estimate(
        work,
        prices,
        architecture=architecture,
        hours=hours,
        on=on,
        instance_type=types[0] if types else "",
        nodes=nodes or 0,
        free_plan=free_plan,
    )
    if not is_in_the_eu(region):
        notes.append(f"{region} is not in the EU: verger cloud run there needs --outside-eu.")
    return dataclasses.replace(plan, notes=(*price_notes, *notes, *plan.notes))


def _prices(region: str, live: bool | None) -> tuple[Prices, list[str]]:
    table = table_prices(region)
    notes: list[str] = []
    if live or (live is None and is_signed_in()):
        try:
            return live_prices(region), []
        except CloudError as error:
            if live:
                raise
            notes.append(f"{error.what} The table is used.")
    if dt.datetime.now(dt.UTC).date() - table.date > _OLD:
        notes.append(f"The table of prices is of {table.date}: AWS may ask for something else now.")
    return table, notes


def _check_names(
    instance_type: str, architecture: Architecture, on: Platform | None, nodes: int | None
) -> None:
    if (instance_type or nodes) and on is None:
        raise UsageError("--instance-type and --nodes need --on, which says what they are for.")
    if instance_type and on == "serverless":
        raise UsageError("EMR Serverless has no servers to choose: --nodes are its executors.")
    if nodes and on == "ec2":
        raise UsageError("On EC2 there is one server: --nodes are those of a cluster.")
    family = instance_type.partition(".")[0]
    if instance_type and family.endswith("g") != (architecture == "arm64"):
        other = "x86_64" if architecture == "arm64" else "arm64"
        raise UsageError(f"{instance_type} is not {architecture}: add --architecture {other}.")
