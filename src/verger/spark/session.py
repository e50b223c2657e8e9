"""The one place that makes a Spark session, and that ends it."""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib import resources
from pathlib import Path
from typing import IO, Any

from py4j.protocol import Py4JError, Py4JNetworkError
from pyspark import SparkConf, SparkContext
from pyspark.sql import SparkSession

from verger.errors import EngineError
from verger.machine.cores import cores
from verger.progress import open_closed_streams
from verger.settings import RunSettings
from verger.spark.java import Java, archiving_flags, find_java, java_home, start_flags
from verger.spark.memory import (
    TIGHT_CONF,
    TIGHT_ENVIRONMENT,
    Share,
    memory_available,
    share_of,
)

_SECONDS_TO_END = 20
_SECONDS_TO_ANSWER = 20
_SECONDS_TO_ARCHIVE = 300
_LONGEST_SOCKET_FOLDER = 60  # macOS takes paths of 103 bytes for sockets; Spark's names are of 42

# Every Spark setting that Verger makes, with its reason.
_CONF = {
    "spark.app.name": "verger",
    # Timestamps are UTC wherever the program runs.
    "spark.sql.session.timeZone": "UTC",
    # Rows of 1,280 floats: the default of 10,000 rows a batch would be 50 MB.
    "spark.sql.execution.arrow.maxRecordsPerBatch": "1024",
    # Shuffles here are of a few rows; the default of 200 tasks would cost seconds.
    "spark.sql.shuffle.partitions": "8",
    "spark.sql.adaptive.enabled": "false",
}
_LOCAL_CONF = {
    # The page is one more server to start; --spark-conf spark.ui.enabled=true brings it back.
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    # The driver is the only machine: no name look-up, nothing open to the network.
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    # Workers are forked from a process that has imported what they need, once for all.
    "spark.python.daemon.module": "verger.spark.daemon",
}


@contextmanager
def session(
    settings: RunSettings,
    *,
    short: bool = False,
    archive: bool = False,
) -> Iterator[SparkSession]:
    """Start Spark, or join the session that is running, and end what was started.

    `short` says that the session will have little to do, and `archive` that Java shall write its
    class-data archive at the end. Raises `EngineError` where Java or Spark does not start.
    """
    running = SparkSession.getActiveSession()
    if running is not None:
        yield running
        return
    _find_master(settings.master)
    with ExitStack() as stack:
        try:
            folder = tempfile.TemporaryDirectory(prefix="vg-", ignore_cleanup_errors=True)
            sockets = stack.enter_context(folder)
            spark = _start(settings, sockets, short=short, archive=archive)
        except EngineError:
            raise
        except Exception as error:
            raise EngineError(
                f"Spark did not start: {_first_line(error)}", hint="--verbose shows what Java says."
            ) from error
        stack.enter_context(_quiet_bridge(verbose=settings.verbose))
        try:
            yield spark
        except Exception as error:
            gone = _java_is_gone(error)
            _end(spark, _SECONDS_TO_END)
            if gone:
                raise EngineError(
                    "Java ended in the midst of the run.",
                    hint="Perhaps memory ran out: give less --memory, or fewer --cores.",
                ) from error
            raise
        except BaseException:  # Ctrl-C, SIGTERM: what is under way is not waited for
            _end(spark, _SECONDS_TO_END, at_once=True)
            raise
        _end(spark, _SECONDS_TO_ARCHIVE if archive else _SECONDS_TO_END)


def is_local(master: str | None) -> bool:
    """Say whether a master means this machine alone."""
    return master is None or master.startswith("local")


def _find_master(master: str | None) -> None:
    """Refuse a standalone master that nobody reaches: Spark tries for a minute, then says less."""
    if master is None or not master.startswith("spark://"):
        return
    said: Exception | None = None
    for address in master.removeprefix("spark://").split(","):
        host, _, port = address.rpartition(":")
        try:
            with socket.create_connection((host.strip("[]"), int(port)), _SECONDS_TO_ANSWER):
                return
        except (OSError, ValueError) as error:
            said = error
    reason = said.strerror or said if isinstance(said, OSError) else "that is no HOST:PORT"
    raise EngineError(
        f"No Spark master answers at {master}: {reason}.",
        hint="Check the address, and that it runs.",
    ) from said


def versions(spark: SparkSession) -> dict[str, str]:
    """Return the versions of Spark, and of the Java that it runs on."""
    jvm: Any = spark.sparkContext._jvm
    java = jvm.java.lang.System.getProperty("java.version")
    return {"spark": spark.version, "java": str(java)}


