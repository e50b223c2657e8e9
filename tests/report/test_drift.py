"""Drift: what one run leaves for the next, and what is said of it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from verger.errors import StoreError
from verger.report.drift import (
    KEYS,
    SUMMARY,
    Summary,
    compare,
    load_summaries,
    save_summaries,
    summarise,
)
from verger.report.reading import Photos
from verger.storage.place import place_of

Floats = npt.NDArray[np.float32]
Q = 6


def photos(codes: npt.NDArray[np.int64], names: tuple[str, ...], first: int = 0) -> Photos:
    """Photos of these labels; `first` tells them from those of another run."""
    n = len(codes)
    zeros = np.zeros(n, np.int64)
    return Photos(
        paths=pa.chunked_array([[f"{first + row}.jpg" for row in range(n)]], pa.string()),
        names=names,
        codes=codes,
        rows=np.arange(n),
        width=zeros,
        height=zeros,
        size=zeros,
        digests=np.zeros(n, np.uint64),
        keys=np.arange(first, first + n, dtype=np.uint64),
        contents=np.arange(first, first + n, dtype=np.uint64),
    )


def draw(n: int, shift: float = 0.0, seed: int = 0) -> Floats:
    """Rows (n, 6), of which component 2 is shifted by so many of its spreads."""
    rows = np.random.default_rng(seed).normal(0, [5, 3, 1, 1, 1, 1], (n, Q))
    rows[:, 1] += 3 * shift
    return rows.astype(np.float32)


@pytest.fixture
def old() -> Summary:
    codes = np.arange(4000) % 2
    return summarise(
        photos(codes, ("apple", "pear")), draw(4000), np.eye(Q, 9, dtype=np.float32),
        np.zeros(Q, np.float32), finished="then", backbone="a",
    )  # fmt: skip


def test_the_first_run_has_nothing_to_compare_with() -> None:
    assert compare(None, photos(np.zeros(3, np.int64), ("apple",)), draw(3), "a").verdict == "first"


def test_the_same_photos_are_unchanged(old: Summary) -> None:
    same = photos(np.arange(4000) % 2, ("apple", "pear"))
    found = compare(old, same, draw(4000), "a")
    assert (found.verdict, found.new, found.gone) == ("unchanged", 0, 0)


def test_another_backbone_cannot_be_compared(old: Summary) -> None:
    found = compare(old, photos(np.zeros(9, np.int64), ("apple",), 90000), draw(9), "b")
    assert found.verdict == "other_backbone"


def test_other_views_of_one_backbone_cannot_be_compared_and_an_old_summary_can(
    old: Summary,
) -> None:
    some = photos(np.zeros(9, np.int64), ("apple",), 90000)
    assert compare(old, some, draw(9), "a 224/256").verdict != "other_backbone"
    one = dataclasses.replace(old, backbone="a 224/256")
    assert compare(one, some, draw(9), "a 224/256").verdict != "other_backbone"
    whole = dataclasses.replace(old, backbone="a 224/224")
    assert compare(whole, some, draw(9), "a 224/224,420").verdict == "other_backbone"
    assert compare(one, some, draw(9), "a 224/224,420").verdict == "other_backbone"


@pytest.mark.parametrize(("shift", "verdict"), [(0.0, "none"), (0.35, "small"), (1.0, "clear")])
def test_the_verdict_follows_the_shift(old: Summary, shift: float, verdict: str) -> None:
    new = photos(np.arange(5000) % 2, ("apple", "pear"), first=9000)
    found = compare(old, new, draw(5000, shift, seed=1), "a")
    assert found.verdict == verdict
    assert (found.new, found.gone) == (5000, 4000)
    moved = found.components[1]
    assert moved.spreads == pytest.approx(shift, abs=0.08)
    assert moved.counts == (verdict != "none")
    assert [one.component for one in found.components if one.counts] == [2][: moved.counts]


def test_few_photos_far_off_by_chance_do_not_count(old: Summary) -> None:
    found = compare(old, photos(np.zeros(3, np.int64), ("apple",), 90000), draw(3, 0.8), "a")
    assert found.verdict == "none"
    assert found.visible > 1.5  # and it is said that they could hardly have shown any


def test_only_new_photos_are_compared(old: Summary) -> None:
    codes = np.zeros(4050, np.int64)
    both = photos(codes, ("apple",))  # the 4,000 old ones, and 50 more
    rows = np.concatenate([draw(4000), draw(50, 2.0, seed=3)])
    found = compare(old, both, rows, "a")
    assert (found.new, found.gone, found.verdict) == (50, 0, "clear")
    assert found.components[1].spreads == pytest.approx(2.0, abs=0.5)


def test_labels_that_come_and_go_are_named_and_the_one_that_moved(old: Summary) -> None:
    codes = np.repeat([0, 1], 60)
    rows = np.concatenate([draw(60, 0, seed=4), draw(60, 1.5, seed=5)])
    found = compare(old, photos(codes, ("fig", "pear"), 90000), rows, "a")
    assert (found.new_labels, found.missing_labels) == (("fig",), ("apple",))
    assert [(one.label, one.component) for one in found.labels if one.counts] == [("pear", 2)]


def test_a_summary_comes_back_as_it_was(old: Summary, tmp_path: Path) -> None:
    save_summaries(tmp_path, old, None)
    back, before = load_summaries(place_of(tmp_path.parent, StoreError), tmp_path.name)
    assert before is None
    assert back is not None
    assert (back.finished, back.backbone, back.photos) == ("then", "a", 4000)
    np.testing.assert_array_equal(back.directions, old.directions)
    np.testing.assert_array_equal(back.keys, old.keys)
    np.testing.assert_allclose(back.mean, old.mean, rtol=1e-6)
    assert set(back.labels) == {"apple", "pear"}
    np.testing.assert_allclose(back.labels["pear"][1], old.labels["pear"][1], rtol=1e-6)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": 2}', "null", "\x00"])
def test_a_damaged_summary_is_none(old: Summary, tmp_path: Path, text: str) -> None:
    save_summaries(tmp_path, old, old)
    (tmp_path / SUMMARY).write_text(text)
    assert load_summaries(place_of(tmp_path.parent, StoreError), tmp_path.name)[0] is None
    assert load_summaries(place_of(tmp_path.parent, StoreError), tmp_path.name)[1] is not None


@pytest.mark.parametrize("field", ["mean", "offset", "directions", "labels", "photos"])
def test_a_summary_with_a_wrong_field_is_none(old: Summary, tmp_path: Path, field: str) -> None:
    save_summaries(tmp_path, old, None)
    raw = json.loads((tmp_path / SUMMARY).read_text())
    del raw["sha256"]  # as in older ones
    (tmp_path / SUMMARY).write_text(json.dumps(raw))
    assert load_summaries(place_of(tmp_path.parent, StoreError), tmp_path.name)[0] is not None
    for wrong in ([1.0], "x", None, {"a": 1}):
        (tmp_path / SUMMARY).write_text(json.dumps(raw | {field: wrong}))
        assert load_summaries(place_of(tmp_path.parent, StoreError), tmp_path.name)[0] is None


def test_a_summary_that_was_changed_since_is_none(old: Summary, tmp_path: Path) -> None:
    """Another digit, or another bit of a key, leaves a summary that can be read."""
    save_summaries(tmp_path, old, None)
    summary, keys = tmp_path / SUMMARY, tmp_path / KEYS
    text, bits = summary.read_text(), keys.read_bytes()
    summary.write_text(text.replace(f'"mean": [{old.mean[0]:.7g}', '"mean": [0.5', 1))
    assert summary.read_text() != text
    assert load_summaries(place_of(tmp_path.parent, StoreError), tmp_path.name)[0] is None
    summary.write_text(text)
    keys.write_bytes(bits[:-8] + bytes([bits[-8] ^ 1]) + bits[-7:])
    assert load_summaries(place_of(tmp_path.parent, StoreError), tmp_path.name)[0] is None
    keys.write_bytes(bits)
    assert load_summaries(place_of(tmp_path.parent, StoreError), tmp_path.name)[0] is not None


def test_keys_that_ask_for_more_memory_than_there_is_are_no_keys(
    old: Summary, tmp_path: Path
) -> None:
    """The header alone says so; a reader that trusts it runs out of memory."""
    save_summaries(tmp_path, old, None)
    raw = json.loads((tmp_path / SUMMARY).read_text())
    older = {name: raw[name] for name in raw if name not in ("keys", "sha256")}
    (tmp_path / SUMMARY).write_text(json.dumps(older))
    file = tmp_path / KEYS
    honest = file.read_bytes()
    length = int.from_bytes(honest[8:10], "little")
    header = f"{{'descr': '<u8', 'fortran_order': False, 'shape': ({2**50},), }}"
    file.write_bytes(honest[:10] + header.ljust(length - 1).encode() + b"\n" + honest[-8:])
    assert load_summaries(place_of(tmp_path.parent, StoreError), tmp_path.name)[0] is None
    file.write_bytes(honest)
    assert load_summaries(place_of(tmp_path.parent, StoreError), tmp_path.name)[0] is not None
