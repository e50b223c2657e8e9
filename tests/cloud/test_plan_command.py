"""`verger cloud plan`, without an account and without a network."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
from botocore.stub import Stubber
from click.testing import CliRunner, Result

from verger.cli.main import cli
from verger.cloud import planning
from verger.cloud.aws import Aws
from verger.cloud.plan import Workload, as_json, estimate
from verger.cloud.prices import Prices, live_prices, regions, table_prices
from verger.cloud.regions import IN_THE_EU
from verger.errors import BudgetError, CloudError, UsageError

from .nobody import sign_out
from .test_prices import PriceList

PRICES = table_prices("eu-west-1")


@pytest.fixture
def signed_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody is signed in, and there is no network."""
    sign_out(monkeypatch, tmp_path)


pytestmark = pytest.mark.usefixtures("signed_out")


def plan_of(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["cloud", "plan", *arguments])


def test_a_plan_needs_no_account() -> None:
    told = plan_of("--photos-count", "67692", "--photo-kb", "4.8")
    assert told.exit_code == 0, told.output
    assert "67,692 photos to embed (324.9 MB)" in told.output
    assert f"Prices: table of {PRICES.date}" in told.output
    assert "Recommended: ec2, 1 × c7i.xlarge (x86_64)" in told.output


def test_a_folder_of_this_machine_is_sent_first_and_that_is_said(tmp_path: Path) -> None:
    photos = tmp_path / "my photos"
    photos.mkdir()
    (photos / "1.jpg").write_bytes(b"x" * 5_000)
    told = plan_of(str(photos), "s3://bucket/store")
    assert told.exit_code == 0, told.output
    assert "verger cloud run --upload s3://BUCKET/FOLDER sends them first (1 file" in told.output
    assert "upload, S3 PUT" in told.output
    last = told.output.splitlines()[-1]
    assert last.strip() == (
        f"verger cloud run '{photos}' s3://bucket/store --upload s3://BUCKET/FOLDER"
    )


def test_the_run_that_follows_is_what_was_planned(tmp_path: Path) -> None:
    (tmp_path / "1.jpg").write_bytes(b"x" * 5_000)
    sizes = ["--on", "emr", "--nodes", "2", "--budget", "4.5", "--no-free-plan"]
    told = plan_of(str(tmp_path), "s3://bucket/store", *sizes, "--no-csv", "--no-live-prices")
    words = shlex.split(told.output.splitlines()[-1])
    upload = ["--upload", "s3://BUCKET/FOLDER"]
    asked = ["verger", "cloud", "run", str(tmp_path), "s3://bucket/store", *upload]
    assert words[: len(asked)] == asked
    assert words[-2:] == ["--", "--no-csv"]
    assert sorted(words[len(asked) : -2]) == sorted(sizes)


@pytest.mark.parametrize("page", ["README.md", "README.fr.md"])
def test_the_first_command_for_aws_works_without_an_account(page: str) -> None:
    text = (Path(__file__).resolve().parents[2] / page).read_text(encoding="utf-8")
    found = re.search(r"verger cloud plan ([^#\n]*)#", text)
    assert found
    told = plan_of(*found[1].split())
    assert told.exit_code == 0, told.output
    assert "Recommended: ec2" in told.output


@pytest.mark.parametrize("region", regions())
def test_a_region_outside_of_the_eu_is_said_to_be(region: str) -> None:
    told = plan_of("--photos-count", "5", "--region", region)
    assert told.exit_code == 0, told.output
    assert ("--outside-eu" in told.output) is (region not in IN_THE_EU)


def test_json_is_the_whole_plan() -> None:
    told = plan_of("--photos-count", "67692", "--photo-kb", "4.8", "--json")
    record = json.loads(told.stdout)
    plan = estimate(Workload(photos=67_692, size=324_921_600, listed=67_692), PRICES)
    assert record == json.loads(json.dumps(as_json(plan, 10.0)))
    (server,) = [one for one in record["estimates"] if one["on"] == record["recommended"]]
    assert sum(line["usd"] for line in server["lines"]) * 1.25 == pytest.approx(server["usd"])
    assert server["within_budget"] is True
    assert server["eur_at_limit"] <= 10


def test_over_the_budget_the_plan_is_told_and_refused() -> None:
    told = plan_of("--photos-count", "1000000", "--budget", "0.5")
    assert "over the budget" in told.output
    assert isinstance(told.exception, BudgetError)
    record = plan_of("--photos-count", "1000000", "--budget", "0.5", "--json")
    assert isinstance(record.exception, BudgetError)
    assert json.loads(record.stdout)["estimates"][0]["within_budget"] is False


