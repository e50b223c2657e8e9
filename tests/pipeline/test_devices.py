"""What a run computes on: as asked for, or refused before anything is written.

No machine of the tests has a GPU. Where a test needs one, its trial is said to have gone well, and
the network computes on the processor all the same: all that feeds it is real.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from verger.embed import gpu, open_backbone
from verger.errors import UsageError
from verger.pipeline import run
from verger.pipeline.devices import chosen_device
from verger.progress import Reporter
from verger.settings import DEFAULT_BACKBONE, GPU_BACKBONE, RunSettings
from verger.spark.gpu_tasks import Gpus
from whole_runs import NO_REPORT, Here

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

NETWORK = GPU_BACKBONE, open_backbone(GPU_BACKBONE)


class Heard(Reporter):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture
def works(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU whose trial goes well."""
    monkeypatch.setattr(gpu, "tried", lambda *_network: None)


def untried(*_network: object) -> UsageError | None:
    pytest.fail("the GPU was tried")


def test_by_default_it_is_the_processor_and_nothing_is_tried_or_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gpu, "tried", untried)
    heard = Heard()
    assert chosen_device(RunSettings(), *NETWORK, heard) == "cpu"
    assert heard.lines == []


@pytest.mark.slow
def test_cuda_without_a_gpu_is_refused_before_anything_is_written(
    here: Here, photos_of: Callable[..., Path], tmp_path: Path
) -> None:
    photos, store = photos_of("a/1.jpg"), tmp_path / "store"
    for more in ([], ["--dry-run"]):
        ended = here("run", photos, store, "--device", "cuda", *more)
        assert ended.code == 2
        assert "No GPU can be used on" in ended.error
        assert "pip install 'onnxruntime-gpu" in ended.error
        assert ended.err.count("\n") == 1
        assert not store.exists()


@pytest.mark.slow
def test_auto_without_a_gpu_says_so_and_takes_the_processor(
    here: Here, photos_of: Callable[..., Path], tmp_path: Path
) -> None:
    photos, store = photos_of("a/1.jpg", "b/2.jpg"), tmp_path / "store"
    ended = here("run", photos, store, "--device", "auto", "--json")
    assert ended.code == 0, ended.err
    told = [line for line in ended.err.splitlines() if line.startswith("Device: ")]
    assert len(told) == 1
    assert told[0].startswith("Device: cpu. No GPU can be used on ")
    record = json.loads(ended.out)
    assert record["device"] == record["settings"]["device"] == "cpu"
    assert record["settings"]["batch_size"] == 4
    assert record["backbone"]["name"] == DEFAULT_BACKBONE


def test_auto_with_a_gpu_takes_it_and_says_so(works: None) -> None:
    heard = Heard()
    assert chosen_device(RunSettings(device="auto"), *NETWORK, heard) == "cuda"
    assert heard.lines == ["Device: cuda (tried, and it works)."]


def test_a_network_in_eight_bits_stays_with_the_processor(works: None) -> None:
    eight_bits, heard = open_backbone(DEFAULT_BACKBONE), Heard()
    with pytest.raises(UsageError, match=f"{DEFAULT_BACKBONE} computes in eight bits") as caught:
        chosen_device(RunSettings(device="cuda"), DEFAULT_BACKBONE, eight_bits, heard)
    assert f"--backbone {GPU_BACKBONE}" in caught.value.hint
    assert chosen_device(RunSettings(device="auto"), DEFAULT_BACKBONE, eight_bits, heard) == "cpu"
    assert heard.lines == [f"Device: cpu. {caught.value.what}"]
    assert chosen_device(RunSettings(device="cuda"), *NETWORK, heard) == "cuda"


def test_of_a_cluster_the_driver_tries_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "tried", untried)
    monkeypatch.setattr("verger.spark.session.is_alone", lambda _settings: False)
    heard = Heard()
    assert chosen_device(RunSettings(device="cuda"), *NETWORK, heard) == "cuda"
    assert heard.lines == []
    assert chosen_device(RunSettings(device="auto"), *NETWORK, heard) == "cpu"
    assert heard.lines == ["Device: cpu. On a cluster, GPUs are asked for by --device cuda."]


