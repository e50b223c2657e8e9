"""How a plan is told."""

from __future__ import annotations

from collections.abc import Iterator

from verger.cloud.plan import Plan
from verger.cloud.rates import SENT_MEGABYTES
from verger.texts.command import localized, say
from verger.texts.numbers import plural

_HEAD = ("", "on", "what", "time", "EUR", "USD", " ")
_NUMBERS = ("time", "EUR", "USD")


def plan_lines(plan: Plan, budget_eur: float) -> list[str]:
    """Return what is said of a plan, a line each."""
    rows = [tuple(map(say, _HEAD)), *_rows(plan, budget_eur)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = [_work(plan), _prices(plan), ""]
    for row in rows:
        cells = [
            text.rjust(width) if name in _NUMBERS else text.ljust(width)
            for name, text, width in zip(_HEAD, row, widths, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return [*lines, *_recommended(plan, budget_eur)]


def clock(seconds: float) -> str:
    """Write a duration as a person does: 45 s, 12 min, 5 h 10 min."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def _rows(plan: Plan, budget_eur: float) -> Iterator[tuple[str, ...]]:
    for one in plan.estimates:
        mark = "*" if one is plan.recommended else ""
        money = localized(f"{one.eur:,.2f}"), localized(f"{one.usd:,.2f}")
        over = "" if one.eur <= budget_eur else say("over the budget")
        yield mark, one.on, say(one.size), clock(one.seconds), *money, over


def _work(plan: Plan) -> str:
    work = plan.workload
    known = "" if work.photos == work.listed else f" of {work.listed:,}; STORE holds the rest"
    views = "" if work.views == 1 else f" in {work.views} views each"
    return (
        f"{work.photos:,} photo{plural(work.photos)} to embed{views} "
        f"({work.size / 1e6:,.1f} MB){known}."
    )


def _prices(plan: Plan) -> str:
    prices = plan.prices
    return (
        f"Prices: {prices.source}, {prices.region} ({prices.place}), and {prices.margin:.0%} more "
        f"for safety; 1 EUR = {prices.usd_per_eur:g} USD; without tax."
    )


def _recommended(plan: Plan, budget_eur: float) -> Iterator[str]:
    one = plan.recommended
    yield ""
    yield f"Recommended: {one.on}, {one.size} ({one.architecture}), {plan.why}."
    stages = ", ".join(f"{say(name)} {clock(seconds)}" for name, seconds in one.stages)
    yield f"  time: {stages}"
    width = max(len(say(line.what)) for line in one.lines)
    yield from (f"  {say(line.what):<{width}}  {line}" for line in one.lines)
    total = sum(line.cost for line in one.lines)
    yield f"  {say('sum'):<{width}}  ${total:.4f} × {1 + one.prices.margin:g} = ${one.usd:.4f}"
    if one.eur <= budget_eur:
        limit = one.limit_minutes(budget_eur)
        yield (
            f"Hard stop after {clock(limit * 60)}, at {one.eur_at(limit):.2f} EUR at most. "
            f"The budget is {budget_eur:.2f} EUR."
        )
    if one.spot_eur is not None:
        yield (
            f"With --spot, about {one.spot_eur:,.2f} EUR: servers usually at half price, which "
            "may be taken back; the run then continues at full price."
        )
    usd = plan.store_usd_a_month()
    if usd >= 0.01:
        yield f"Keeping the STORE costs {usd:,.2f} USD a month."
    else:
        yield "Keeping the STORE costs less than 0.01 USD a month."
    sent = SENT_MEGABYTES[one.on]
    month = sent / 1e3 * one.prices.s3_gb_month
    yield (
        f"Verger itself is sent once per region, {sent} MB ({clock(sent * 0.8)} at 10 Mbit/s), and "
        f"kept for 60 days: {month:.3f} USD a month."
    )
    yield from (f"Note: {note}" for note in plan.notes)