def test_the_exit_code_of_a_refusal_and_its_line() -> None:
    command = [sys.executable, "-m", "verger", "cloud", "plan", "--photos-count", "1000000"]
    done = subprocess.run(
        [*command, "--budget", "0.5"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 10
    (line,) = done.stderr.splitlines()
    assert line.startswith("verger: ec2 (1 × c7i.4xlarge) is estimated at ")


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ([], "PHOTOS and STORE, or --photos-count"),
        (["photos"], "PHOTOS and STORE, or --photos-count"),
        (["--photos-count", "5", "--region", "mars-1"], "no prices for the region"),
        (["--photos-count", "5", "--nodes", "3"], "need --on"),
        (["--photos-count", "5", "--nodes", "3", "--on", "ec2"], "one server"),
        (["--photos-count", "5", "--on", "ec2", "--instance-type", "c7g.xlarge"], "not x86_64"),
        (
            ["--photos-count", "5", "--on", "ec2", "--instance-type", "c7i.huge"],
            "is not an instance type",
        ),
        (["--photos-count", "5", "--on", "ec2", "--instance-type", "p5.xlarge"], "No price"),
        (["--photos-count", "5", "--on", "serverless", "--instance-type", "c7i.xlarge"], "no serv"),
        (["--photos-count", "5", "--within", "0"], "--within"),
        (["--photos-count", "5", "--budget", "nan"], "--budget"),
        (["photos", "/a/folder"], "not s3://"),
        (["gs://bucket/photos", "s3://bucket/store"], "neither a folder nor s3://"),
    ],
)
def test_what_cannot_be_planned_is_said(arguments: list[str], what: str) -> None:
    told = plan_of(*arguments)
    assert isinstance(told.exception, UsageError), told.output
    assert what in str(told.exception)


def test_a_size_can_be_asked_for() -> None:
    told = plan_of(
        "--photos-count", "1000000", "--on", "emr", "--nodes", "5", "--instance-type",
        "m7g.4xlarge", "--architecture", "arm64", "--budget", "100", "--json",
    )  # fmt: skip
    (one,) = json.loads(told.stdout)["estimates"]
    assert (one["nodes"], one["instance_type"], one["vcpus"]) == (5, "m7g.4xlarge", 84)
    assert one["primary_type"] == "m7g.xlarge"


def test_live_prices_that_are_asked_for_and_not_told_fail() -> None:
    told = plan_of("--photos-count", "5", "--live-prices")
    assert isinstance(told.exception, CloudError)
    assert "AWS does not give its prices" in str(told.exception)


def test_signed_in_without_a_network_the_table_is_used_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    told = plan_of("--photos-count", "5")
    assert told.exit_code == 0, told.output
    assert "AWS does not give its prices" in told.output
    assert "Prices: table of" in told.output
    assert "AWS" not in plan_of("--photos-count", "5", "--no-live-prices").output


def test_live_prices_are_used_where_aws_tells_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    prices = PriceList()
    prices.answer_all()

    def told(region: str) -> Prices:
        return live_prices(region, prices.client)

    monkeypatch.setattr(planning, "live_prices", told)
    with prices.stub:
        plan = plan_of("--photos-count", "5")
    assert "Prices: AWS, asked on" in plan.output
    assert "× $0.2 =" in plan.output


@pytest.mark.parametrize(
    ("state", "chosen"),
    [
        ({"accountPlanType": "FREE", "accountPlanStatus": "ACTIVE"}, "c7i-flex.large"),
        ({"accountPlanType": "FREE", "accountPlanStatus": "EXPIRED"}, "c7i.xlarge"),
        ({"accountPlanType": "PAID", "accountPlanStatus": "ACTIVE"}, "c7i.xlarge"),
        (None, "c7i.xlarge"),  # older than the plans, or not allowed to ask
    ],
)
def test_the_plan_of_the_account_is_asked_for_and_kept_to(
    state: dict[str, str] | None, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    client = boto3.client("freetier", region_name="us-east-1")
    stub = Stubber(client)
    if state is None:
        stub.add_client_error("get_account_plan_state", "AccessDeniedException")
    else:
        stub.add_response("get_account_plan_state", {"accountId": "123456789012", **state})
    monkeypatch.setattr(Aws, "client", lambda self, service: client)

    with stub:
        told = plan_of("--photos-count", "67692", "--photo-kb", "4.8", "--no-live-prices")

    assert f"Recommended: ec2, 1 × {chosen}" in told.output
    asked = plan_of("--photos-count", "9", "--no-live-prices", "--free-plan", "--on", "ec2")
    assert "free plan starts c7i-flex.large" in asked.output


def test_an_old_table_is_said_to_be_old(monkeypatch: pytest.MonkeyPatch) -> None:
    old = dataclasses.replace(PRICES, date=dt.date(2020, 1, 1))
    monkeypatch.setattr(planning, "table_prices", lambda _: old)
    assert "The table of prices is of 2020-01-01" in plan_of("--photos-count", "5").output


def test_help_imports_no_boto3() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from verger.cli.main import cli; "
        "CliRunner().invoke(cli, ['cloud', 'plan', '--help']); "
        "sys.exit(bool({'boto3', 'botocore', 'pyarrow', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
