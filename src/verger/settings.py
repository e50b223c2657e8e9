"""Every choice of a run and of the server, with its default and its help.

The command line, the Python API and the reference page in `docs/` are all read from here.
"""

from __future__ import annotations

import dataclasses
import math
import re
import types
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import PurePath
from typing import Any

from verger.errors import UsageError, visible
from verger.texts import LANGUAGES

LARGEST_IMAGE = 4096  # pixels a side; networks are made for 160 to 600
DEFAULT_BACKBONE = "efficientnet-lite0-int8"
GPU_BACKBONE = "efficientnet-lite0"  # of a new STORE, where a GPU computes: it has no use for int8
ALWAYS, WHEN_IT_MATTERS = "always", "when-it-matters"
# The settings that decide what is made of the features.
OF_PROJECTION = ("components", "standardize", "shrinkage", "csv")
ENGINES = ("auto", "spark", "process")
WEB_PHOTO_BYTES = 64 * 2**20  # the most that is taken of a photo of a list on the web
BATCH_SIZES = {"cpu": 4, "cuda": 64}  # by the device
_VIEWS = re.compile(r"[0-9]+(,[0-9]+)*")
_AS_VIEWS = "Write it like this: 224,420."
_DIGITS_SHOWN = 12
_ORIGIN = re.compile(r"https?://(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::[1-9][0-9]{0,4})?")
_MEMORY = re.compile(r"[1-9][0-9]*[mgMG]")
# Names whose values only their owner shall know; and such names, and `user:password@` of a URL,
# within a value (`-Dsome.password=…`, `;token=…`).
_PRIVATE = r"secret|pass(?:w|phrase)|token|credential|\bsas\b|[._-]key\b|(?:access|account|api)key"
_PRIVATE_NAME = re.compile(_PRIVATE, re.IGNORECASE)
_IN_A_URL = re.compile(r"//[^\s,;]*@")
_IN_A_VALUE = re.compile(rf"([\w.-]*(?:{_PRIVATE})[\w.-]*[=:])[^\s;,&]+", re.IGNORECASE)
_PRICE = re.compile(r"(\d{1,6}(?:\.\d{1,9})?) \+ (\d{1,6}(?:\.\d{1,9})?)/h on (\S.{0,99})")


def without_secrets(text: str) -> str:
    """Write a setting, such as KEY=VALUE, without what only its owner shall know."""
    name, equals, _ = text.partition("=")
    if equals and _PRIVATE_NAME.search(name):
        return f"{name}=…"
    return _IN_A_VALUE.sub(r"\1…", _IN_A_URL.sub("//…@", text))


def _check_views(views: str) -> None:
    if not _VIEWS.fullmatch(views):
        raise UsageError(f"--views {views} is not a list of whole numbers.", hint=_AS_VIEWS)
    for side in views.split(","):
        digits = side.lstrip("0")
        if len(digits) > len(str(LARGEST_IMAGE)) or not 1 <= int(digits or 0) <= LARGEST_IMAGE:
            shown = side if len(side) <= _DIGITS_SHOWN else f"{side[:_DIGITS_SHOWN]}…"
            raise UsageError(
                f"--views: a side of {shown} is not between 1 and {LARGEST_IMAGE:,} pixels.",
                hint=_AS_VIEWS,
            )


def _choice(
    default: Any,
    help_: str,
    *,
    metavar: str | None = None,
    short: str = "",
    undo: bool = False,
    rare: bool = False,
) -> Any:
    """Declare one setting: its default, its help, and how the command line shows it.

    undo: what is switched on can be switched off by an option, too
    rare: few need it, and `--help` leaves it to `--help-all`
    """
    metadata = {
        "help": help_,
        "metavar": metavar,
        "short": short,
        "undo": undo or default is True,
        "rare": rare,
    }
    return dataclasses.field(default=default, metadata=metadata)