class OnProcessor(Gpus):
    """Tasks for a GPU whose network computes on the CPU."""

    def index(self) -> int | None:  # type: ignore[override]
        return None


@pytest.fixture
def pretended(works: None, spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    real = Gpus.of

    def of(session: SparkSession, slots: int) -> Gpus:
        made = real(session, slots)
        return OnProcessor(made.given, made.decoders + 1)

    monkeypatch.setattr(Gpus, "of", of)
    from pyspark import cloudpickle

    by_value: Any = cloudpickle  # workers do not have this module
    by_value.register_pickle_by_value(sys.modules[__name__])
    yield
    by_value.unregister_pickle_by_value(sys.modules[__name__])


@pytest.mark.spark
def test_one_task_feeds_the_gpu_and_gives_what_many_on_processors_give(
    spark: SparkSession,
    pretended: None,
    photos_of: Callable[..., Path],
    few: list[Path],
    tmp_path: Path,
) -> None:
    photos = photos_of(*(f"{'ab'[n % 2]}/{n:03d}.jpg" for n in range(70)))
    (photos / "a/bad.jpg").write_bytes(few[0].read_bytes()[:500])
    (photos / "b/no.jpg").write_bytes(b"no photo")
    tracker = spark.sparkContext.statusTracker()
    before = set(tracker.getJobIdsForGroup())
    made = run(photos, tmp_path / "gpu", RunSettings(device="cuda", report=False)).record
    assert made["device"] == made["settings"]["device"] == "cuda"
    assert made["backbone"]["name"] == made["settings"]["backbone"] == GPU_BACKBONE
    assert made["settings"]["batch_size"] == 64
    assert made["cores"] == 2

    # Of this run's jobs, the first embeds.
    first = min(set(tracker.getJobIdsForGroup()) - before)
    job = tracker.getJobInfo(first)
    assert job is not None
    stages = [tracker.getStageInfo(stage) for stage in job.stageIds]
    assert [stage.numTasks for stage in stages if stage] == [1]

    settings = RunSettings(backbone=GPU_BACKBONE, report=False, engine="spark")
    record = run(photos, tmp_path / "cpu", settings).record
    assert made["counts"] == record["counts"]
    assert made["counts"]["rejected"] == 2
    ours, theirs = (table(tmp_path / name / "features") for name in ("gpu", "cpu"))
    assert ours.drop(columns="features").equals(theirs.drop(columns="features"))
    for mine, other in zip(ours["features"], theirs["features"], strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-5)
    left, right = (table(tmp_path / name / "rejects") for name in ("gpu", "cpu"))
    assert left.equals(right)

    # The STORE grows on where there is no GPU, with the same network.
    (photos / "b/new.jpg").write_bytes(few[3].read_bytes())
    grown = run(photos, tmp_path / "gpu", NO_REPORT).record
    assert grown["changes"]["kept"] == 72
    assert (grown["device"], grown["backbone"]["name"]) == ("cpu", GPU_BACKBONE)


def table(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(folder).sort_values("path", ignore_index=True)


@pytest.mark.spark
def test_a_session_that_gives_no_gpus_is_told_how_to(spark: SparkSession) -> None:
    """A cluster's session of the user's own, which a run joins."""
    given = Gpus(given=True, decoders=0)

    def ask(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            try:
                said = str(given.index())
            except UsageError as error:
                said = str(error)
            yield pa.RecordBatch.from_pydict({"said": [said] * batch.num_rows})

    (row,) = spark.range(0, 1, 1, 1).mapInArrow(ask, "said string").collect()
    assert "Spark gives its tasks none" in row["said"]
    assert "spark.executor.resource.gpu.amount=1" in row["said"]
    assert "spark.task.resource.gpu.amount=1" in row["said"]


@pytest.mark.spark
def test_on_this_machine_alone_there_is_one_gpu_and_every_core_decodes(spark: SparkSession) -> None:
    made = Gpus.of(spark, 2)
    assert (made.given, made.decoders_here(), made.index()) == (False, 2, 0)
