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
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from importlib import resources
from pathlib import Path
from typing import IO, Any

from py4j.protocol import Py4JError, Py4JNetworkError
from pyspark import SparkConf, SparkContext
from pyspark.java_gateway import launch_gateway
from pyspark.sql import SparkSession

from verger.errors import EngineError
from verger.machine.cores import cores
from verger.machine.folders import scratch_folder
from verger.machine.memory import memory_available
from verger.machine.streams import open_closed_streams
from verger.settings import RunSettings
from verger.spark.environment import (
    check_the_users,
    own,
    utf8_locale,
    without_name_server,
)
from verger.spark.gpu_tasks import CLUSTER_CONF
from verger.spark.java import archiving_flags, find_java, java_home, start_flags
from verger.spark.java_memory import TIGHT_CONF, TIGHT_ENVIRONMENT, Share, share_of

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
    # The driver is the only machine: no name look-up, nothing open to the network, and nothing that
    # answers to other users of this machine.
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.authenticate": "true",
    # A file of the user's in the current folder, random.py or numpy.py, is no module of workers.
    "spark.executorEnv.PYTHONSAFEPATH": "1",
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
    with ExitStack() as stack:
        with _GUESTS.door:  # of two threads, one starts Spark, and the other joins it
            running = running_session()
            if running is not None:
                stack.enter_context(_GUESTS.one())
            else:
                spark = _begin(settings, stack, short=short, archive=archive)
        if running is not None:
            yield running
            return
        try:
            yield spark
            _GUESTS.see_out()
        except Exception as error:
            gone = _java_is_gone(error)
            _end(spark, _SECONDS_TO_END)
            if gone:
                raise EngineError(
                    "Java ended during the run.",
                    hint="Perhaps memory ran out: give less --memory, or fewer --cores.",
                ) from error
            raise
        except BaseException:  # Ctrl-C, SIGTERM: what is under way is not waited for
            _end(spark, _SECONDS_TO_END, at_once=True)
            raise
        _end(spark, _SECONDS_TO_ARCHIVE if archive else _SECONDS_TO_END)


def running_session() -> SparkSession | None:
    """Return the session that this process has, whichever thread began it; None where it has none.

    A SparkContext alone is given a session.
    """
    context: Any = SparkContext._active_spark_context
    if context is None or context._jsc is None:
        return None
    choose_python()
    running: Any = SparkSession.getActiveSession() or SparkSession._instantiatedSession
    return SparkSession(context) if running is None or running._sc is not context else running


def choose_python() -> None:
    """Have workers on this machine run this Python, where nobody chose one.

    `python3`, which Spark takes by itself, is often another, without Verger.
    """
    context = SparkContext._active_spark_context
    if context is not None and is_local(context.master) and "PYSPARK_PYTHON" not in os.environ:
        context.pythonExec = sys.executable


class _Guests:
    """The threads that joined the session which another started: it ends after them."""

    def __init__(self) -> None:
        self.door = threading.Condition()
        self._threads: list[threading.Thread] = []

    @contextmanager
    def one(self) -> Iterator[None]:
        """Be a guest for the block."""
        me = threading.current_thread()
        with self.door:
            self._threads.append(me)
        try:
            yield
        finally:
            with self.door:
                self._threads.remove(me)
                self.door.notify_all()

    def see_out(self) -> None:
        """Wait for the guests of other threads."""
        with self.door:
            while any(t.is_alive() for t in self._threads if t is not threading.current_thread()):
                self.door.wait(1)


_GUESTS = _Guests()


def _begin(
    settings: RunSettings,
    stack: ExitStack,
    *,
    short: bool,
    archive: bool,
) -> SparkSession:
    """Start Spark, with a folder of its own that goes with the stack."""
    _find_master(settings.master)
    try:
        folder = stack.enter_context(scratch_folder("vg-", runs_programs=True))
        spark = _start(settings, folder, short=short, archive=archive)
    except EngineError:
        raise
    except Exception as error:
        raise EngineError(
            f"Spark did not start: {_first_line(error)}", hint="--verbose shows what Java says."
        ) from error
    stack.enter_context(_quiet_bridge(verbose=settings.verbose))
    return spark


