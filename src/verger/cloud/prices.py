"""What AWS charges: a dated table of the package's own, or asked of AWS where it may be asked."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

from verger.cloud.aws import code_of
from verger.errors import CloudError, UsageError
from verger.machine.extras import absent, need

# AWS tells prices in a few regions alone, of all regions.
_TOLD_IN = "us-east-1"
_UNIT = "xlarge"  # the size that the table has
_UNIT_VCPUS = 4
# As shares of that size; each costs half as much as the next.
_SMALLER = {"micro": 1 / 16, "small": 1 / 8, "medium": 1 / 4, "large": 1 / 2}
_WITH_CREDITS = ("t3", "t4g")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Prices of one region, in US dollars without tax.

    ec2, emr:    of an `.xlarge` server an hour, and what EMR adds to it, by family (`c7i`)
    credits_vcpu_hour: of a processor above its baseline, by family; of those that have one (`t3`)
    serverless_…: of a processor and of a gigabyte, by architecture
    source:      where they come from, in words; `date` is that of the table
    margin:      the share that an estimate adds to all of them
    spot_share:  what a spot server costs, as a share of the price on demand
    """

    region: str
    place: str
    date: dt.date
    source: str
    margin: float
    spot_share: float
    usd_per_eur: float
    ec2: Mapping[str, float]
    emr: Mapping[str, float]
    credits_vcpu_hour: Mapping[str, float]
    serverless_vcpu_hour: Mapping[str, float]
    serverless_gb_hour: Mapping[str, float]
    ebs_gb_month: float
    ipv4_hour: float
    s3_put_1000: float
    s3_get_1000: float
    s3_gb_month: float
    transfer_gb: float

    def server_hour(self, instance_type: str) -> float:
        """Return the price of a server an hour. Raises `UsageError` for a type without one."""
        return self._scaled(self.ec2, instance_type)

    def emr_hour(self, instance_type: str) -> float:
        """Return what EMR adds to it an hour."""
        return self._scaled(self.emr, instance_type)

    def euros(self, usd: float) -> float:
        """Turn dollars into euros."""
        return usd / self.usd_per_eur

    def _scaled(self, prices: Mapping[str, float], instance_type: str) -> float:
        family, _, size = instance_type.partition(".")
        if family not in prices:
            raise UsageError(
                f"No price is known for {instance_type}.", hint=f"Known are {', '.join(prices)}."
            )
        vcpus(instance_type)  # refuses what is no size
        return prices[family] * (_SMALLER.get(size) or vcpus(instance_type) / _UNIT_VCPUS)


def vcpus(instance_type: str) -> int:
    """Return how many vCPU a server has: `large` 2, `xlarge` 4, `Nxlarge` 4 × N.

    Of families that earn credits (`t3`, `t4g`) the sizes below have two, too.
    """
    family, _, size = instance_type.partition(".")
    if size == "large" or (size in _SMALLER and family in _WITH_CREDITS):
        return 2
    times = size.removesuffix(_UNIT)
    if size.endswith(_UNIT) and re.fullmatch(r"([1-9][0-9]?)?", times):
        return _UNIT_VCPUS * int(times or 1)
    raise UsageError(
        f"{instance_type!r} is not an instance type that a plan knows.",
        hint="Give large or above, such as c7i.xlarge; the speed of smaller ones is not known.",
    )


def regions() -> tuple[str, ...]:
    """Return the regions that the table has prices of."""
    return tuple(_table()["regions"])


def sources() -> dict[str, str]:
    """Return where each price of the table comes from, by its name."""
    return dict(_table()["sources"])


def table_prices(region: str) -> Prices:
    """Return the prices of the package's own table. Raises `UsageError` for another region."""
    table = _table()
    if region not in table["regions"]:
        raise UsageError(
            f"There are no prices for the region {region!r}.",
            hint=f"Known are {', '.join(table['regions'])}.",
        )
    return Prices(
        region=region,
        date=table["date"],
        source=f"table of {table['date']}",
        margin=table["margin"],
        spot_share=table["spot_share"],
        usd_per_eur=table["usd_per_eur"],
        **table["regions"][region],
    )