def _check_words(settings: RunSettings) -> None:
    if settings.device not in (*BATCH_SIZES, "auto"):
        raise UsageError(f"--device {settings.device} is not one of cpu, cuda, auto.")
    if settings.refit not in (ALWAYS, WHEN_IT_MATTERS):
        raise UsageError(f"--refit {settings.refit} is neither {ALWAYS} nor {WHEN_IT_MATTERS}.")
    if settings.language not in (None, *LANGUAGES):
        raise UsageError(
            f"--language {settings.language}: Verger does not speak it.",
            hint=f"Choose {LANGUAGES[0]} or {LANGUAGES[1]}.",
        )


def _check_engine(settings: RunSettings) -> None:
    if settings.engine not in ENGINES:
        raise UsageError(f"--engine {settings.engine} is not one of {', '.join(ENGINES)}.")
    of_spark = {
        "--master": settings.master is not None,
        "--spark-conf": settings.spark_conf != (),
        "--memory": settings.memory != "auto",
        "--device cuda": settings.device == "cuda",
    }
    for option in (name for name, is_given in of_spark.items() if is_given):
        if settings.engine == "process":
            raise UsageError(
                f"--engine process and {option} exclude each other.", hint=f"{option} takes Spark."
            )


def _check(settings: Any, **bounds: tuple[int, float]) -> None:
    """Refuse numbers, by their settings' names, outside of their bounds; None is no number."""
    for name, (least, most) in bounds.items():
        value = getattr(settings, name)
        option = f"--{name.replace('_', '-')}"
        if value is not None and value < least:
            raise UsageError(f"{option} {value} is too small: the minimum is {least}.")
        if value is not None and value > most:
            raise UsageError(f"{option} {value} is too large: the maximum is {most}.")


@dataclasses.dataclass(frozen=True, slots=True)
class Price:
    """What machines cost, in euros: once, and an hour; `where` they are, in words."""

    once: float
    an_hour: float
    where: str

    @classmethod
    def parse(cls, text: str) -> Price:
        """Read `0.05 + 0.21/h on ec2`. Raises `UsageError`."""
        found = _PRICE.fullmatch(text.strip())
        if not found:
            raise UsageError(
                f"--price {text} is not a price.",
                hint="Write it like this: '0.05 + 0.21/h on ec2'.",
            )
        return cls(float(found[1]), float(found[2]), found[3])

    def __str__(self) -> str:
        return f"{self.once:.4f} + {self.an_hour:.4f}/h on {self.where}"

    def record(self, seconds: float) -> dict[str, Any]:
        """Return what so many seconds cost, for the run record."""
        amount = self.once + self.an_hour * seconds / 3600
        return {"amount": round(amount, 4), "currency": "EUR", "where": self.where}


