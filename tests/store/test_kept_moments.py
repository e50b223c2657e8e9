"""Moments that are kept: whatever comes and goes, they are those of a fit from nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verger.projections.feature_moments import FeatureMoments
from verger.storage.folder import LocalPlace
from verger.store.kept_moments import KeptMoments, Reading, readings, rows_changed
from verger.store.layout import MOMENTS
from verger.store.parts import SCHEMAS, Edits, no_edits, rewrite_part
from verger.store.tables import Table, TableWriter, rows_of
from verger.tasks.reduction import changes_in, summed_up

WIDTH = 7
LABELS = ("Apple", "Lemon", "Éclair", None)


class Orchard:
    """Files of features that photos are added to, and taken out of, at random."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.place = LocalPlace(folder)
        self.rng = np.random.default_rng(seed)
        self.files: list[str] = []
        self.made = 0
        self.kept = KeptMoments.none(WIDTH)

    def paths(self, file: str) -> list[str]:
        table = Table(self.place, [file])
        return [row for batch in table.batches([0], ["path"]) for row in batch["path"].to_pylist()]

    def add(self, rows: int) -> dict[str, list[str]]:
        features = np.maximum(self.rng.normal(0.3, 1, (rows, WIDTH)), 0).astype(np.float32)
        if self.made % 2:  # a feature that some files never see
            features[:, 0] = 0
        values = {
            "path": [f"{self.made:03d}/{row:04d}.jpg" for row in range(rows)],
            "label": [LABELS[at] for at in self.rng.integers(0, len(LABELS), rows)],
            "features": features.tolist(),
        }
        schema = SCHEMAS["features"]
        columns = [pa.array(values.get(one.name, [None] * rows), one.type) for one in schema]
        batch = pa.RecordBatch.from_arrays(columns, schema=schema)
        name = self._name()
        with (
            self.place.incoming(name) as out,
            TableWriter(out, batch.schema, rows_a_group=5) as table,
        ):
            for at in range(0, rows, 5):
                table.add(batch.slice(at, 5))
        self.files.append(name)
        return {}

    def rewrite(self, files: list[str], edits: dict[str, Edits]) -> dict[str, list[str]]:
        to = self._name()
        done = rewrite_part(self.place, files, to, partial(_of_file, edits))
        self.files = [file for file in self.files if file not in files]
        self.files += [to] if done.embedded else []
        return {to: files}

    def change(self) -> tuple[dict[str, list[str]], dict[str, Edits]]:
        """Do something; return which file was made of which, and the edits."""
        rewrites: dict[str, list[str]] = {}
        edits: dict[str, Edits] = {}
        self.add(int(self.rng.integers(1, 30)))  # of a run that was stopped: edited with the others
        for file in list(self.files):
            if self.rng.random() < 0.3:
                paths = self.paths(file)
                gone = {path for path in paths if self.rng.random() < self.rng.choice([0.1, 1.0])}
                named = {path: LABELS[self.rng.integers(4)] for path in paths[::3]}
                edits[file] = gone, {path: to for path, to in named.items() if path not in gone}
                rewrites |= self.rewrite([file], edits)
        if len(small := [file for file in self.files if file not in rewrites]) > 3:
            rewrites |= self.rewrite(small[:3], {})
        self.add(int(self.rng.integers(1, 30)))
        return rewrites, edits

    def _name(self) -> str:
        self.made += 1
        return f"features/part-{self.made:03d}.parquet"


def _of_file(edits: dict[str, Edits], file: str) -> Edits:
    return edits.get(file, (set(), {}))


def summed(
    orchard: Orchard, wanted: list[Reading], edits: Callable[[str], Edits]
) -> tuple[FeatureMoments, FeatureMoments]:
    changed = (one for each in wanted for one in rows_changed(orchard.place, each, edits))
    return changes_in(summed_up(changed, WIDTH), WIDTH)


def from_nothing(orchard: Orchard) -> FeatureMoments:
    whole = [Reading(file, 0) for file in orchard.files]
    return summed(orchard, whole, no_edits)[0]


def assert_equal(one: FeatureMoments, other: FeatureMoments) -> None:
    for mine, theirs in zip(one, other, strict=True):
        assert (mine.n, mine.labels) == (theirs.n, theirs.labels)
        np.testing.assert_array_equal(mine.label_counts, theirs.label_counts)
        for name in ("mean", "scatter", "label_means"):
            exact = getattr(theirs, name)
            scale = 1e-10 * np.abs(exact).max(initial=0)
            np.testing.assert_allclose(getattr(mine, name), exact, rtol=1e-10, atol=scale)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), steps=st.integers(1, 8))
def test_any_history_ends_in_the_moments_of_what_is_left(
    tmp_path_factory: pytest.TempPathFactory, seed: int, steps: int
) -> None:
    orchard = Orchard(tmp_path_factory.mktemp("history"), seed)
    orchard.add(20)
    for step in range(steps):
        rewrites, edits = orchard.change() if step else ({}, {})
        rows = {file: rows_of(orchard.place, [file]) for file in orchard.files}
        wanted = readings(orchard.kept.files, rows, rewrites)
        assert wanted is not None
        of_file = partial(_of_file, edits)
        made = orchard.kept.updated(*summed(orchard, wanted, of_file), rows)
        exact = from_nothing(orchard)
        if made is None:  # too much went: then it is begun again
            made = KeptMoments.none(WIDTH).updated(exact, FeatureMoments.zero(WIDTH), rows)
            assert made is not None
        assert_equal(made.moments, exact)
        made.write(orchard.place, MOMENTS)
        again = KeptMoments.read(orchard.place, WIDTH)
        assert again is not None
        assert again.files == made.files
        orchard.kept = again


