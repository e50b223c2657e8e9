"""What there is to do, and what it takes and costs on one size: the lines of a bill."""

from __future__ import annotations

import dataclasses
import math

from verger.cloud.job import Architecture, Platform
from verger.cloud.prices import Prices
from verger.errors import UsageError
from verger.settings import Price
from verger.texts.command import localized, say

WORKER_VCPUS, WORKER_GB = 4, 8  # of Serverless: a driver, and each executor


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What there is to do, in photos.

    photos, size: to embed, and their bytes
    listed:       in PHOTOS; those that the STORE knows are listed too
    upload:       whether they have to be sent to S3 first
    csv:          whether the matrix is written as CSV too
    views:        that the network sees of a photo
    copied:       bytes that lie on the server's disk besides what every run has there
    """

    photos: int
    size: int
    listed: int
    upload: bool = False
    csv: bool = True
    views: int = 1
    copied: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.photos <= self.listed or self.size < 0:
            raise UsageError("A plan needs a number of photos, and their bytes, not below zero.")


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    """One line of a bill: `count` × `usd`, and × `hours` for what is paid by the hour."""

    what: str
    count: float
    unit: str
    usd: float
    hours: float | None = None
    may_be_spot: bool = False

    @property
    def cost(self) -> float:
        """The line's sum in US dollars."""
        return self.count * self.usd * (1.0 if self.hours is None else self.hours)

    def __str__(self) -> str:
        count = f"{self.count:,.3f}".rstrip("0").rstrip(".")
        hours = "" if self.hours is None else localized(f" × {self.hours:.3f} h")
        sum_ = localized(f" × ${self.usd:g} = ${self.cost:.4f}")
        return f"{localized(count)} {say(self.unit)}{hours}{sum_}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A run on one platform and size.

    instance_type, nodes: of the servers that work; on Serverless the most executors, and no type
    primary_type:         of EMR's node that leads; empty elsewhere
    disk_gb:              of each server
    stages:               seconds of each, in order
    lines:                of the bill, without the margin
    """

    on: Platform
    architecture: Architecture
    instance_type: str
    nodes: int
    primary_type: str
    vcpus: int
    disk_gb: int
    stages: tuple[tuple[str, float], ...]
    lines: tuple[Line, ...]
    prices: Prices

    @property
    def seconds(self) -> float:
        """How long it takes, from the first second that is billed."""
        return sum(seconds for _, seconds in self.stages)

    @property
    def usd(self) -> float:
        """The lines and the margin, in US dollars without tax."""
        return sum(line.cost for line in self.lines) * (1 + self.prices.margin)

    @property
    def eur(self) -> float:
        """The same in euros."""
        return self.prices.euros(self.usd)

    @property
    def spot_eur(self) -> float | None:
        """What it costs in euros with spot servers; None where there are none."""
        spared = sum(line.cost for line in self.lines if line.may_be_spot)
        if not spared:
            return None
        usd = self.usd - spared * (1 - self.prices.spot_share) * (1 + self.prices.margin)
        return self.prices.euros(usd)

    @property
    def size(self) -> str:
        """What it runs on, in words."""
        if self.on == "serverless":
            return f"{self.nodes} × {WORKER_VCPUS} vCPU, {WORKER_GB} GB"
        leads = f"1 {self.primary_type} + " if self.primary_type else ""
        return f"{leads}{self.nodes} × {self.instance_type}"

    def limit_minutes(self, budget_eur: float) -> int:
        """Return the minutes after which it is to be stopped whatever happens.

        Twice what it should take and a quarter of an hour, or less where the budget buys less.
        """
        wanted = math.ceil(2 * self.seconds / 60) + 15
        once, an_hour = self._once_and_an_hour()
        bought = (budget_eur * self.prices.usd_per_eur - once) / an_hour * 60
        return max(min(wanted, math.floor(bought)), math.ceil(self.seconds / 60))

    def eur_at(self, minutes: float) -> float:
        """Return what it has cost at most, in euros, when it is stopped after some minutes."""
        once, an_hour = self._once_and_an_hour()
        return self.prices.euros(once + an_hour * minutes / 60)

    @property
    def price(self) -> Price:
        """What the run's own record and report reckon with; starting is in what is paid once."""
        start = dict(self.stages).get("start", 0.0)
        an_hour = self.eur_at(60) - self.eur_at(0)
        once = self.eur_at(0) + an_hour * start / 3600
        return Price(once, an_hour, f"{self.on}, {self.size}")

    def _once_and_an_hour(self) -> tuple[float, float]:
        margin = 1 + self.prices.margin
        once = sum(line.cost for line in self.lines if line.hours is None)
        an_hour = sum(line.count * line.usd for line in self.lines if line.hours is not None)
        return once * margin, an_hour * margin
