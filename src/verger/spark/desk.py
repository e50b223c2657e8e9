"""What a notebook needs before its first step: a session, places as Spark names them, a clock."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from verger.embed import Network, open_backbone
from verger.photos.address import WEB
from verger.photos.labels import labeller_from
from verger.photos.references import EXTENSIONS
from verger.settings import RunSettings
from verger.spark.session import session
from verger.storage.place import source_of, store_place
from verger.store.corrections import Corrections
from verger.store.tables import write_csv

OUT = "notebook"  # of the STORE
# Photos travel to the workers in batches; Spark's default of 10,000 rows would be gigabytes.
_ROWS_A_BATCH = "64"


class Desk:
    """A notebook's session and places.

    spark:   the session that was given, else one of Verger's on this machine, with its page
    photos:  where the photos are; read one with `photos.read(path)`
    seconds: what each step took, in order

    given: a session that the kernel brings; None where it has none
    """

    def __init__(self, photos: str, store: str, given: SparkSession | None) -> None:
        self.photos, self._store = source_of(photos).absolute(), store_place(store).absolute()
        self._ending = ExitStack()
        if given is None:
            settings = RunSettings(spark_conf=("spark.ui.enabled=true",))
            given = self._ending.enter_context(session(settings))
        self.spark = given
        self.spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", _ROWS_A_BATCH)
        self.seconds: dict[str, float] = {}

    def __str__(self) -> str:
        try:
            page = f", {self.spark.sparkContext.uiWebUrl}"
        except Exception:  # noqa: BLE001 - through Spark Connect, the page is the server's
            page = ""
        return f"Spark {self.spark.version}{page}"

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Time a step."""
        start = time.perf_counter()
        yield
        self.seconds[step] = time.perf_counter() - start

    @property
    def kinds(self) -> str:
        """The names of photos, as Spark's `pathGlobFilter` takes them."""
        kinds = [kind.removeprefix(".") for kind in EXTENSIONS]
        return f"*.{{{','.join(kinds + [kind.upper() for kind in kinds])}}}"

    @property
    def folder(self) -> str:
        """PHOTOS as Spark takes it."""
        return _plain(_spark_name(str(self.photos)))

    @property
    def is_a_list(self) -> bool:
        """Whether PHOTOS is a list on the web, which Spark cannot read."""
        return self.photos.scheme in WEB

    def below(self, path: str) -> Column:
        """Return a column of paths relative to PHOTOS, which mean the same on any machine."""
        root = _spark_name(str(self.photos))
        rest = F.col(path).substr(F.locate(root, F.col(path)) + len(root), F.length(path))
        return F.regexp_replace(rest, "^/+", "")

    def label(self, path: str) -> Column:
        """Return a column of the names of photos' folders; of those right in PHOTOS, its own."""
        whole = F.concat(F.lit(f"{self.photos.name}/"), F.col(path))
        return F.element_at(F.split(whole, "/"), -2)

    def corrected(self, photos: DataFrame) -> DataFrame:
        """Give photos the labels that `verger relabel` gave, and leave out what it left out."""
        made = Corrections.read(self._store)
        if not made.made:
            return photos
        labels = self.spark.createDataFrame(list(made.labels.items()), "path string, given string")
        out = self.spark.createDataFrame([(path,) for path in made.left_out], "path string")
        return (
            photos.join(F.broadcast(out), "path", "left_anti")
            .join(F.broadcast(labels), "path", "left")
            .withColumn("label", F.coalesce("given", "label"))
            .drop("given")
        )

    def fetched(self) -> DataFrame:
        """Return the photos of a list on the web, as `binaryFile` does those of a folder."""
        photos = self.photos
        listed = photos.list(labeller_from("parent", photos.name))
        rows = [(ref.path, ref.label, ref.bytes) for ref in listed if ref.reason is None]

        def content(path: str) -> bytes | None:
            try:
                return photos.read(path)
            except OSError:
                return None

        table = self.spark.createDataFrame(rows, "path string, label string, length long")
        # A lambda: Spark would take type hints for those of a pandas function.
        return table.withColumn("content", F.udf(lambda path: content(path), "binary")("path"))  # noqa: PLW0108

    def at(self, name: str) -> str:
        """Return where the notebook puts something of that name, as Spark takes it to write."""
        return f"{_spark_name(str(self._store))}/{OUT}/{name}"

    def read(self, name: str) -> DataFrame:
        """Read a table that the notebook has written."""
        return self.spark.read.parquet(_plain(self.at(name)))

    def of_run(self, name: str) -> DataFrame | None:
        """Read a table of the run in STORE; None where it has none."""
        store = _spark_name(str(self._store))
        files = [f"{store}/{file}" for file in self._store.files(name, ".parquet")]
        return self.spark.read.parquet(*map(_plain, files)) if files else None

    def write_csv(self, name: str, table: str, k: int) -> None:
        """Write a matrix of k components, a table of the notebook, as one CSV file."""
        self._store.delete(f"{OUT}/{name}")
        files = self._store.files(f"{OUT}/{table}", ".parquet")
        with self._store.incoming(f"{OUT}/{name}") as file:
            write_csv(self._store, files, file, k, lambda _rows: None)

    def weights(self, backbone: str) -> list[tuple[str, float, float]]:
        """Measure how a network comes to a worker: way, megabytes that travel, seconds.

        `package` opens it from this machine's disk, as each worker process does once; `broadcast`
        has Spark send its bytes, which is left out where there is no `sparkContext`.
        """
        start = time.perf_counter()
        made = open_backbone(backbone)
        model = made.model()
        Network(made.card, model)
        found = [("package", 0.0, time.perf_counter() - start)]
        try:
            context = self.spark.sparkContext
        except Exception:  # noqa: BLE001 - Spark Connect
            return found
        start = time.perf_counter()
        sent = context.broadcast(model)
        length = context.parallelize([0], 1).map(lambda _: len(sent.value)).first()
        took = time.perf_counter() - start
        sent.destroy()
        return [*found, ("broadcast", length / 1e6, took)]

    def close(self) -> None:
        """End the session that was started here; one that was given goes on."""
        self._ending.close()


def _spark_name(place: str) -> str:
    """Hadoop, by which Spark reads a bucket, calls S3 s3a."""
    return re.sub("^s3:", "s3a:", place)


def _plain(path: str) -> str:
    """Spark takes these characters for patterns."""
    return re.sub(r"([\\\[\]{}*?])", r"\\\1", path)