def test_what_was_lost_before_grows_as_less_is_left(tmp_path: Path) -> None:
    """Four files, each a thirtieth as loud as the one before: the loudest go, a run at a time."""
    orchard, rng = Orchard(tmp_path, 0), np.random.default_rng(0)
    parts = {
        f"features/part-{at}.parquet": FeatureMoments.of(
            (rng.standard_normal((30, WIDTH)) * spread).astype(np.float32), [None] * 30
        )
        for at, spread in enumerate((1000, 30, 1, 0.03))
    }
    nothing, kept = FeatureMoments.zero(WIDTH), orchard.kept
    for name, part in parts.items():
        grown = kept.updated(part, nothing, {**dict.fromkeys(kept.files, 30), name: 30})
        assert grown is not None
        kept = grown
    for gone in list(parts)[:3]:
        left = {name: 30 for name in parts if name > gone}
        shrunk = kept.updated(nothing, parts[gone], dict.fromkeys(left, 30))
        if shrunk is None:
            return
        exact = nothing
        for name in left:
            exact = exact.merge(parts[name])
        assert_equal(shrunk.moments, exact)
        kept = shrunk
    pytest.fail("what is left of this cannot be exact")


def grown(tmp_path: Path) -> tuple[Orchard, dict[str, int]]:
    orchard = Orchard(tmp_path, 3)
    orchard.add(40)
    orchard.add(30)
    rows = {file: rows_of(orchard.place, [file]) for file in orchard.files}
    wanted = readings(orchard.kept.files, rows, {})
    assert wanted is not None
    made = orchard.kept.updated(*summed(orchard, wanted, no_edits), rows)
    assert made is not None
    orchard.kept = made
    made.write(orchard.place, MOMENTS)
    return orchard, rows


def test_only_what_changed_is_read(tmp_path: Path) -> None:
    orchard, rows = grown(tmp_path)
    assert readings(orchard.kept.files, rows, {}) == []
    file = orchard.files[0]
    paths = orchard.paths(file)
    edits: dict[str, Edits] = {file: ({paths[0]}, {paths[1]: "Medlar"})}
    rewrites = orchard.rewrite([file], edits)
    orchard.add(10)
    rows = {file: rows_of(orchard.place, [file]) for file in orchard.files}
    wanted = readings(orchard.kept.files, rows, rewrites)
    assert wanted == [
        Reading(orchard.files[-1], 10),
        Reading(file, 40, edited=True, known=True),
    ]
    more, fewer = summed(orchard, wanted, partial(_of_file, edits))
    assert (more.raw.n, fewer.raw.n) == (10 + 1, 2)
    made = orchard.kept.updated(more, fewer, rows)
    assert made is not None
    assert "Medlar" in made.moments.unit.labels
    assert_equal(made.moments, from_nothing(orchard))


def test_files_that_went_another_way_make_it_useless(tmp_path: Path) -> None:
    orchard, rows = grown(tmp_path)
    one, other = orchard.files
    assert readings(orchard.kept.files, {one: rows[one]}, {}) is None
    assert readings(orchard.kept.files, {one: rows[one], other: rows[other] - 1}, {}) is None
    assert readings(orchard.kept.files, rows | {"features/part-new.parquet": 3}, {}) is not None


def test_what_would_not_be_exact_is_begun_again(tmp_path: Path) -> None:
    orchard, rows = grown(tmp_path)
    huge = np.full((2, WIDTH), 1e9, np.float32)
    huge[1] *= 2
    loud = FeatureMoments.of(huge, ["Apple", "Apple"])
    files = rows | {"features/loud.parquet": 2}
    with_it = orchard.kept.updated(loud, FeatureMoments.zero(WIDTH), files)
    assert with_it is not None
    assert with_it.updated(FeatureMoments.zero(WIDTH), loud, rows) is None
    stranger = FeatureMoments.of(huge, ["Quince", "Quince"])
    assert orchard.kept.updated(FeatureMoments.zero(WIDTH), stranger, rows) is None


@pytest.mark.parametrize("width", [WIDTH - 1, WIDTH + 1])
def test_moments_of_another_width_are_none(tmp_path: Path, width: int) -> None:
    orchard, _ = grown(tmp_path)
    assert KeptMoments.read(orchard.place, width) is None


def test_a_file_that_is_not_what_was_written_is_none(tmp_path: Path) -> None:
    orchard, _ = grown(tmp_path)
    sound = (tmp_path / MOMENTS).read_bytes()
    head, _, content = sound.partition(b"\n")
    said = json.loads(head)
    spoilt = [
        b"",
        b"\n",
        sound[:-1],
        sound + b"x",
        sound[:-9] + bytes([sound[-9] ^ 1]) + sound[-8:],
        json.dumps(said | {"lost": 0.5}).encode() + b"\n" + content,
        json.dumps(said | {"format": 2}).encode() + b"\n" + content,
        b"[1]\n" + content,
        b"[" * 100_000,
    ]
    for data in spoilt:
        (tmp_path / MOMENTS).write_bytes(data)
        assert KeptMoments.read(orchard.place, WIDTH) is None, data[:80]
    (tmp_path / MOMENTS).write_bytes(sound)
    assert KeptMoments.read(orchard.place, WIDTH) is not None
