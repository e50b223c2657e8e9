"""Photos on hdfs://: listed by Hadoop's own client, and read by Spark's `binaryFile`.

There is no other client for it here. So these photos, unlike all others, pass through Java.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

import pyarrow as pa
from py4j.protocol import Py4JError, Py4JJavaError
from pyspark import TaskContext
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession

from verger.buckets import LISTED, Listed
from verger.errors import EngineError, PhotosError
from verger.features import Embedded, Embedder, embed
from verger.hadoop import HadoopFolder
from verger.inventory import refs_of
from verger.layout import FEATURES, REJECTS
from verger.parts import SCHEMAS, write_part
from verger.photos.source import PhotoRef
from verger.sorting import in_order
from verger.spark.embedding import network
from verger.spark.failures import job_errors
from verger.spark.spans import COST_A_PHOTO, MOST_PHOTOS
from verger.spark.telling import Address, Teller, listening
from verger.store import Work

_MOST_BYTES = 64 * 2**20  # of a photo: it is held in Java, on its way, and here
_HIDDEN = ("_", ".")  # what Spark does not read
_ASKED_AT_ONCE = 16  # questions to the namenode
_GONE = "gone since it was listed"
_SCHEMA = "part string, embedded long, paths array<string>"
_EPOCH = datetime.fromtimestamp(0, tz=UTC)


def walk(
    folder: HadoopFolder, hear: Callable[[int], None] = lambda _found: None
) -> Iterator[Listed]:
    """List all files below a folder, in order of path; `hear` is told how many were found.

    Raises `PhotosError` where it cannot be listed.
    """
    spark = SparkSession.getActiveSession()
    if spark is None:
        raise PhotosError(
            f"{folder} is read by Spark alone.", hint="`verger run` and --dry-run start it."
        )
    yield from in_order(_files(spark, folder), Listed, LISTED, hear)


def embed_rows(
    spark: SparkSession,
    work: Work,
    photos: HadoopFolder,
    count: int,
    cores: int,
    embedder: Embedder,
    hear: Callable[[int, int], None],
) -> list[str]:
    """Embed the `count` photos of `work.refs`, some thousand a job.

    As `embed_photos` in what it writes, tells and returns.
    """
    made: list[str] = []
    host = spark.conf.get("spark.driver.host") or "127.0.0.1"
    with listening(host, hear) as address, job_errors():
        for start in range(0, count, MOST_PHOTOS):
            span = start, min(start + MOST_PHOTOS, count)
            left = {ref.path: ref for ref in refs_of(work.place, work.refs, *span)}
            why = _refused(spark, photos, left.values())
            asked = [ref for ref in left.values() if ref.reason is None and ref.path not in why]
            for row in _embedded(spark, work, photos, span, asked, cores, embedder, address):
                made += [f"{work.parts}/{FEATURES}/{row['part']}"] if row["embedded"] else []
                for path in row["paths"]:
                    left.pop(path, None)
            _reject(work, f"part-{work.run}-x{start:08d}.parquet", left.values(), why, embedder)
    return made


def _embedded(
    spark: SparkSession,
    work: Work,
    photos: HadoopFolder,
    span: tuple[int, int],
    asked: list[PhotoRef],
    cores: int,
    embedder: Embedder,
    address: Address,
) -> list[Any]:
    """Run one job; its rows say what part each task wrote, and of which photos."""
    start = span[0]
    root = _qualified(spark, photos)

    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        rows = (row for batch in batches for row in zip(*map(list, batch.columns), strict=True))
        first = next(rows, None)
        if first is None:
            return
        refs = {ref.path: ref for ref in refs_of(work.place, work.refs, *span)}
        held: dict[str, bytes] = {}
        taken: list[str] = []

        def arrived() -> Iterator[PhotoRef]:
            for path, content in chain([first], rows):
                name = path.as_py().removeprefix(f"{root}/")
                held[name] = content.as_py()
                taken.append(name)
                yield refs[name]

        task = TaskContext.get().partitionId()  # type: ignore[union-attr]
        part = f"part-{work.run}-h{start:08d}-{task:05d}.parquet"
        with closing(Teller(address, start + task)) as teller:
            made = embed(
                arrived(), embedder, held.pop, network(embedder.backbone), teller,
                reads_at_once=photos.reads_at_once,
            )  # fmt: skip
            done = write_part(work.place, work.parts, part, [_by_path(made)])
        row = {"part": part, "embedded": done.embedded, "paths": taken}
        yield pa.RecordBatch.from_pylist([row])

    weight = sum(ref.bytes + COST_A_PHOTO for ref in asked)
    with _settings(
        spark,
        {
            # A few photos at a time on their way to Python, and tasks of equal weight.
            "spark.sql.execution.arrow.maxRecordsPerBatch": 16,
            "spark.sql.files.openCostInBytes": COST_A_PHOTO,
            "spark.sql.files.maxPartitionBytes": max(weight // (2 * cores), 1),
            # Paths are given one by one: they are looked up by a few tasks, not one each.
            "spark.sql.sources.parallelPartitionDiscovery.parallelism": 2 * cores,
            # A photo that is gone or may not be read costs itself, and no job.
            "spark.sql.files.ignoreMissingFiles": "true",
            "spark.sql.files.ignoreCorruptFiles": "true",
        },
    ):
        contents = _contents(spark, [f"{root}/{ref.path}" for ref in asked])
        return [] if contents is None else contents.mapInArrow(run, _SCHEMA).collect()


def _contents(spark: SparkSession, paths: list[str]) -> DataFrame | None:
    """Have Spark read these files; None if there is none of them."""
    for attempt in range(3):
        if not paths:
            return None
        # Names are names, whatever stars and brackets are in them.
        plain = [re.sub(r"[\\*?{}[\]]", r"\\\g<0>", path) for path in paths]
        try:
            rows = spark.read.format("binaryFile").load(plain).select("path", "content")
        except AnalysisException:  # one of them went since it was listed
            if attempt == 2:
                raise
            fs, path_of = _file_system(spark, paths[0])
            paths = [path for path in paths if fs.exists(path_of(path))]
        else:
            return rows
    return None


def _by_path(made: Iterable[Embedded]) -> Embedded:
    """Put what one task made in order of path: Spark reads the largest files first.

    A task has a thousand rows or so, of some kilobytes. Spark would have to hold photos to sort.
    """
    made = list(made)
    features = pa.Table.from_batches([one.features for one in made], SCHEMAS[FEATURES])
    rejects = pa.Table.from_batches([one.rejects for one in made], SCHEMAS[REJECTS])
    return Embedded(
        *(
            pa.RecordBatch.from_arrays(
                [column.combine_chunks() for column in table.sort_by("path").columns],
                schema=table.schema,
            )
            for table in (features, rejects)
        )
    )


def _refused(
    spark: SparkSession, photos: HadoopFolder, refs: Iterable[PhotoRef]
) -> dict[str, OSError]:
    """Say which photos Spark is not asked for, and why: one denied would end the job (Spark 4)."""
    root = _qualified(spark, photos)
    fs, path_of = _file_system(spark, root)
    action = spark.sparkContext._jvm.org.apache.hadoop.fs.permission.FsAction.READ  # type: ignore[union-attr]

    def ask(ref: PhotoRef) -> tuple[str, OSError | None]:
        if ref.path.rpartition("/")[2].startswith(_HIDDEN):
            why = "Spark reads no file whose name begins with . or _"
            return ref.path, OSError(errno.EIO, why)
        if ref.bytes > _MOST_BYTES:
            return ref.path, OSError(errno.EFBIG, f"more than {_MOST_BYTES:,} bytes")
        try:
            fs.access(path_of(f"{root}/{ref.path}"), action)
        except Py4JJavaError as error:
            kind = _kind(error)
            if kind == "AccessControlException":
                return ref.path, PermissionError(errno.EACCES, "access denied")
            if kind != "FileNotFoundException":
                raise
            return ref.path, FileNotFoundError(errno.ENOENT, _GONE)
        return ref.path, None

    with _listing_errors(photos), ThreadPoolExecutor(_ASKED_AT_ONCE) as threads:
        return {path: why for path, why in threads.map(ask, refs) if why is not None}


def _reject(
    work: Work,
    name: str,
    refs: Iterable[PhotoRef],
    why: Mapping[str, OSError],
    embedder: Embedder,
) -> None:
    """Write a part of the photos that have not come, each with its reason."""
    refs = list(refs)

    def fail(path: str) -> bytes:
        raise why.get(path) or OSError(errno.EIO, _GONE)

    if refs:
        nothing = network(embedder.backbone)
        write_part(work.place, work.parts, name, embed(refs, embedder, fail, nothing))


@contextmanager
def _settings(spark: SparkSession, settings: dict[str, Any]) -> Iterator[None]:
    """Change settings of Spark's for one job."""
    before = {name: spark.conf.get(name, None) for name in settings}
    for name, value in settings.items():
        spark.conf.set(name, str(value))
    try:
        yield
    finally:
        for name, old in before.items():
            if old is None:
                spark.conf.unset(name)
            else:
                spark.conf.set(name, old)