def _start(settings: RunSettings, sockets: str, *, short: bool, archive: bool) -> SparkSession:
    environment = {"PYSPARK_DRIVER_PYTHON": sys.executable}
    if "PYSPARK_GATEWAY_PORT" in os.environ:  # under spark-submit, whose settings Java holds
        SparkContext._ensure_initialized()
    conf = SparkConf()
    conf.setAll(list(_CONF.items()))
    submitted = conf.get("spark.master")
    named = settings.master or submitted
    share = _share(settings, named) if is_local(named) else None
    master = named or f"local[{share.cores if share else 1}]"
    conf.setMaster(master)
    environment["PYSPARK_PYTHON"] = _python_of_workers(master)
    if share is not None:
        conf.setAll(list(_local_conf(settings, share, sockets).items()))
        if share.is_tight:
            short = True
            environment |= {k: v for k, v in TIGHT_ENVIRONMENT.items() if k not in os.environ}
    elif settings.memory != "auto":  # a cluster has a default of its own, Spark's is 1g
        conf.set("spark.executor.memory", settings.memory)
    for pair in settings.spark_conf:
        key, _, value = pair.partition("=")
        conf.set(key, value)
    if submitted is None:
        home = _prepare_java(conf, verbose=settings.verbose, short=short, archive=archive)
        environment["JAVA_HOME"] = str(home)
    with (
        _environment(environment),
        _python_answers_signals(),
        _output_of_java(verbose=settings.verbose),
    ):
        try:
            with _signals_wait():
                SparkContext._ensure_initialized(conf=conf)  # launches Java
            return SparkSession.builder.config(conf=conf).getOrCreate()
        except Exception:
            raise  # Java is still asked what it threw, and ends with this process
        except BaseException:
            _kill_java()
            raise


def _local_conf(settings: RunSettings, share: Share, sockets: str) -> dict[str, str]:
    """Return the settings of a Spark that has this machine alone."""
    conf = _LOCAL_CONF | _socket_conf(sockets)
    if settings.memory != "auto":
        return conf | {"spark.driver.memory": settings.memory}
    conf |= {"spark.driver.memory": f"{share.heap}m"}
    return conf | TIGHT_CONF if share.is_tight else conf


def _socket_conf(folder: str) -> dict[str, str]:
    """Let Java and its workers talk through Unix sockets in a folder that only this user can enter.

    Over TCP each stage waited some 40 ms for an acknowledgement. Spark before 4.1 reads none of it.
    """
    if len(os.fsencode(folder)) > _LONGEST_SOCKET_FOLDER:
        return {}
    return {
        "spark.python.unix.domain.socket.enabled": "true",
        "spark.python.unix.domain.socket.dir": folder,
    }


def _python_of_workers(master: str) -> str:
    """Return this Python, or what the user says: on other machines it may lie elsewhere."""
    given = None if is_local(master) else os.environ.get("PYSPARK_PYTHON")
    return given or sys.executable


def _share(settings: RunSettings, master: str | None) -> Share:
    """Share this machine out; cores that the user names are not made fewer."""
    asked = re.fullmatch(r"local(?:\[(\d+)(?:,.*)?\])?", master or "*")
    named = settings.cores or (int(asked.group(1) or 1) if asked else None)
    automatic = settings.memory == "auto"
    fewer = automatic and named is None and master is None
    return share_of(memory_available() if automatic else None, named or cores(), fewer=fewer)


@contextmanager
def _signals_wait() -> Iterator[None]:
    """Answer Ctrl-C and SIGTERM after the block, not within it.

    Stopped while it launches Java, pyspark forgets the process, which then never ends.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda n, _: came.append(n)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if came:
        signal.raise_signal(came[0])


def _kill_java() -> None:
    """End a Java that was stopped while Spark began: left alone, it may wait for itself forever."""
    process: subprocess.Popen[bytes] | None = getattr(SparkContext._gateway, "proc", None)
    if process is not None:
        process.kill()
        process.wait()
        SparkContext._gateway = SparkContext._jvm = None


def _prepare_java(conf: SparkConf, *, verbose: bool, short: bool, archive: bool) -> Path:
    """Choose the Java that this process will start, and its flags; return its JAVA_HOME."""
    java = find_java()
    home = java_home(java)
    flags = archiving_flags(java, home) if archive else start_flags(home, short=short)
    flags += _native_access_flags(java)
    if not verbose:
        quiet = Path(str(resources.files("verger.spark"))) / "log4j2.properties"
        flags.append(f"-Dlog4j2.configurationFile={quiet.as_uri()}")
    if given := conf.get("spark.driver.extraJavaOptions"):
        flags.append(given)
    spaced = [f'"{flag}"' if " " in flag and flag != given else flag for flag in flags]
    conf.set("spark.driver.extraJavaOptions", " ".join(spaced))
    return home


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Set variables for Java to inherit, and put back what the user had."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _native_access_flags(java: Java) -> list[str]:
    """Spark's libraries use what Java 24 began to warn of."""
    if java.major < 24:
        return []
    return ["--enable-native-access=ALL-UNNAMED", "--sun-misc-unsafe-memory-access=allow"]


