"""A range of the matrix that is written twice: its worker is killed once its file is there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from program import PATIENCE

pytestmark = pytest.mark.spark

PROGRAM = """
import json, os, signal, sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa

from verger.embed.features import features_schema
from verger.projections.moments import Moments
from verger.projections.pca import fit_pca
from verger.settings import RunSettings
from verger.spark.engine import SparkEngine
from verger.spark.session import session
from verger.storage.folder import LocalPlace
from verger.store.gathering import Gathering
from verger.store.matrix import groups_of, ranges
from verger.store.publication import Publication
from verger.store.store import Store
from verger.store.tables import Table, TableWriter
from verger.tasks.reduction import write_matrix

STORE, ROWS = Path(sys.argv[1]), 20_000


class Deadly(LocalPlace):
    '''Kills the process that writes the first range, as soon as that file is there: once.'''

    @contextmanager
    def incoming(self, path):
        with super().incoming(path) as file:
            yield file
        if "-00000-" in path and not self.exists("killed"):
            self.put("killed", b"")
            os.kill(os.getpid(), signal.SIGKILL)


values = np.random.default_rng(0).random((ROWS, 8), dtype=np.float32)
store = Store(STORE)
store.place.put(".verger/store.json", b"{}")
with store.working() as work, session(RunSettings(master="local[2,4]"), short=True) as spark:
    schema = pa.schema([features_schema().field(name) for name in ("path", "label", "features")])
    columns = {
        "path": [f"{n:05d}.jpg" for n in range(ROWS)],
        "label": ["a"] * ROWS,
        "features": list(values),
    }
    built = work.built("features/0.parquet")
    with store.place.incoming(built) as file, TableWriter(file, schema) as table:
        for batch in pa.Table.from_pydict(columns, schema).to_batches(max_chunksize=1000):
            table.add(batch)
    pca = fit_pca(Moments.of(values), 3)
    features = Table(Deadly(store.place.root), [built])
    spans = ranges(groups_of(features), pca.k, cores=2)
    gathering = Gathering(store.place, (), np.arange(0, ROWS, 100), ("features",))
    written = write_matrix(SparkEngine(spark, 2), work, features, spans, pca, gathering)
    there = store.place.files(work.built("matrix"))
    store.publish(work, {}, Publication({"matrix": [files.matrix for files in written]}))
np.save(sys.argv[2], pca.transform(values))
rows = [files.rows for files in written]
print(json.dumps({"ranges": len(spans), "written": rows, "there": there}))
"""


@pytest.mark.any_spark
def test_a_range_that_is_tried_twice_is_published_once(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, "store", "expected.npy"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=PATIENCE,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-3000:]
    told = json.loads(ran.stdout.splitlines()[-1])
    assert (tmp_path / "store" / "killed").exists()
    assert told["ranges"] == len(told["written"]) == 2
    assert sum(told["written"]) == 20_000
    assert len(told["there"]) == 3  # that of the try that was killed, too
    matrix = pd.read_parquet(tmp_path / "store" / "matrix")
    assert matrix["path"].tolist() == [f"{n:05d}.jpg" for n in range(20_000)]
    expected = np.load(tmp_path / "expected.npy")
    np.testing.assert_allclose(np.stack(list(matrix["components"])), expected, atol=1e-6)
    assert not (tmp_path / "store" / ".verger" / "work").exists()
