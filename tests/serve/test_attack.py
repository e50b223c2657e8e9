"""Honest clients beside hostile ones of every kind: all are answered, and the end is clean."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from benchmarks.hostile import attack

from .conftest import Photo

_REQUESTS = 320


@pytest.mark.skipif(sys.platform != "linux", reason="one address of its own for each client")
def test_honest_clients_are_answered_under_attack(gallery: Path, photo: Photo) -> None:
    photos = [photo("Fig", 1), photo("Kiwi", 2, size=400)]
    found = attack(gallery, photos, _REQUESTS, count=5)
    assert len(found.honest) == _REQUESTS * 19 // 20
    assert not found.refused
    assert found.hostile.total() >= 5
    assert found.memory[-1] < 1.2 * found.memory[1]
    assert found.code == 0
    assert not found.said