@dataclasses.dataclass(frozen=True, slots=True)
class RunSettings:
    """The choices of `verger run`. Building one checks it, and raises `UsageError`."""

    label_from: str = _choice(
        "parent",
        "Where labels come from: 'parent' (the photo's folder), 'none', 'regex:…' (a pattern "
        "for the path, whose one group is the label), or a CSV file with the columns path,label.",
        metavar="parent|none|regex:…|FILE.csv",
    )
    components: str = _choice(
        "0.95",
        "Components to keep: a whole number, or the share of variance to reach.",
        metavar="K|SHARE",
        short="-k",
    )
    standardize: bool = _choice(
        False,
        "Divide each feature by its standard deviation first (PCA of the correlation matrix).",
        undo=True,
        rare=True,
    )
    refit: str = _choice(
        ALWAYS,
        "When to refit the projections. 'when-it-matters' keeps those of the last run, and only "
        "projects new photos, as long as these change little.",
        metavar=f"{ALWAYS}|{WHEN_IT_MATTERS}",
        rare=True,
    )
    shrinkage: float = _choice(
        0.3,
        "Shrinkage of the covariance within labels, for the discriminant projection: 0 (none) to "
        "1 (only its average variance).",
        metavar="SHARE",
        rare=True,
    )
    backbone: str | None = _choice(
        None,
        "The pretrained network: a name, or an ONNX file (default: that of STORE; for a new one "
        f"{DEFAULT_BACKBONE}, on a GPU {GPU_BACKBONE}).",
        metavar="NAME|FILE.onnx",
    )
    image_size: int | None = _choice(
        None,
        "Side of the square that the network sees, for networks that take any size (default: that "
        "of STORE; for a new one, what the backbone's card says).",
        metavar="PIXELS",
        rare=True,
    )
    views: str | None = _choice(
        None,
        "Resize the shorter side of a photo to this many pixels before the square of "
        "--image-size is cut from its centre. One number per view, up to 4; the features of the "
        "views are averaged (default: as for --image-size).",
        metavar="PIXELS[,PIXELS…]",
        rare=True,
    )
    accurate: bool = _choice(
        False,
        "Show the network each photo three times, whole and closer up: more photos are named "
        "right, at about half the speed with the default network.",
    )
    device: str = _choice(
        "cpu",
        "Device for the network. 'cuda' fails if no GPU works; 'auto' uses a GPU if one works, "
        "and says so.",
        metavar="cpu|cuda|auto",
        rare=True,
    )
    batch_size: int | None = _choice(
        None,
        f"Photos per batch of the network (default: {BATCH_SIZES['cpu']}; {BATCH_SIZES['cuda']} on "
        "a GPU).",
        metavar="N",
        rare=True,
    )
    max_pixels: int = _choice(
        100_000_000, "Reject photos with more pixels, before decoding them.", metavar="N", rare=True
    )
    max_bytes: int = _choice(
        256_000_000,
        "Reject larger files, before reading them; of a list on the web, always those of more than "
        f"{WEB_PHOTO_BYTES:,} bytes.",
        metavar="N",
        rare=True,
    )
    max_rejects: float = _choice(
        0.5,
        "Fail if more than this share of the photos is rejected (the rejects are written first).",
        metavar="SHARE",
    )
    csv: bool = _choice(True, "Write matrix.csv beside the Parquet matrix.")
    report: bool = _choice(
        True, "Write report/report.html: the run in one file, to open in a browser."
    )
    language: str | None = _choice(
        None,
        "Language of the report, and of slides and notebook unless they are given another: 'en' "
        "or 'fr' (default: as before; en for a new STORE).",
        metavar="en|fr",
    )
    keep: int | None = _choice(
        None,
        "How many matrices STORE keeps for `verger checkout`, the current one included "
        "(default: as in the last run; 2 for a new STORE).",
        metavar="N",
        rare=True,
    )
    overwrite: bool = _choice(False, "Start again: embed all photos, and replace what is in STORE.")
    retry_rejects: bool = _choice(
        False, "Try rejected photos again, even if they have not changed."
    )
    hidden: bool = _choice(False, "Include hidden files and hidden folders.", rare=True)
    master: str | None = _choice(
        None, "Spark master (default: that of spark-submit, else this machine).", metavar="URL"
    )
    cores: int | None = _choice(None, "Cores to use (default: all).", metavar="N")
    engine: str = _choice(
        "auto",
        "'process' uses threads of this command, which start at once. 'auto' does so for up to "
        "10,000 new photos, and uses Spark for more, on a GPU, and if an option needs it.",
        metavar="auto|spark|process",
        rare=True,
    )
    memory: str = _choice(
        "auto",
        "Memory of Spark's Java process, such as 800m or 2g. 'auto' is 1g; on a small machine "
        "less, and fewer cores.",
        metavar="SIZE",
        rare=True,
    )
    spark_conf: tuple[str, ...] = _choice(
        (),
        "A Spark setting; may be repeated. Secrets are not recorded.",
        metavar="KEY=VALUE",
        rare=True,
    )
    price: str | None = _choice(
        None,
        "What the machines cost, in euros: '0.05 + 0.21/h on ec2, 1 × c7i.xlarge'. Record and "
        "report then say what the run cost; `verger cloud run` gives it.",
        metavar="'ONCE + HOUR/h on WHERE'",
        rare=True,
    )
    verbose: bool = _choice(False, "Show what Spark and Java print.", rare=True)

    def __post_init__(self) -> None:
        parse_components(self.components)
        _ = self.priced
        _check_words(self)
        _check(self, batch_size=(1, 1024), image_size=(16, LARGEST_IMAGE))
        _check(self, max_pixels=(1, math.inf), max_bytes=(1, math.inf))
        _check(self, cores=(1, math.inf), keep=(1, math.inf))
        if self.views is not None:
            _check_views(self.views)
        if self.accurate and self.views is not None:
            raise UsageError(
                "--accurate and --views exclude each other.",
                hint="With the default network, --accurate is the same as --image-size 192 "
                "--views 192,288,480.",
            )
        for name, share in (("max-rejects", self.max_rejects), ("shrinkage", self.shrinkage)):
            if not 0 <= share <= 1:
                raise UsageError(f"--{name} {share} is not a share between 0 and 1.")
        if self.memory != "auto" and not _MEMORY.fullmatch(self.memory):
            raise UsageError(f"--memory {self.memory} is neither auto nor a size such as 800m.")
        for pair in self.spark_conf:
            if not pair.partition("=")[0] or "=" not in pair:
                raise UsageError(f"--spark-conf {without_secrets(pair)} is not KEY=VALUE.")
        _check_engine(self)
        if self.cores is not None and self.master is not None:
            raise UsageError(
                "--cores and --master exclude each other.",
                hint="--cores N is the same as --master 'local[N]'.",
            )

    @property
    def photos_a_batch(self) -> int:
        """What `batch_size` says, or else the device."""
        return self.batch_size or BATCH_SIZES["cuda" if self.device == "cuda" else "cpu"]

    @property
    def priced(self) -> Price | None:
        """What `price` says."""
        return None if self.price is None else Price.parse(self.price)

    @property
    def views_a_photo(self) -> int | None:
        """How many views of a photo are asked for; None where that is left to STORE."""
        if self.accurate:
            return 3
        return None if self.views is None else len(self.views.split(","))

    def as_record(self) -> dict[str, Any]:
        """Return the settings as a JSON-ready mapping, for the run record; no secret is in it."""
        return dataclasses.asdict(self) | {
            "spark_conf": [without_secrets(pair) for pair in self.spark_conf],
            "master": self.master and without_secrets(self.master),
        }


