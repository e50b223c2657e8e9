"""Write `docs/cloud-costs.md`: what runs on AWS cost, by the arithmetic of `verger cloud plan`.

    python scripts/cloud_costs.py            writes the page
    python scripts/cloud_costs.py --check    changes nothing; exits 1 if the page is stale

Every figure is made by `verger.cloud.plan` from `prices.toml` and `rates.py`, so that none can
drift from what the command says.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import get_args

from verger.cloud import rates
from verger.cloud.job import DEFAULT_BUDGET_EUR, DEFAULT_REGION, Architecture
from verger.cloud.plan import Estimate, Plan, Workload, estimate
from verger.cloud.plan_lines import clock
from verger.cloud.prices import Prices, regions, sources, table_prices

PAGE = Path(__file__).resolve().parent.parent / "docs" / "cloud-costs.md"
_MADE = "<!-- Written by scripts/cloud_costs.py from the code: `make docs` writes it again. -->\n"
_FRUITS_360, _PHOTO_BYTES = 67_692, 4_800
_MILLION = 10**6
# Photos, the hours that they are given, and whether a CSV is written.
_CLUSTERS = ((_MILLION, 1, True), (10 * _MILLION, 4, False), (100 * _MILLION, 24, False))
_UNITS = {
    "ec2": "`.xlarge` (4 vCPU), an hour",
    "emr": "4 vCPU, an hour",
    "credits_vcpu_hour": "a vCPU above its baseline, an hour",
    "serverless_vcpu_hour": "a vCPU an hour",
    "serverless_gb_hour": "a GB of memory an hour",
    "ebs_gb_month": "a GB of disk (gp3) a month",
    "ipv4_hour": "a public IPv4 address an hour",
    "s3_put_1000": "1,000 PUT, COPY, POST, LIST",
    "s3_get_1000": "1,000 GET",
    "s3_gb_month": "a GB in S3 a month",
    "transfer_gb": "a GB to another region",
}
_WHAT = {
    "ec2": "EC2",
    "emr": "EMR, added",
    "credits_vcpu_hour": "EC2, CPU credits",
    "serverless_vcpu_hour": "EMR Serverless",
    "serverless_gb_hour": "EMR Serverless",
}


def page() -> str:
    """Return the text of the page."""
    prices = table_prices(DEFAULT_REGION)
    fruits = _plan(prices, _FRUITS_360, 1)
    parts = [
        _MADE,
        "# What it costs\n",
        _opening(fruits, prices),
        "## Fruits-360 on one server, line by line\n",
        f"{_FRUITS_360:,} photos of {_PHOTO_BYTES / 1e3:g} kB, in S3, in {prices.region} "
        f"({prices.place}); `verger cloud plan` prints the same for yours.\n",
        _stages(fruits.of("ec2")),
        _bill(fruits.of("ec2")),
        _upload(prices),
        "## The same on each platform\n",
        _platforms(prices),
        "## 1, 10 and 100 million photos\n",
        _many(prices),
        "## How fast: what was measured, what is assumed\n",
        _speeds(),
        "## Prices\n",
        _table_of_prices(prices),
        "## What is not counted\n",
        _not_counted(fruits),
    ]
    return "\n".join(parts).rstrip() + "\n"


def _plan(
    prices: Prices,
    photos: int,
    hours: float,
    *,
    csv: bool = True,
    architecture: Architecture = "x86_64",
    upload: bool = False,
) -> Plan:
    work = Workload(
        photos=photos, size=photos * _PHOTO_BYTES, listed=photos, csv=csv, upload=upload
    )
    return estimate(work, prices, hours=hours, architecture=architecture)


def _opening(fruits: Plan, prices: Prices) -> str:
    server = fruits.of("ec2")
    limit = server.limit_minutes(DEFAULT_BUDGET_EUR)
    return (
        f"The training photos of Fruits-360 ({_FRUITS_360:,}) on one server: "
        f"**{clock(server.seconds)} and {server.eur:.2f} EUR ({server.usd:.2f} USD)**, set-up "
        f"included, and {prices.margin:.0%} added for safety. If it hangs, it is ended after "
        f"{clock(limit * 60)}, at a cost of {server.eur_at(limit):.2f} EUR. A published run of the "
        "same photos took 83 minutes on three servers and about 1.60 EUR.\n\n"
        "Nothing on this page has been billed yet. The figures are the plan's, from the dated "
        "prices below and speeds that were measured elsewhere. `verger cloud run` says how long a "
        "run really took.\n"
    )


def _stages(one: Estimate) -> str:
    rows = [(name, f"{seconds:,.0f}") for name, seconds in one.stages]
    rows.append(("**total**", f"**{one.seconds:,.0f}**"))
    return _table(("stage", "seconds"), rows)


def _bill(one: Estimate) -> str:
    rows = [(line.what, str(line)) for line in one.lines]
    total = sum(line.cost for line in one.lines)
    rows.append(("sum", f"${total:.4f}"))
    rows.append(("for safety", f"${total:.4f} × {1 + one.prices.margin:g} = ${one.usd:.4f}"))
    euros = f"${one.usd:.4f} ÷ {one.prices.usd_per_eur:g} = **{one.eur:.3f} EUR**"
    rows.append(("**in euros**", euros))
    return _table(("what", "arithmetic"), rows) + (
        "\nServers are billed by the second, for at least a minute; requests and logs by use.\n"
    )


def _upload(prices: Prices) -> str:
    sent = _plan(prices, _FRUITS_360, 1, upload=True).of("ec2")
    line = next(line for line in sent.lines if line.what.startswith("upload"))
    return (
        f"Photos that are still on your machine have to be uploaded first, once: one PUT per "
        f"photo, {line}. That is more than the run itself costs; inbound traffic is free. Run and "
        f"upload together: {sent.eur:.2f} EUR.\n"
    )


def _platforms(prices: Prices) -> str:
    rows = []
    for architecture in get_args(Architecture):
        plan = _plan(prices, _FRUITS_360, 1, architecture=architecture)
        rows += [_row(one, f"{one.on}, {architecture}") for one in plan.estimates]
    return _table(("on", "what", "time", "EUR", "USD", "photos per second, embedding"), rows) + (
        "\nA cluster takes nine minutes to come up, and is billed from its first second: for a "
        "day's photos it does not pay. Graviton's speed is assumed, not measured.\n"
    )


def _row(one: Estimate, name: str) -> tuple[str, ...]:
    embed = dict(one.stages)["embed"]
    photos = next(line.count for line in one.lines if line.what == "S3 GET") * 1e3
    rate = f"{photos / embed:,.0f}"
    return name, one.size, clock(one.seconds), f"{one.eur:,.2f}", f"{one.usd:,.2f}", rate


def _many(prices: Prices) -> str:
    rows = []
    for photos, hours, csv in _CLUSTERS:
        plan = _plan(prices, photos, hours, csv=csv)
        for one in plan.estimates:
            mark = "**" if one is plan.recommended else ""
            given = f"{photos // _MILLION} million in {hours} h{'' if csv else ', no CSV'}"
            name, *rest = _row(one, one.on)
            rows.append((given, f"{mark}{name}{mark}", *rest[:-1]))
    text = _table(("photos, and time given", "on", "what", "time", "EUR", "USD"), rows)
    biggest = _plan(prices, 100 * _MILLION, 24, csv=False)
    stages = dict(biggest.of("emr").stages)
    alone = stages["gallery and CSV"] + stages["publish"] + stages["report"]
    requests = sum(line.cost for line in biggest.of("ec2").lines if line.what.startswith("S3"))
    return text + (
        "\nThe recommendation is in bold: the cheapest that finishes in the given time. Two things "
        "limit the largest runs. One process makes the gallery, moves finished files into place "
        f"and writes the report: {alone / 3600:.1f} h for 100 million photos, however many servers "
        "wait for it. And each photo costs one GET: for 100 million photos, "
        f"${requests:,.0f} of the cost are requests. By default, a plan above "
        f"{DEFAULT_BUDGET_EUR:g} EUR is refused; `--budget` changes that. New accounts may use 5 "
        "to 32 vCPU at once; ask for more in Service Quotas.\n"
    )


def _speeds() -> str:
    shares = ", ".join(f"{name} {share:g}" for name, share in rates.CORE_SHARE.items())
    kept = ", ".join(f"{name} {share:g}" for name, share in rates.KEPT.items())
    starts = ", ".join(f"{name} {seconds:g} s" for name, seconds in rates.START_SECONDS.items())
    a_core = 1 / rates.core_seconds(1, _PHOTO_BYTES)
    phone = 1 / rates.core_seconds(1, 3_000_000)
    embedding = (
        f"{rates.PHOTO_MS:g} ms of a core per view of a photo, and {rates.KILOBYTE_MS:g} ms per "
        f"kB, {rates.LARGE_KILOBYTE_MS:g} ms beyond {rates.LARGE / 1e3:g} kB: {a_core:.0f} photos "
        f"of {_PHOTO_BYTES / 1e3:g} kB per second, {phone:.0f} of 3 MB"
    )
    rows = [
        ("embedding", embedding, "measured"),
        ("fit and projection", f"{rates.REDUCE_MS:g} ms of a core per photo", "measured"),
        ("gallery", f"{rates.GALLERY_MS:g} ms per photo, one process", "measured"),
        ("CSV", f"{rates.CSV_MS:g} ms per photo, one process", "measured"),
        (
            "report",
            f"{rates.REPORT_SECONDS:g} s and {rates.REPORT_MS:g} ms per photo, one process",
            "measured",
        ),
        ("Java and Spark to the first photo", f"{rates.SPARK_SECONDS:g} s", "measured"),
        ("speed of a vCPU relative to the measured core", shares, "assumed"),
        ("share of that speed when many work at once", kept, "assumed"),
        ("from the first billed second to Spark's start", starts, "assumed"),
        ("reading from S3, one stream", f"{rates.STREAM_BYTES_A_SECOND / 1e6:g} MB/s", "assumed"),
        ("moving a file into place in S3", f"{rates.PLACE_SECONDS:g} s", "assumed"),
        ("GET of one prefix", f"{rates.S3_GETS_A_SECOND:,} per second", "S3's documentation"),
    ]  # fmt: skip
    return (
        "Measured on one core of an AMD EPYC (2 cores, Linux) on 21 November 2026, with `python -m "
        "benchmarks` and `python -m benchmarks.rates` and the float32 network. Embedding with the "
        "default network takes 0.76 times as long on a processor without VNNI ([decision 38]"
        "(decisions/0038-eight-bits-and-views.md)); servers with VNNI are assumed to be no faster."
        "\n\n" + _table(("what", "how fast", "source"), rows)
    )


def _table_of_prices(prices: Prices) -> str:
    known = [table_prices(region) for region in regions()]
    rows = list(_price_rows(known))
    told = sources()
    notes = [f"- `{name}`: {text}." for name, text in told.items()]
    return (
        f"In US dollars without tax, on demand, as of {prices.date}; 1 EUR = "
        f"{prices.usd_per_eur:g} USD. {prices.margin:.0%} is added to every estimate. If you are "
        "signed in to AWS, the prices of computing are looked up there, and the plan says so.\n\n"
        + _table(("what", "unit", *(f"{one.place} ({one.region})" for one in known)), rows)
        + '\nSources ("memory": from memory, not looked up on that date):\n\n'
        + "\n".join(notes)
        + "\n"
    )


def _price_rows(known: list[Prices]) -> Iterator[tuple[str, ...]]:
    for field in dataclasses.fields(Prices):
        if field.name not in _UNITS:
            continue
        values = [getattr(one, field.name) for one in known]
        if isinstance(values[0], dict):
            for family in values[0]:
                each = [f"{value[family]:g}" for value in values]
                yield f"{_WHAT[field.name]} `{family}`", _UNITS[field.name], *each
        else:
            yield f"`{field.name}`", _UNITS[field.name], *(f"{value:g}" for value in values)


def _not_counted(fruits: Plan) -> str:
    return (
        "- **Tax.** AWS adds your country's.\n"
        f"- **Keeping STORE**: {fruits.store_usd_a_month():.3f} USD a month for Fruits-360; the "
        "plan shows it. Whether to keep the photos themselves is up to you.\n"
        "- **Another region.** If buckets and servers are in different regions, traffic costs "
        f"{fruits.prices.transfer_gb:g} USD per GB; give the buckets' region with `--region`.\n"
        "- **Downloading** the matrix to your machine: 100 GB a month are free [memory].\n"
        "- **Step Functions**, which looks after a job: about 30 transitions in ten minutes; 4,000 "
        "a month are free, 1,000 more cost 0.025 USD [memory].\n"
        "- **What is free**: CloudFormation, IAM, the budget alarm, the scheduler (a few calls), "
        "SSM, the gateway to S3.\n"
        "- **Spot servers** (`--spot`) cost less than half as a rule, and may be taken back: the "
        "plan counts the full price.\n"
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page, or check it; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if stale")
    parser.add_argument("--page", type=Path, default=PAGE, help="where it is")
    options = parser.parse_args(arguments)
    if options.check:
        found = options.page.read_text(encoding="utf-8") if options.page.is_file() else ""
        if found != page():
            print(f"{options.page} is stale: run `make docs`.", file=sys.stderr)
            return 1
        return 0
    options.page.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
