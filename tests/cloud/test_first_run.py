"""The first run of an account that is an hour old: one command after `check`, and no fault."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from verger.cli.main import cli
from verger.cloud import check, life, ship
from verger.cloud.prices import table_prices
from verger.errors import OK, Check

from .pretended import ACCOUNT, RECORD, RESULT, Account

PHOTOS, STORE = "s3://orchard/photos", "s3://results/fruits/store"


@pytest.fixture
def hour_old(account: Account, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Account:
    """On the free plan, with five processors, where no run takes any time."""
    monkeypatch.setattr("verger.cloud.account.account_plan", lambda: "FREE")
    monkeypatch.setattr(check, "_allowed", lambda *_: Check("allowed", OK, "all."))
    monkeypatch.setattr("verger.cloud.planning.live_prices", table_prices)
    wheel = tmp_path / "verger.whl"
    wheel.write_bytes(b"wheel" * 50_000)
    monkeypatch.setattr(ship, "artefacts", lambda *_: {"wheels/verger.whl": wheel})
    (tmp_path / "photos" / "pear").mkdir(parents=True)
    for number in range(3):
        (tmp_path / "photos" / "pear" / f"{number}.jpg").write_bytes(b"x" * 5_000)
    monkeypatch.chdir(tmp_path)

    def ends(seconds: float) -> None:
        account.pass_time(seconds)
        for bucket in account.client("s3").list_buckets()["Buckets"]:
            name = bucket["Name"]
            if name.startswith("verger-2") and name.endswith(ACCOUNT):
                account.put("results", "fruits/store/run.json", RECORD)
                account.put(name, "result.json", RESULT)

    monkeypatch.setattr(life.Life.__init__, "__defaults__", (ends, *_defaults()[1:]))
    return account


def _defaults() -> tuple[Any, ...]:
    return life.Life.__init__.__defaults__ or ()


def say(*words: str) -> Result:
    line = ["cloud", *words]
    return CliRunner().invoke(cli, line, standalone_mode=False, catch_exceptions=False)


def servers(account: Account) -> set[str]:
    found = account.client("ec2").describe_instances()["Reservations"]
    return {server["InstanceType"] for each in found for server in each["Instances"]}


def test_one_command_after_check(hour_old: Account) -> None:
    looked = say("check", PHOTOS, STORE)
    assert looked.return_value == 0, looked.output
    assert "WARN plan" in looked.output

    told = say("run", "photos", STORE, "--upload", PHOTOS, "--json", "--free-plan")

    assert json.loads(told.stdout) == RECORD
    assert servers(hour_old) == {"c7i-flex.large"}
    assert hour_old.left() == []
    sent = hour_old.client("s3").list_objects_v2(Bucket="orchard")["Contents"]
    assert {each["Key"] for each in sent} == {f"photos/pear/{n}.jpg" for n in range(3)}


@pytest.mark.parametrize("on", ["ec2", "emr", "serverless"])
def test_on_each_platform_and_then_nothing_is_there(
    on: str, hour_old: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("verger.cloud.account.account_plan", lambda: "PAID")
    for quota in list(_quotas()):
        _quotas()[quota] = ("all", 99.0)

    release = [] if on == "ec2" else ["--release", "emr-7.13.0"]
    told = say("run", "photos", STORE, "--upload", PHOTOS, "--on", on, "--json", *release,
               "--no-free-plan")  # fmt: skip

    assert json.loads(told.stdout) == RECORD
    assert hour_old.left() == []
    assert say("status").output.strip() == "No job in eu-west-1."


def _quotas() -> dict[Any, Any]:
    from . import rules

    return rules.quotas


def test_what_the_account_may_not_is_refused_before_photos_are_sent(hour_old: Account) -> None:
    told = CliRunner().invoke(
        cli, ["cloud", "run", "photos", STORE, "--upload", PHOTOS, "--on", "emr",
              "--no-free-plan"],
    )  # fmt: skip

    assert "takes 8 vCPUs at once on EC2; the account may use 5" in str(told.exception)
    assert hour_old.client("s3").list_objects_v2(Bucket="orchard")["KeyCount"] == 0
    assert hour_old.left() == []