def settings_from(given: Mapping[str, Any]) -> RunSettings:
    """Make the settings of a run. Raises `UsageError` for one that there is not, or is wrong."""
    known = [setting.name for setting in dataclasses.fields(RunSettings)]
    for name in given:
        if name not in known:
            near = get_close_matches(name, known, 1)
            raise UsageError(
                f"There is no setting {name}.", hint=f"Did you mean {near[0]}?" if near else ""
            )
    kinds = {setting.name: str(setting.type) for setting in dataclasses.fields(RunSettings)}
    return RunSettings(**{name: _fitting(name, kinds[name], given[name]) for name in given})


# What a field takes, and the words for it.
_KINDS: dict[str, tuple[type | types.UnionType, str]] = {
    "bool": (bool, "True or False"),
    "int": (int, "a whole number"),
    "float": (int | float, "a number"),
    "str": (str, "text"),
    "tuple[str, ...]": (list | tuple, "a list of texts"),
}
_NUMBERS_AS_TEXT = ("components", "views")


def _fitting(name: str, annotation: str, value: Any) -> Any:
    """Return the value of a setting as its field takes it. Raises `UsageError` if it does not."""
    if value is None and annotation.endswith(" | None"):
        return None
    annotation = annotation.removesuffix(" | None")
    kind, what = _KINDS[annotation]
    fitting = value.item() if getattr(value, "shape", None) == () else value  # a number of NumPy's
    if name in _NUMBERS_AS_TEXT:
        kind, what = str | int | float, "a number or text"
    if isinstance(fitting, PurePath):
        fitting = str(fitting)
    if annotation == "float" and isinstance(fitting, str):
        fitting = parse_share(fitting)
    fits = isinstance(fitting, kind) and isinstance(fitting, bool) == (annotation == "bool")
    if isinstance(fitting, list | tuple):
        fits = fits and all(isinstance(one, str) for one in fitting)
    if not fits:
        raise UsageError(f"{name}={value!r}: this setting takes {what}.")
    make = {"str": str, "float": float, "tuple[str, ...]": tuple}.get(annotation)
    return make(fitting) if make else fitting