# Hadoop's client ----------------------------------------------------------------------------------


def _file_system(spark: SparkSession, url: str) -> tuple[Any, Callable[[str], Any]]:
    """Return the file system that a URL lies on, and what makes paths for it."""
    path_of = spark.sparkContext._jvm.org.apache.hadoop.fs.Path  # type: ignore[union-attr]
    conf = spark.sparkContext._jsc.hadoopConfiguration()
    return path_of(url).getFileSystem(conf), path_of


def _qualified(spark: SparkSession, folder: HadoopFolder) -> str:
    """Name a folder as Hadoop names the files in it."""
    with _listing_errors(folder):
        fs, path_of = _file_system(spark, folder.url)
        return str(fs.makeQualified(path_of(folder.url)).toString())


def _files(spark: SparkSession, folder: HadoopFolder) -> Iterator[Listed]:
    """Yield the files below a folder, a folder at a time; of each folder, Hadoop's pages."""
    root = _qualified(spark, folder)
    with _listing_errors(folder):
        fs, path_of = _file_system(spark, folder.url)
        if not fs.getFileStatus(path_of(root)).isDirectory():
            raise PhotosError(f"Not a folder: {folder}", hint="PHOTOS is a folder of photos.")
        folders = [root]
        while folders:
            entries = fs.listStatusIterator(path_of(folders.pop()))
            while entries.hasNext():
                entry = entries.next()
                path = entry.getPath().toString()
                if entry.isDirectory():
                    folders.append(path)
                    continue
                modified = _EPOCH + timedelta(milliseconds=entry.getModificationTime())
                yield Listed(path.removeprefix(f"{root}/"), entry.getLen(), modified)


def _kind(error: Py4JJavaError) -> str:
    return str(error.java_exception.getClass().getSimpleName())


@contextmanager
def _listing_errors(folder: HadoopFolder) -> Iterator[None]:
    """Say in a line what Hadoop's client throws."""
    try:
        yield
    except Py4JJavaError as error:
        thrown = error.java_exception
        kind = _kind(error)
        if kind == "FileNotFoundException":
            raise PhotosError(
                f"No such folder: {folder}", hint="Check the path of PHOTOS."
            ) from None
        said = ""
        with suppress(Py4JError):
            said = str(thrown.getMessage()).partition("\n")[0][:200]
        raise PhotosError(
            f"Cannot list {folder} ({kind}: {said}).",
            hint="Hadoop's client reads core-site.xml and hdfs-site.xml in HADOOP_CONF_DIR.",
        ) from None
    except Py4JError as error:
        raise EngineError(f"Java ended while {folder} was listed.") from error