@contextmanager
def _output_of_java(*, verbose: bool) -> Iterator[None]:
    """Keep Java's chatter off the terminal; what it says is told if it does not start.

    Java inherits the standard output and error that this process has while it is launched.
    """
    if verbose:
        yield
        return
    open_closed_streams()
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
        try:
            yield
        except Exception as error:
            if "INVALID_DRIVER_MEMORY" in str(error):
                raise EngineError(
                    "Spark does not start with so little --memory.", hint="Give 512m or more."
                ) from error
            raise EngineError(
                f"Spark did not start: {_complaint(said) or _first_line(error)}",
                hint="--verbose shows all that Java says.",
            ) from error
        finally:
            for number, copy in zip((1, 2), kept, strict=True):
                os.dup2(copy, number)
                os.close(copy)


def _complaint(said: IO[bytes]) -> str:
    """Return the first line of Java's that looks like an error."""
    said.seek(0)
    lines = said.read(1_000_000).decode(errors="replace").splitlines()
    line = next((line for line in lines if "rror" in line or "xception" in line), "")
    return re.sub(r'^Exception in thread "[^"]*" ([\w.]+: )?', "", line)[:300]


@contextmanager
def _python_answers_signals() -> Iterator[None]:
    """Keep the answer to Ctrl-C that this process has, which raises KeyboardInterrupt.

    Spark puts its own in place, which calls Java from within a call to Java, and fails in pages.
    """
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        if before is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, before)


@contextmanager
def _quiet_bridge(*, verbose: bool) -> Iterator[None]:
    """Keep off the terminal what py4j logs of a call to Java that Ctrl-C interrupts."""
    root = logging.getLogger()
    if verbose:
        yield
        return

    def not_of_py4j(record: logging.LogRecord) -> bool:
        return record.module not in ("java_gateway", "clientserver")

    bridge = logging.getLogger("py4j")
    before = bridge.level
    root.addFilter(not_of_py4j)
    bridge.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        bridge.setLevel(before)
        root.removeFilter(not_of_py4j)


def _java_is_gone(error: Exception) -> bool:
    """Say whether an error came of Java's end: then all that it says is that nobody answers."""
    process: subprocess.Popen[bytes] | None = getattr(SparkContext._gateway, "proc", None)
    if process is None or not isinstance(error, ConnectionError | Py4JError | EngineError):
        return False
    unheard = isinstance(error, ConnectionError) or isinstance(error.__cause__, Py4JNetworkError)
    try:
        process.wait(5 if unheard else 0)
    except subprocess.TimeoutExpired:
        return False
    return True


def _end(spark: SparkSession, patience: float, *, at_once: bool = False) -> None:
    """Stop Spark and wait until its Java process is gone, so that nothing is left behind.

    `at_once` does not wait for the tasks under way: Java is told to end, and ends its workers.
    """
    gateway = SparkContext._gateway
    process: subprocess.Popen[bytes] | None = getattr(gateway, "proc", None)
    if at_once and process is not None:
        _hush(spark)
        process.terminate()
    else:
        _stop(spark)
    if gateway is None or process is None:
        return
    with suppress(Exception):
        gateway.shutdown()
    if process.stdin:
        with suppress(OSError):
            process.stdin.close()  # Java ends when its standard input does
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if at_once:
        _stop(spark)  # what this process still holds of it
    SparkContext._gateway = SparkContext._jvm = None  # so that another session can start


def _hush(spark: SparkSession) -> None:
    """Keep pyspark's listener for Java from printing a traceback when Java goes."""
    server: Any = getattr(spark.sparkContext, "_accumulatorServer", None)
    if server is not None:
        server.handle_error = lambda *_: None


def _stop(spark: SparkSession) -> None:
    with suppress(Exception), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that Java is gone already
        spark.stop()
    SparkContext._active_spark_context = None
    SparkSession._instantiatedSession = SparkSession._activeSession = None


def _first_line(error: BaseException) -> str:
    """Return the line that says most: what Java threw, which py4j puts after a line of its own."""
    lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return next((line[2:] for line in lines if line.startswith(": ")), lines[0])[:300]