def is_local(master: str | None) -> bool:
    """Say whether a master means this machine alone."""
    return master is None or master.startswith("local")


def is_alone(settings: RunSettings) -> bool:
    """Say whether a run would have this machine alone: what `session` starts, or joins."""
    running = SparkContext._active_spark_context
    if running is not None:
        return is_local(running.master)
    if "PYSPARK_GATEWAY_PORT" in os.environ:  # under spark-submit, whose settings Java holds
        SparkContext._ensure_initialized()
        return is_local(settings.master or SparkConf().get("spark.master"))
    return is_local(settings.master)


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
    reason = said.strerror or said if isinstance(said, OSError) else "that is not HOST:PORT"
    raise EngineError(
        f"No Spark master answers at {master}: {reason}.",
        hint="Check the address, and that it runs.",
    ) from said


def versions(spark: SparkSession) -> dict[str, str]:
    """Return the versions of Spark, and of the Java that it runs on."""
    jvm: Any = spark.sparkContext._jvm
    java = jvm.java.lang.System.getProperty("java.version")
    return {"spark": spark.version, "java": str(java)}


def _start(
    settings: RunSettings,
    folder: Path,
    *,
    short: bool,
    archive: bool,
) -> SparkSession:
    environment: dict[str, str | None] = {"PYSPARK_DRIVER_PYTHON": sys.executable}
    environment |= utf8_locale()
    if "PYSPARK_GATEWAY_PORT" in os.environ:  # under spark-submit, whose settings Java holds
        SparkContext._ensure_initialized()
    conf = SparkConf()
    conf.setAll(list(_CONF.items()))
    submitted = conf.get("spark.master")
    named = settings.master or submitted
    share = _share(settings, named) if is_local(named) else None
    master = named or f"local[{share.cores if share else 1}]"
    conf.setMaster(master)
    # On other machines Python may lie elsewhere than here: there it is what the user says.
    theirs = None if is_local(master) else os.environ.get("PYSPARK_PYTHON")
    environment["PYSPARK_PYTHON"] = theirs or sys.executable
    if share is not None:
        conf.setAll(list(_local_conf(settings, share, folder).items()))
        if share.is_tight:
            short = True
            environment |= {k: v for k, v in TIGHT_ENVIRONMENT.items() if k not in os.environ}
    else:
        _ask_a_cluster(conf, settings)
    given = [pair.partition("=") for pair in settings.spark_conf]
    conf.setAll([(key, value) for key, _, value in given])
    if submitted is None:
        if share is not None:  # this machine alone: the Spark is ours; of a cluster, the user's
            environment |= own(folder)
        else:
            check_the_users()
        home = _prepare_java(
            conf, folder,
            verbose=settings.verbose, short=short, archive=archive,
            alone=share is not None and not settings.spark_conf,  # which may name other machines
        )  # fmt: skip
        environment["JAVA_HOME"] = str(home)
    with (
        _environment(environment),
        _python_answers_signals(),
        _output_of_java(folder, verbose=settings.verbose) as output,
    ):
        try:
            if SparkContext._gateway is None:
                with _signals_wait():
                    gateway: Any = launch_gateway(conf, output)  # type: ignore[no-untyped-call]
                    gateway.is_vergers = True
                    SparkContext._ensure_initialized(gateway=gateway, conf=conf)
            return SparkSession.builder.config(conf=conf).getOrCreate()
        except Exception:
            raise  # Java is still asked what it threw, and ends with this process
        except BaseException:
            _kill_java()
            raise


def _java() -> subprocess.Popen[bytes] | None:
    """Return the Java that Verger launched, None where there is none: another's is left alone."""
    gateway: Any = SparkContext._gateway
    return gateway.proc if vars(gateway or object).get("is_vergers") else None


