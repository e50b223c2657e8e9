"""The table of prices is whole and dated; AWS's own are read from what its price list answers."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from verger.cloud.prices import (
    Prices,
    is_signed_in,
    live_prices,
    regions,
    sources,
    table_prices,
    vcpus,
)
from verger.errors import CloudError, UsageError

from .nobody import sign_out

FAMILIES = ("c7i", "c7g", "m7i", "m7g")
OF_SERVERS_ALONE = ("c7i-flex", "m7i-flex", "t3", "t4g")


def named() -> list[str]:
    """Names what costs something."""
    rest = {"region", "place", "date", "source", "margin", "spot_share"}
    return [field.name for field in dataclasses.fields(Prices) if field.name not in rest]


@pytest.mark.parametrize("region", regions())
def test_every_price_of_a_region_is_there_and_is_a_price(region: str) -> None:
    prices = table_prices(region)
    for name in named():
        value = getattr(prices, name)
        for price in value.values() if isinstance(value, dict) else [value]:
            assert 0 < price < 2, name
    assert set(prices.emr) == set(FAMILIES)
    assert set(prices.ec2) == {*FAMILIES, *OF_SERVERS_ALONE}
    assert str(prices.date) in prices.source
    assert prices.date <= dt.datetime.now(dt.UTC).date()
    assert 0.1 <= prices.margin <= 0.5


def test_every_price_has_a_source() -> None:
    told = sources()
    for name in named():
        assert told.get(name) or told.get(name.partition("_")[0]), name


@pytest.mark.parametrize("region", regions())
def test_prices_stand_to_each_other_as_aws_has_them(region: str) -> None:
    """A figure that slipped by one digit is noticed."""
    prices = table_prices(region)
    for family in FAMILIES:
        assert prices.emr[family] == pytest.approx(prices.ec2[family] / 4, rel=0.01)
    for intel, graviton in (("c7i", "c7g"), ("m7i", "m7g")):
        assert 0.75 < prices.ec2[graviton] / prices.ec2[intel] < 0.9
        assert prices.ec2["c7" + intel[-1]] < prices.ec2["m7" + intel[-1]]
        assert prices.ec2[f"{intel}-flex"] == pytest.approx(0.95 * prices.ec2[intel], rel=0.01)
    assert 0.75 < prices.ec2["t4g"] / prices.ec2["t3"] < 0.85
    cheapest = table_prices("us-east-1")
    for family in (*FAMILIES, *OF_SERVERS_ALONE):
        assert 1 <= prices.ec2[family] / cheapest.ec2[family] < 1.35


def test_a_server_costs_in_proportion_to_its_size() -> None:
    prices = table_prices("eu-west-1")
    small = prices.server_hour("c7i.xlarge")
    assert prices.server_hour("c7i.4xlarge") == pytest.approx(4 * small)
    assert prices.server_hour("c7i.large") == pytest.approx(small / 2)
    assert prices.emr_hour("m7i.4xlarge") == pytest.approx(4 * prices.emr_hour("m7i.xlarge"))
    assert prices.server_hour("t3.micro") == pytest.approx(prices.server_hour("t3.xlarge") / 16)
    assert prices.server_hour("t4g.small") == pytest.approx(prices.server_hour("t4g.xlarge") / 8)
    assert prices.euros(prices.usd_per_eur) == 1


@pytest.mark.parametrize(
    ("kind", "count"),
    [
        ("c7i.large", 2),
        ("c7i-flex.large", 2),
        ("t3.micro", 2),
        ("t4g.small", 2),
        ("c7g.xlarge", 4),
        ("m5.2xlarge", 8),
        ("m7i.24xlarge", 96),
    ],
)
def test_the_size_says_how_many_vcpu(kind: str, count: int) -> None:
    assert vcpus(kind) == count


@pytest.mark.parametrize(
    "kind",
    [
        "",
        "c7i",
        "c7i.",
        "c7i.medium",
        "c7i.0xlarge",
        "c7i.-1xlarge",
        "c7i.²xlarge",
        "c7i.metal",
        "c7i.xxlarge",
        "…",
    ],
)
def test_what_is_no_size_is_refused(kind: str) -> None:
    with pytest.raises(UsageError, match="is not an instance type"):
        vcpus(kind)


def test_what_has_no_price_is_refused() -> None:
    with pytest.raises(UsageError, match=r"No price is known for p5\.xlarge\. Known are c7i"):
        table_prices("eu-west-1").server_hour("p5.xlarge")
    with pytest.raises(UsageError, match="no prices for the region 'mars-1'"):
        table_prices("mars-1")


# What AWS's price list answers, cut to what is read.


def product(usd: str, **attributes: str) -> str:
    terms = {"OnDemand": {"A.B": {"priceDimensions": {"A.B.C": {"pricePerUnit": {"USD": usd}}}}}}
    reserved = {"R.S": {"priceDimensions": {"R.S.T": {"pricePerUnit": {"USD": "0.0001"}}}}}
    text = {"product": {"attributes": attributes}, "terms": {**terms, "Reserved": reserved}}
    return json.dumps(text)


class PriceList:
    """A client of `pricing` that answers in order, and checks what it is asked for."""

    def __init__(self) -> None:
        keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
        self.client = boto3.client("pricing", "us-east-1", **keys)
        self.stub = Stubber(self.client)

    def answer(self, service: str, filters: dict[str, str], *products: str) -> None:
        asked = [{"Type": "TERM_MATCH", "Field": f, "Value": v} for f, v in filters.items()]
        self.stub.add_response(
            "get_products",
            {"PriceList": list(products)},
            {"ServiceCode": service, "Filters": asked},
        )

    def answer_servers(self, cents: int = 20) -> None:
        for number, family in enumerate((*FAMILIES, *OF_SERVERS_ALONE)):
            filters = {
                "regionCode": "eu-west-1",
                "instanceType": f"{family}.xlarge",
                "operatingSystem": "Linux",
                "tenancy": "Shared",
                "preInstalledSw": "NA",
                "capacitystatus": "Used",
                "marketoption": "OnDemand",
            }
            self.answer("AmazonEC2", filters, product(f"0.{cents + number}"))

    def answer_all(self) -> None:
        self.answer_servers()
        for family in FAMILIES:
            filters = {
                "regionCode": "eu-west-1",
                "instanceType": f"{family}.xlarge",
                "productFamily": "Elastic Map Reduce Instance",
                "softwareType": "EMR",
            }
            self.answer("ElasticMapReduce", filters, product("0.05"))
        for unit, usd in (("CPUHours", "0.06"), ("GBHours", "0.007")):
            self.answer(
                "ElasticMapReduce",
                {"regionCode": "eu-west-1", "meterunit": unit},
                product("0.01", usagetype="EU-EMR-EKS-EC2"),
                product(f"{usd}5", usagetype="EU-EMR-SERVERLESS-vCPUHours"),
                product(usd, usagetype="EU-EMR-SERVERLESS-ARM-vCPUHours"),
            )


@pytest.fixture
def price_list() -> Any:
    made = PriceList()
    with made.stub:
        yield made


def test_live_prices_are_those_that_aws_answers(price_list: PriceList) -> None:
    price_list.answer_all()
    prices = live_prices("eu-west-1", price_list.client)
    assert [prices.ec2[family] for family in FAMILIES] == [0.20, 0.21, 0.22, 0.23]
    assert prices.ec2["t4g"] == 0.27
    assert set(prices.emr.values()) == {0.05}
    assert prices.serverless_vcpu_hour == {"x86_64": 0.065, "arm64": 0.06}
    assert prices.serverless_gb_hour == {"x86_64": 0.0075, "arm64": 0.007}
    assert prices.source == f"AWS, asked on {prices.date}"
    table = table_prices("eu-west-1")
    assert (prices.s3_get_1000, prices.margin) == (table.s3_get_1000, table.margin)
    price_list.stub.assert_no_pending_responses()


@pytest.mark.parametrize("products", [[], [product("0.1"), product("0.2")], [product("0.0")]])
def test_a_price_that_is_not_one_is_no_price(price_list: PriceList, products: list[str]) -> None:
    filters = {
        "regionCode": "eu-west-1",
        "instanceType": "c7i.xlarge",
        "operatingSystem": "Linux",
        "tenancy": "Shared",
        "preInstalledSw": "NA",
        "capacitystatus": "Used",
        "marketoption": "OnDemand",
    }
    price_list.answer("AmazonEC2", filters, *products)
    with pytest.raises(CloudError, match=r"AWS gives [02] prices for AmazonEC2.*--live-prices"):
        live_prices("eu-west-1", price_list.client)


def test_a_refusal_is_one_line(price_list: PriceList) -> None:
    price_list.stub.add_client_error("get_products", "AccessDeniedException", "User x may not")
    with pytest.raises(CloudError, match="does not give its prices: AccessDeniedException") as told:
        live_prices("eu-west-1", price_list.client)
    assert "\n" not in str(told.value)


@pytest.fixture
def signed_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody is signed in, and there is no network."""
    sign_out(monkeypatch, tmp_path)


@pytest.mark.usefixtures("signed_out")
def test_who_is_signed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_signed_in()
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    assert not is_signed_in()
    monkeypatch.delenv("AWS_PROFILE")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    assert is_signed_in()


@pytest.mark.usefixtures("signed_out")
def test_where_nobody_is_signed_in_live_prices_say_so() -> None:
    with pytest.raises(CloudError, match="credentials"):
        live_prices("eu-west-1")
