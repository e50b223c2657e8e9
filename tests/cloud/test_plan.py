"""A plan's arithmetic adds up, grows with the work, and is refused over the budget."""

from __future__ import annotations

import dataclasses
from typing import Any, NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verger.cloud.job import Architecture
from verger.cloud.plan import (
    PLATFORMS,
    Estimate,
    Line,
    Plan,
    Workload,
    check_budget,
    estimate,
)
from verger.cloud.plan_lines import clock, plan_lines
from verger.cloud.planning import plan_of
from verger.cloud.prices import regions, table_prices
from verger.cloud.sizes import FREE_PLAN
from verger.errors import BudgetError, UsageError

PRICES = table_prices("eu-west-1")
FRUITS_360 = Workload(photos=67_692, size=67_692 * 4_800, listed=67_692)

FEW = settings(max_examples=40, deadline=None)
photos = st.integers(1, 10**8)
sizes = st.integers(0, 5_000_000)  # bytes a photo
hours = st.sampled_from([0.1, 1.0, 24.0])


def workload(count: int, each: int = 5_000, known: int = 0) -> Workload:
    return Workload(photos=count, size=count * each, listed=count + known)


def same_size(work: Workload, other: Estimate) -> Estimate:
    """Plan some work on the size of another estimate."""
    nodes = 0 if other.on == "ec2" else other.nodes
    plan = estimate(work, PRICES, on=other.on, instance_type=other.instance_type, nodes=nodes)
    return plan.recommended


def test_fruits_360_costs_less_than_a_quarter_of_a_euro_on_one_server() -> None:
    """The number that the project promises: everything included, set-up too."""
    plan = estimate(FRUITS_360, PRICES)
    server = plan.of("ec2")
    assert plan.recommended is server
    assert server.eur <= 0.10
    assert dict(server.stages)["start"] >= 180
    assert server.seconds < 3600


@pytest.mark.parametrize("region", regions())
@pytest.mark.parametrize("architecture", ["x86_64", "arm64"])
def test_it_does_so_everywhere(region: str, architecture: Architecture) -> None:
    plan = estimate(FRUITS_360, table_prices(region), architecture=architecture)
    assert plan.of("ec2").eur <= 0.10
    assert {one.architecture for one in plan.estimates} == {architecture}


@FEW
@given(photos, sizes, hours, st.sampled_from(["x86_64", "arm64"]))
def test_lines_and_stages_add_up(
    count: int, each: int, within: float, architecture: Architecture
) -> None:
    plan = estimate(workload(count, each), PRICES, hours=within, architecture=architecture)
    assert tuple(one.on for one in plan.estimates) == PLATFORMS
    for one in plan.estimates:
        assert all(line.cost > 0 for line in one.lines)
        assert all(seconds > 0 for _, seconds in one.stages)
        assert one.usd == pytest.approx(sum(line.cost for line in one.lines) * 1.25)
        assert one.eur == pytest.approx(one.usd / PRICES.usd_per_eur)
        assert one.seconds == pytest.approx(sum(seconds for _, seconds in one.stages))
        for line in one.lines:
            assert line.hours is None or line.hours >= 1 / 60
            assert line.hours is None or line.hours <= one.seconds / 3600 + 1 / 3600 + 1e-9


@FEW
@given(photos, photos, sizes, hours)
def test_more_photos_take_longer_and_cost_more_on_the_same_size(
    one: int, other: int, each: int, within: float
) -> None:
    few, many = sorted((one, other))
    for planned in estimate(workload(few, each), PRICES, hours=within).estimates:
        more = same_size(workload(many, each), planned)
        assert more.usd >= planned.usd
        assert more.seconds >= planned.seconds


@FEW
@given(photos, sizes, hours)
def test_photos_that_the_store_knows_cost_less_than_new_ones(
    count: int, each: int, within: float
) -> None:
    for planned in estimate(workload(count, each), PRICES, hours=within).estimates:
        grown = same_size(Workload(photos=0, size=0, listed=count), planned)
        assert grown.usd < planned.usd


@FEW
@given(photos, sizes, hours)
def test_the_cheapest_that_is_in_time_is_recommended(count: int, each: int, within: float) -> None:
    plan = estimate(workload(count, each), PRICES, hours=within)
    in_time = [one for one in plan.estimates if one.seconds <= within * 3600]
    if in_time:
        assert plan.recommended.usd == min(one.usd for one in in_time)
        assert plan.recommended.seconds <= within * 3600
        assert plan.why == f"the cheapest that finishes within {within:g} h"
    else:
        assert "nothing finishes" in plan.why


def test_one_hundred_million_photos_are_told_what_holds_them_up() -> None:
    plan = estimate(workload(10**8), PRICES, hours=24)
    text = " ".join(plan.notes)
    assert "GB: --no-csv leaves it out" in text
    assert "one process works alone" in text
    with pytest.raises(BudgetError, match=r"ec2 .* more than the budget of 10\.00 EUR"):
        check_budget(plan.of("ec2"), 10)


@FEW
@given(photos, sizes, st.floats(0.01, 1e4))
def test_what_exceeds_the_budget_is_refused(count: int, each: int, budget: float) -> None:
    for one in estimate(workload(count, each), PRICES).estimates:
        if one.eur <= budget:
            check_budget(one, budget)
            assert one.limit_minutes(budget) >= one.seconds / 60
        else:
            with pytest.raises(BudgetError, match="Nothing was started"):
                check_budget(one, budget)