def _local_conf(settings: RunSettings, share: Share, folder: Path) -> dict[str, str]:
    """Return the settings of a Spark that has this machine alone."""
    conf = _LOCAL_CONF | _socket_conf(str(folder)) | {"spark.local.dir": str(folder)}
    if settings.memory != "auto":
        return conf | {"spark.driver.memory": settings.memory}
    conf |= {"spark.driver.memory": f"{share.heap}m"}
    return conf | TIGHT_CONF if share.is_tight else conf


def _ask_a_cluster(conf: SparkConf, settings: RunSettings) -> None:
    """Set what the executors of a cluster shall have."""
    if settings.memory != "auto":  # a cluster has a default of its own, Spark's is 1g
        conf.set("spark.executor.memory", settings.memory)
    if settings.device == "cuda":
        for key, value in CLUSTER_CONF.items():  # spark-submit may have asked for more
            conf.setIfMissing(key, value)


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
    process = _java()
    if process is not None:
        process.kill()
        process.wait()
        SparkContext._gateway = SparkContext._jvm = None


def _prepare_java(
    conf: SparkConf, folder: Path, *, verbose: bool, short: bool, archive: bool, alone: bool
) -> Path:
    """Choose the Java that this process will start, and its flags; return its JAVA_HOME."""
    java = find_java()
    home = java_home(java, None if archive else folder)
    flags = archiving_flags(java, home) if archive else start_flags(home, short=short)
    if java.major >= 24:  # which warns of what Spark's libraries use
        flags += ["--enable-native-access=ALL-UNNAMED", "--sun-misc-unsafe-memory-access=allow"]
    if alone:
        flags.append(without_name_server(folder))
    # For what Java unpacks to load; and no file of counters in /tmp, which may be full.
    flags += [f"-Djava.io.tmpdir={folder}", "-XX:-UsePerfData"]
    if not verbose:
        quiet = Path(str(resources.files("verger.spark"))) / "log4j2.properties"
        flags.append(f"-Dlog4j2.configurationFile={quiet.as_uri()}")
    if given := conf.get("spark.driver.extraJavaOptions"):
        flags.append(given)
    spaced = [f'"{flag}"' if " " in flag and flag != given else flag for flag in flags]
    conf.set("spark.driver.extraJavaOptions", " ".join(spaced))
    return home


@contextmanager
def _environment(values: Mapping[str, str | None]) -> Iterator[None]:
    """Set variables for Java to inherit, or take them away; put back what the user had."""
    before = {name: os.environ.get(name) for name in values}
    _set(values)
    try:
        yield
    finally:
        _set(before)


def _set(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@contextmanager
def _output_of_java(folder: Path, *, verbose: bool) -> Iterator[dict[str, Any]]:
    """Keep Java's chatter off the terminal; what it says is told if it does not start.

    Yields what Java is to be launched with.
    """
    if verbose:
        yield {}
        return
    open_closed_streams()
    with tempfile.TemporaryFile(dir=folder) as said:
        try:
            yield {"stdout": said, "stderr": said}
        except Exception as error:
            if "INVALID_DRIVER_MEMORY" in str(error):
                raise EngineError(
                    "Spark does not start with so little --memory.", hint="Give 512m or more."
                ) from error
            raise EngineError(
                f"Spark did not start: {_complaint(said) or _first_line(error)}",
                hint="--verbose shows all that Java says.",
            ) from error


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
    process = _java()
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
    with _GUESTS.door:  # nobody joins meanwhile
        if not at_once:
            _GUESTS.see_out()
        _end_all(spark, patience, at_once=at_once)


def _end_all(spark: SparkSession, patience: float, *, at_once: bool) -> None:
    gateway = SparkContext._gateway
    process = _java()
    if at_once and process is not None:
        server: Any = getattr(spark.sparkContext, "_accumulatorServer", None)
        if server is not None:  # it would print a traceback when Java goes
            server.handle_error = lambda *_: None
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
