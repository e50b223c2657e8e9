"""Spark and the threads of this process: one result, and which of them does the work."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from awkward import make_awkward
from program import PATIENCE, command, finish, start
from verger.embed import open_backbone
from verger.errors import EngineError, UsageError
from verger.pipeline import reduce, run
from verger.pipeline.devices import chosen_device
from verger.pipeline.engines import FEW, takes_spark
from verger.progress import Silent
from verger.settings import GPU_BACKBONE, RunSettings
from verger.spark.java_memory import threads_of
from verger.store import matrix
from verger.tasks import embedding, reduction
from verger.tasks.embedding import network
from verger.tasks.engine import Row, ThisProcess


@pytest.fixture
def no_spark_is_running(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("verger.spark.session.running_session", lambda: None)
    monkeypatch.delenv("PYSPARK_GATEWAY_PORT", raising=False)


def table(folder: Path) -> pa.Table:
    return pq.read_table(folder).sort_by("path")


@pytest.mark.spark
@pytest.mark.any_spark
@pytest.mark.usefixtures("spark")
def test_both_make_the_same(few: list[Path], tmp_path: Path) -> None:
    """Of hostile photos first; then some come, some go, and a folder gets another name."""
    photos = make_awkward(tmp_path / "photos", few).root
    stores = {engine: tmp_path / engine for engine in ("spark", "process")}
    for step in range(3):
        if step == 1:
            for number, file in enumerate(few[:6]):
                shutil.copyfile(file, photos / f"later {number}.jpg")
            shutil.copytree(few[0].parent, photos / "more" / few[0].parent.name)
        for engine, store in stores.items():
            settings = RunSettings(engine=engine, report=False)
            made = reduce(store, settings) if step == 2 else run(photos, store, settings)
            told = made.record["reduced"] if step == 2 else made.record
            assert told["engine"] == engine
            assert ({"spark", "java"} <= told["versions"].keys()) == (engine == "spark")
        one, other = stores.values()
        assert table(one / "features").equals(table(other / "features"))
        assert table(one / "rejects").equals(table(other / "rejects"))
        matrix, same = table(one / "matrix"), table(other / "matrix")
        assert matrix.drop(["components"]).equals(same.drop(["components"]))
        np.testing.assert_allclose(
            np.stack(matrix["components"].to_numpy()), np.stack(same["components"].to_numpy()),
            atol=1e-5,
        )  # fmt: skip
        vectors = [
            np.sort(np.load(store / "gallery/vectors.npy"), axis=0) for store in (one, other)
        ]
        np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-5)


@pytest.mark.parametrize(
    "settings",
    [
        {"engine": "spark"},
        {"master": "local[1]"},
        {"spark_conf": ("spark.ui.enabled=true",)},
        {"memory": "1g"},
        {"device": "cuda"},
    ],
)
@pytest.mark.usefixtures("no_spark_is_running")
def test_who_asks_for_spark_gets_it(settings: dict[str, object]) -> None:
    assert takes_spark(RunSettings(**settings), 1)  # type: ignore[arg-type]


@pytest.mark.usefixtures("no_spark_is_running")
def test_many_photos_take_spark_and_few_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not takes_spark(RunSettings(), FEW)
    assert takes_spark(RunSettings(), FEW + 1)
    assert not takes_spark(RunSettings(engine="process"), 10 * FEW)
    assert not takes_spark(RunSettings(cores=1, verbose=True), 1)
    monkeypatch.setenv("PYSPARK_GATEWAY_PORT", "1")  # under spark-submit
    assert takes_spark(RunSettings(), 1)


def test_a_session_that_is_there_is_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("verger.spark.session.running_session", object)
    assert takes_spark(RunSettings(), 1)
    assert not takes_spark(RunSettings(engine="process"), 1)


@pytest.mark.parametrize(
    ("option", "given"),
    [
        ("--master", {"master": "local"}),
        ("--spark-conf", {"spark_conf": ("a=b",)}),
        ("--memory", {"memory": "1g"}),
        ("--device cuda", {"device": "cuda"}),
    ],
)
def test_what_only_spark_has_is_refused_without_it(option: str, given: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=f"--engine process and {option} exclude each other"):
        RunSettings(engine="process", **given)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="--engine ray is not one of auto, spark, process"):
        RunSettings(engine="ray")


@pytest.mark.slow
def test_few_photos_need_no_java(orchard: Path, tmp_path: Path) -> None:
    """Neither on the first day nor on the next, nor to reduce; and pyspark is not even imported."""
    program = (
        "import runpy, sys; sys.argv = ['verger', *sys.argv[1:]]\n"
        "try: runpy.run_module('verger', run_name='__main__')\n"
        "finally: print('pyspark' in sys.modules, file=sys.stderr)"
    )
    photos, store = tmp_path / "photos", tmp_path / "store"
    shutil.copytree(orchard, photos)
    nowhere = os.environ | {"JAVA_HOME": str(tmp_path / "none"), "PATH": ""}

    def verger(*args: object) -> str:
        ended = subprocess.run(
            [sys.executable, "-c", program, *map(str, args)],
            env=nowhere, capture_output=True, text=True, check=False, timeout=PATIENCE,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr
        assert ended.stderr.splitlines()[-1] == "False"
        return ended.stdout

    assert json.loads(verger("run", photos, store, "--json"))["counts"]["embedded"] == 30
    assert (store / "report" / "report.html").exists()
    (new,) = (shutil.copyfile(file, photos / "new.jpg") for file in [next(photos.rglob("*.jpg"))])
    record = json.loads(verger("run", photos, store, "--json", "--no-report"))
    assert record["changes"]["new"] == 1, new
    assert (record["engine"], set(record["versions"])) == ("process", {"verger", "python"})
    verger("reduce", store, "-k", 3, "--no-report")


@pytest.mark.slow
def test_a_task_of_this_process_that_fails_is_told_in_a_line(
    photos_of: Callable[..., Path], tmp_path: Path
) -> None:
    """As on Spark: by its own kind, and with what was there before left as it was."""
    photos, store = photos_of("a/1.jpg", "b/2.jpg"), tmp_path / "store"
    run(photos, store, RunSettings(engine="process", report=False))
    before = (store / "run.json").read_bytes()
    for file in (store / "features").glob("*.parquet"):
        content = file.read_bytes()
        file.write_bytes(content[:100] + b"\0" * 100 + content[200:])
    again = [sys.executable, "-m", "verger", "reduce", str(store), "--engine", "process", "-k", "1"]
    ended = subprocess.run(again, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert ended.returncode == 4, ended.stderr
    assert "Traceback" not in ended.stderr
    assert (store / "run.json").read_bytes() == before


@pytest.fixture
def hanging(few: list[Path]) -> Iterator[str]:
    """The address of a list of photos of which most never come to their end."""
    content, over = few[0].read_bytes(), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            names = [f"http://{self.headers['Host']}/{number}.jpg" for number in range(40)]
            body = "\n".join(names).encode() if self.path.endswith(".txt") else content
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                slow = not self.path.endswith((".txt", "0.jpg"))
                self.wfile.write(body[:100] if slow else body)
                if slow:
                    over.wait()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/list.txt"
        over.set()
        server.shutdown()


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_reads_that_hang_hold_up_no_stop(
    hanging: str, number: int, code: int, tmp_path: Path
) -> None:
    line = [hanging, tmp_path / "store", "--label-from", "none", "--engine", "process"]
    process = start(command("run", *line))
    parts = tmp_path / "store" / ".verger" / "work"
    deadline = time.monotonic() + PATIENCE
    while not any(parts.glob("parts-*/features/*")):  # it embeds
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(number)
    begun = time.monotonic()
    ended = finish(process)
    assert time.monotonic() - begun < 30  # a read would take a minute
    assert ended.code == code
    assert ended.err.splitlines()[-1] == "verger: stopped; nothing half-made was published."
    assert "Traceback" not in ended.err


def test_a_network_is_loaded_once_by_all_threads() -> None:
    loads: list[int] = []

    class Slow:
        def network(self, gpu: int | None) -> object:
            loads.append(1)
            time.sleep(0.05)
            return object()

    backbone: Any = Slow()
    rows = ThisProcess(4).rows(4, lambda _: {"network": network(backbone)}, "")
    assert len({id(row["network"]) for row in rows}) == len(loads) == 1


def test_the_network_is_let_go_before_the_matrix_is_made(
    few: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[int] = []
    write_range = matrix.write_range

    def noted(*what: Any) -> Any:
        held.append(embedding._loaded.cache_info().currsize)
        return write_range(*what)

    monkeypatch.setattr(reduction, "write_range", noted)
    run(few[0].parent, tmp_path / "store", RunSettings(engine="process", report=False))
    assert held == [0]


def test_a_small_machine_has_fewer_threads() -> None:
    gigabyte = 10**9
    assert threads_of(gigabyte, 16) == 2
    assert threads_of(gigabyte // 4, 16) == 1
    assert threads_of(8 * gigabyte, 16) == 16
    assert threads_of(None, 16) == 16


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("can't start new thread")])
def test_memory_that_runs_out_is_told_in_a_line(error: Exception) -> None:
    def task(_: int) -> Row:
        raise error

    with pytest.raises(EngineError, match="not enough memory") as caught:
        ThisProcess(2).rows(2, task, "")
    assert "--cores" in caught.value.hint


def test_no_gpu_is_looked_for_where_this_process_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("verger.embed.gpu.tried", lambda *_network: None)  # one that works
    settings = RunSettings(engine="process", device="auto")
    network = GPU_BACKBONE, open_backbone(GPU_BACKBONE)
    assert chosen_device(settings, *network, Silent()) == "cpu"