@FEW
@given(photos, sizes, st.floats(1.05, 100))
def test_what_is_stopped_at_its_limit_has_cost_no_more_than_the_budget(
    count: int, each: int, times: float
) -> None:
    for one in estimate(workload(count, each), PRICES).estimates:
        budget = one.eur_at(one.seconds / 60 + 1) * times
        limit = one.limit_minutes(budget)
        assert one.eur <= one.eur_at(limit) <= budget * (1 + 1e-9)
        assert limit <= 2 * one.seconds / 60 + 16


@pytest.mark.parametrize("wrong", [0.0, -1.0, float("nan"), float("inf")])
def test_a_budget_and_a_time_that_are_none_are_refused(wrong: float) -> None:
    with pytest.raises(UsageError):
        check_budget(estimate(FRUITS_360, PRICES).recommended, wrong)
    with pytest.raises(UsageError):
        estimate(FRUITS_360, PRICES, hours=wrong)


@pytest.mark.parametrize(("count", "size", "listed"), [(-1, 0, 0), (2, 0, 1), (1, -1, 1)])
def test_work_that_cannot_be_is_refused(count: int, size: int, listed: int) -> None:
    with pytest.raises(UsageError):
        Workload(photos=count, size=size, listed=listed)


def test_each_view_of_a_photo_takes_its_time() -> None:
    one = estimate(FRUITS_360, PRICES, on="ec2").recommended
    two = same_size(dataclasses.replace(FRUITS_360, views=2), one)
    seconds = [dict(plan.stages)["embed"] for plan in (one, two)]
    assert seconds[1] == pytest.approx(2 * seconds[0], rel=0.05)


def test_a_line_shows_its_arithmetic() -> None:
    assert str(Line("c7i.xlarge", 2, "server", 0.2, 0.5)) == "2 server × 0.500 h × $0.2 = $0.2000"
    assert str(Line("S3 GET", 67.692, "thousand", 0.0004)).startswith("67.692 thousand × $0.0004 =")


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(45, "45 s"), (100, "2 min"), (3599, "1 h 00 min"), (18_600, "5 h 10 min")],
)
def test_times_are_told_as_a_person_does(seconds: float, told: str) -> None:
    assert clock(seconds) == told


def test_every_line_of_the_bill_is_told() -> None:
    plan = estimate(FRUITS_360, PRICES)
    text = "\n".join(plan_lines(plan, 10))
    for line in plan.recommended.lines:
        assert f"{line}" in text
    assert f"× 1.25 = ${plan.recommended.usd:.4f}" in text
    for part in (
        "67,692 photos",
        "table of",
        "25% more",
        "1 EUR =",
        "without tax",
        "The budget is",
    ):
        assert part in text


def test_a_plan_says_which_plan_it_is() -> None:
    plan: Plan = estimate(FRUITS_360, PRICES, on="emr")
    assert [one.on for one in plan.estimates] == ["emr"]
    with pytest.raises(UsageError, match="nothing for ec2"):
        plan.of("ec2")


@pytest.mark.parametrize(("architecture", "kind"), [("x86_64", "flex.large"), ("arm64", ".small")])
def test_an_account_on_the_free_plan_gets_what_it_may_start(architecture: Any, kind: str) -> None:
    plan = estimate(workload(67_692, 4_800), PRICES, architecture=architecture, free_plan=True)

    assert [one.on for one in plan.estimates] == ["ec2"]
    assert plan.recommended.instance_type.endswith(kind)
    assert plan.recommended.instance_type in FREE_PLAN[architecture]
    assert plan.recommended.eur < 0.2
    assert "free plan starts" in plan.notes[0]


def test_what_the_free_plan_has_is_priced_and_what_it_has_not_is_said() -> None:
    for architecture, kinds in FREE_PLAN.items():
        for kind in kinds:
            plan = estimate(
                workload(1000, 4_800), PRICES, architecture=architecture, on="ec2",
                instance_type=kind, free_plan=True,
            )  # fmt: skip
            names = [line.what for line in plan.recommended.lines]
            assert ("CPU credits" in names) == kind.startswith("t")
            assert any("1 GB of memory" in note for note in plan.notes) == kind.endswith(".micro")
    cluster = estimate(workload(1000, 4_800), PRICES, on="emr", free_plan=True)
    assert "cannot start 1 m7i.xlarge" in cluster.notes[0]
    larger = estimate(
        workload(1000, 4_800), PRICES, on="ec2", instance_type="c7i.xlarge", free_plan=True
    )
    assert "cannot start 1 × c7i.xlarge" in larger.notes[0]


def test_spot_servers_spare_half_of_what_servers_cost_and_nothing_else() -> None:
    plan = estimate(FRUITS_360, PRICES)
    for one in plan.estimates:
        servers = [line for line in one.lines if line.unit == "server"]
        if one.on == "serverless":
            assert one.spot_eur is None
            continue
        assert one.spot_eur is not None
        works = [
            line for line in servers if "EMR on" not in line.what and "primary" not in line.what
        ]
        spared = sum(line.cost for line in works) / 2 * 1.25
        assert one.eur - one.spot_eur == pytest.approx(PRICES.euros(spared))
    assert any("With --spot, about" in line for line in plan_lines(plan, 10))


def test_what_cannot_be_is_refused_before_photos_are_listed() -> None:
    def measure() -> NoReturn:
        raise AssertionError("millions were listed")

    with pytest.raises(UsageError):
        plan_of(measure, instance_type="c7g.xlarge", architecture="x86_64", live=False)