def live_prices(region: str, client: Any = None) -> Prices:
    """Return the table's prices with those of computing as AWS tells them today.

    Requests, disks and addresses stay the table's: they are a few cents, and change once in years.
    `client` is boto3's for `pricing`. Raises `CloudError` where AWS does not tell, and `UsageError`
    where its client is not installed.
    """
    need("aws", "--live-prices")
    from botocore.exceptions import BotoCoreError, ClientError

    prices = table_prices(region)
    try:
        client = client or _client()
        found: dict[str, Any] = {
            "ec2": {f: _one(client, _server(region, f)) for f in prices.ec2},
            "emr": {f: _one(client, _addition(region, f)) for f in prices.emr},
            "serverless_vcpu_hour": _of_serverless(client, region, "CPUHours"),
            "serverless_gb_hour": _of_serverless(client, region, "GBHours"),
        }
    except (BotoCoreError, ClientError) as error:
        raise CloudError(
            f"AWS does not give its prices: {code_of(error) or str(error).rstrip('.')}.",
            hint="Without --live-prices the table of the package is used.",
        ) from None
    today = dt.datetime.now(dt.UTC).date()
    return dataclasses.replace(prices, **found, date=today, source=f"AWS, asked on {today}")


def is_signed_in() -> bool:
    """Say whether this machine holds credentials for AWS; the role of a server is not asked for.

    Without the client of AWS it holds none that are of use.
    """
    if absent("boto3"):
        return False
    from botocore.exceptions import BotoCoreError
    from botocore.session import Session

    session = Session()
    try:
        # Where there is no such role, asking for it takes seconds.
        session.get_component("credential_provider").remove("iam-role")
        return session.get_credentials() is not None
    except BotoCoreError:
        return False


@cache
def _table() -> dict[str, Any]:
    text = resources.files("verger.cloud").joinpath("prices.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def _client() -> Any:
    import boto3
    from botocore.config import Config

    # A plan must not hang where there is no network.
    config = Config(connect_timeout=3, read_timeout=10, retries={"total_max_attempts": 2})
    return boto3.Session().client("pricing", region_name=_TOLD_IN, config=config)


def _server(region: str, family: str) -> tuple[str, dict[str, str]]:
    return "AmazonEC2", {
        "regionCode": region,
        "instanceType": f"{family}.{_UNIT}",
        "operatingSystem": "Linux",
        "tenancy": "Shared",
        "preInstalledSw": "NA",
        "capacitystatus": "Used",
        "marketoption": "OnDemand",
    }


def _addition(region: str, family: str) -> tuple[str, dict[str, str]]:
    return "ElasticMapReduce", {
        "regionCode": region,
        "instanceType": f"{family}.{_UNIT}",
        "productFamily": "Elastic Map Reduce Instance",
        "softwareType": "EMR",
    }


def _of_serverless(client: Any, region: str, unit: str) -> dict[str, float]:
    """Return the prices of both architectures, which only their usage types tell apart."""
    asked = "ElasticMapReduce", {"regionCode": region, "meterunit": unit}
    products = _products(client, asked)
    found: dict[str, list[Any]] = {"x86_64": [], "arm64": []}
    for product in products:
        usage = product["product"]["attributes"]["usagetype"].upper()
        if "SERVERLESS" in usage:  # EMR on EKS counts in the same units
            found["arm64" if "ARM" in usage else "x86_64"].append(product)
    return {architecture: _price(asked, each) for architecture, each in found.items()}


def _one(client: Any, asked: tuple[str, dict[str, str]]) -> float:
    """Return the one price on demand of what is asked for."""
    return _price(asked, _products(client, asked))


def _products(client: Any, asked: tuple[str, dict[str, str]]) -> list[dict[str, Any]]:
    service, filters = asked
    pages = client.get_paginator("get_products").paginate(
        ServiceCode=service,
        Filters=[{"Type": "TERM_MATCH", "Field": f, "Value": v} for f, v in filters.items()],
    )
    return [json.loads(text) for page in pages for text in page["PriceList"]]


def _price(asked: tuple[str, dict[str, str]], products: list[dict[str, Any]]) -> float:
    service, filters = asked
    found = {price for product in products for price in _on_demand(product)}
    if len(found) != 1:
        what = " ".join(filters.values())
        raise CloudError(
            f"AWS gives {len(found)} prices for {service} {what}, where one was expected.",
            hint="Without --live-prices the table of the package is used.",
        )
    return found.pop()


def _on_demand(product: dict[str, Any]) -> Iterator[float]:
    for term in product["terms"].get("OnDemand", {}).values():
        for dimension in term["priceDimensions"].values():
            price = float(dimension["pricePerUnit"].get("USD", 0))
            if price:
                yield price
