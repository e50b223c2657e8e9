"""The whole life of a job on each platform, in an account that moto pretends."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from verger.cloud import runs
from verger.cloud.job import Job, Platform
from verger.cloud.kit import Kit
from verger.cloud.life import Life

from .pretended import NAME, Account, Said

PLATFORMS: list[Platform] = ["ec2", "emr", "serverless"]
Naps = list[Callable[[], object]]


def run(life: Life, job: Job, kit: Kit, said: Said) -> dict[str, object]:
    return runs.run_to_end(life, job, kit, said, budget_usd=11.5, email="", keep=False)


@pytest.mark.parametrize("on", PLATFORMS)
def test_a_run_ends_and_leaves_nothing(
    on: Platform, account: Account, life: Life, job: Callable[[Platform], Job], kit: Kit,
    said: Said, naps: Naps, finished: Callable[[], None],
) -> None:  # fmt: skip
    naps += [lambda: None, finished]

    record = run(life, job(on), kit, said)

    assert record["counts"] == {"listed": 5, "embedded": 4, "rejected": 1}
    assert account.left() == []
    assert life.down(NAME) == []