@dataclasses.dataclass(frozen=True, slots=True)
class ServeSettings:
    """The choices of `verger serve`. Building one checks it, and raises `UsageError`."""

    host: str = _choice(
        "127.0.0.1", "Address to listen on; 0.0.0.0 is every address of this machine.",
        metavar="ADDRESS",
    )  # fmt: skip
    port: int = _choice(8000, "Port to listen on; 0 takes a free one.", metavar="N", short="-p")
    allow_host: tuple[str, ...] = _choice(
        (),
        "A host name that requests may use, such as fruit.example.org; may be given several "
        "times. On a loopback address, localhost and the address itself are always allowed; on "
        "any other, every name is allowed unless one is given.",
        metavar="NAME",
    )
    allow_origin: tuple[str, ...] = _choice(
        (),
        "An origin whose web pages may use the API, matched exactly, such as "
        "https://fruit.example.org; may be given several times. Without one, only this server's "
        "own page may.",
        metavar="ORIGIN",
    )
    trust_proxy: tuple[str, ...] = _choice(
        (),
        "Address of a proxy whose X-Forwarded-For and X-Forwarded-Proto are trusted; may be "
        "given several times.",
        metavar="ADDRESS",
    )
    max_photos: int = _choice(5, "Photos in one upload.", metavar="N")
    max_body: int = _choice(25, "Size of one upload, in MiB.", metavar="MIB")
    max_pixels: int = _choice(
        50_000_000, "Photos with more pixels are refused before they are decoded.", metavar="N"
    )
    timeout: float = _choice(
        20.0,
        "Seconds that an upload may take to arrive, and then that its answer may take.",
        metavar="SECONDS",
    )
    workers: int | None = _choice(
        None,
        "Photos decoded and embedded at once (default: one per core, plus one).",
        metavar="N",
    )
    queue: int = _choice(
        16, "Requests that may wait; further ones get 503 with Retry-After.", metavar="N"
    )
    per_client: int = _choice(
        8, "Concurrent requests per client; further ones get 429.", metavar="N"
    )
    per_minute: int = _choice(
        0, "Photos of fruit per client and minute; 0 for no limit.",
        metavar="N",
    )  # fmt: skip

    refresh: float = _choice(
        30.0,
        "Seconds between checks of STORE for a newer run, whose gallery then takes over; 0 for "
        "never.",
        metavar="SECONDS",
    )

    def __post_init__(self) -> None:
        _check(self, port=(0, 65535), max_photos=(1, 20), max_body=(1, math.inf))
        _check(self, max_pixels=(1, math.inf), workers=(1, math.inf))
        _check(self, queue=(0, math.inf), per_client=(1, math.inf), per_minute=(0, math.inf))
        for origin in self.allow_origin:
            if not _ORIGIN.fullmatch(origin):
                raise UsageError(
                    f"--allow-origin {visible(origin)} is not an origin.",
                    hint="It is a scheme, a host and, unless usual, a port, in lower case and "
                    "without a trailing slash: https://fruit.example.org.",
                )
        if self.refresh and not 1 <= self.refresh <= 86_400:
            raise UsageError(f"--refresh {self.refresh} is neither 0 nor 1 to 86,400 seconds.")
        if not 0 < self.timeout <= 3600:
            raise UsageError(f"--timeout {self.timeout} is not between 0 and 3600 seconds.")


def parse_components(text: str) -> int | float:
    """Read `--components`: an int is a number of components, a float a share of variance.

    Raises `UsageError` for anything but a whole number of at least 1, or a share between 0 and 1
    (both excluded: a share of 1 would depend on rounding).
    """
    refusal = UsageError(
        f"--components {text} is neither a whole number of at least 1 "
        "nor a share of variance between 0 and 1, such as 0.95 or 95%."
    )
    text = text.strip()
    if re.fullmatch(r"\+?[0-9]{1,18}", text):
        number = int(text)
        if number < 1:
            raise refusal
        return number
    share = parse_share(text)
    if share is None or not 0 < share < 1:
        raise refusal
    return share


def parse_share(text: str) -> float | None:
    """Read a share, `0.95` or `95%`; None if it is neither."""
    number = text.strip().removesuffix("%")
    try:
        return float(number) / (100 if "%" in text else 1)
    except ValueError:
        return None
