"""What Java is given of the memory that there is."""

from __future__ import annotations

import pytest

from verger.spark.java_memory import Share, share_of

MIB = 2**20


@pytest.mark.parametrize(
    ("available", "cores", "share"),
    [
        (None, 8, Share(1024, 8)),
        (16_000, 4, Share(1024, 4)),
        (1_724, 1, Share(1024, 1)),
        (1_723, 1, Share(960, 1)),
        (1_300, 1, Share(576, 1)),
        (1_600, 2, Share(640, 2)),
        (1_300, 2, Share(576, 1)),  # a core less, rather than a heap that Spark refuses
        (1_730, 8, Share(512, 3)),
        (1_212, 64, Share(512, 1)),
        (1_211, 1, Share(224, 1)),  # the machine of 1 GB
        (100, 64, Share(224, 1)),
    ],
)
def test_a_run_takes_what_fits(available: int | None, cores: int, share: Share) -> None:
    assert share_of(None if available is None else available * MIB, cores) == share
    assert share.is_tight == (share.heap == 224)


def test_cores_that_are_named_are_kept() -> None:
    assert share_of(1_600 * MIB, 4, fewer=False) == Share(224, 4)
    assert share_of(1_600 * MIB, 2, fewer=False) == Share(640, 2)


def test_more_memory_never_gives_less() -> None:
    shares = [share_of(mib * MIB, 2) for mib in range(0, 4000, 7)]
    assert [share.cores for share in shares] == sorted(share.cores for share in shares)
    for cores in (1, 2):
        heaps = [share.heap for share in shares if share.cores == cores]
        assert heaps == sorted(heaps)
    assert shares[-1] == Share(1024, 2)
