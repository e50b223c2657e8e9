"""The commands. No logic: options become settings, outcomes become lines, errors exit codes."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys
import types
import typing
from collections.abc import Callable, Container
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click
from click.core import ParameterSource

import verger
from verger.cli.backbones import backbones
from verger.cli.cloud import cloud
from verger.cli.helping import Sections, help_all, messages_language
from verger.cli.history import checkout_command, export_command, log_command
from verger.cli.rejects import rejects_command
from verger.cli.relabel import relabel_command
from verger.cli.static_app import app_command
from verger.cli.stopping import CTRL_C, STOPPED, TERMINATED, end_without_threads, ends_soon
from verger.errors import FAIL, PhotosError, StoreError, UsageError, VergerError
from verger.machine.cores import cores as usable_cores
from verger.machine.streams import open_closed_streams
from verger.progress import check_line, in_words, reporter, show, tell
from verger.settings import OF_PROJECTION, RunSettings, ServeSettings, parse_share
from verger.texts import LANGUAGES
from verger.texts.command import say, speak, wanted

if typing.TYPE_CHECKING:
    from verger.pipeline import Outcome

# What `verger reduce` has a use for: it opens no photo.
_OF_REDUCING = (
    "components", "standardize", "refit", "shrinkage", "csv", "report", "language", "keep",
    "engine", "master", "cores", "memory", "spark_conf", "verbose",
)  # fmt: skip
_Command = TypeVar("_Command", bound=Callable[..., Any])


def main() -> NoReturn:
    """Run the command line; every ending has its exit code, and no traceback."""
    open_closed_streams()
    signal.signal(signal.SIGTERM, _terminate)
    if sys.stdout.encoding.lower().startswith("utf"):  # others have no letters for it
        speak(wanted(sys.argv[1:], os.environ))
    try:
        _need_unicode_names()
        code = cli.main(prog_name="verger", standalone_mode=False)
    except VergerError as error:
        tell(f"verger: {in_words(error)}", err=True, as_it_is=True)
        code = error.exit_code
    except (click.exceptions.Abort, KeyboardInterrupt) as stopped:  # click makes one the other
        tell(STOPPED, err=True)
        code = CTRL_C
        if isinstance(stopped.__cause__ or stopped, _Terminated):
            code = TERMINATED
            # As it ends, Python puts back the default of what has a function: it would end by 15.
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        end_without_threads(code)
    except click.exceptions.NoArgsIsHelpError as bare:
        show(bare.ctx.get_help())
        code = 0
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        lines = [say(" ".join(error.format_message().split()))]
        if context:
            lines.append(say(f"See {context.command_path} --help."))
        tell(f"verger: {' '.join(lines)}", err=True, as_it_is=True)
        code = error.exit_code
    sys.stdout.flush()
    sys.exit(code or 0)


def _need_unicode_names() -> None:
    """Refuse a Python that was told to read names of files as ASCII; Arrow could not open them."""
    if (encoding := sys.getfilesystemencoding()) != "utf-8":
        raise UsageError(
            f"This Python reads file names as {encoding}, not as UTF-8.",
            hint="Unset PYTHONUTF8 and PYTHONCOERCECLOCALE, or set LC_ALL=C.UTF-8.",
        )


class _Terminated(KeyboardInterrupt):
    """SIGTERM came.

    A kind of KeyboardInterrupt, the one exception for which py4j closes its connection to Java.
    Left open, pyspark's next call, on the way out, would wait for the end of the job under way.
    """


def _terminate(_signal: int, _frame: types.FrameType | None) -> None:
    # A second signal does not disturb the shutdown. Not SIG_IGN, which children would inherit.
    signal.signal(signal.SIGTERM, lambda *_: None)
    raise _Terminated


def _settings_options(
    *names: str,
    of: type[RunSettings | ServeSettings] = RunSettings,
    kept: Container[str] = (),
) -> Callable[[_Command], _Command]:
    """Give a command one option for each setting, or for those that are named.

    kept: those that stay as they were if left out: their default is not shown
    """
    hints = typing.get_type_hints(of)

    def decorate(command: _Command) -> _Command:
        for setting in reversed(dataclasses.fields(of)):
            if not names or setting.name in names:
                shown = setting.default is not None and setting.name not in kept
                command = _option(setting, hints[setting.name], shown=shown)(command)
        return command

    return decorate


class _Share(click.ParamType[float]):
    """A share, as a number or in percent."""

    name = "share"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return a float."""
        share = parse_share(value) if isinstance(value, str) else value
        return self.fail(f"{value} is not a share.", param, ctx) if share is None else share


def _option(
    setting: dataclasses.Field[Any], hint: Any, *, shown: bool
) -> Callable[[_Command], _Command]:
    flag = "--" + setting.name.replace("_", "-")
    names = [flag, setting.name]
    if setting.metadata["short"]:
        names.insert(0, setting.metadata["short"])
    kind: dict[str, Any] = {
        "help": setting.metadata["help"],
        "default": setting.default,
        "hidden": setting.metadata["rare"],
    }
    if hint is bool:
        names[-2] = f"{flag}/--no-{setting.name}" if setting.metadata["undo"] else flag
        return click.option(*names, is_flag=True, **kind)
    if typing.get_origin(hint) is tuple:
        return click.option(*names, multiple=True, metavar=setting.metadata["metavar"], **kind)
    plain = next((t for t in typing.get_args(hint) if t is not type(None)), hint)
    if setting.metadata["metavar"] == "SHARE":
        plain = _Share()
    return click.option(
        *names, type=plain, metavar=setting.metadata["metavar"], show_default=shown, **kind
    )


_language = click.option(
    "--language",
    type=click.Choice(LANGUAGES),
    help="Language of the file and of the messages. [default: that of the report in STORE, or "
    "of its run]",
)


@click.group(
    cls=Sections,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(verger.__version__, prog_name="verger")
@messages_language
def cli() -> None:
    """Turn labelled fruit photos into a feature matrix, a map, and an app that names the fruit."""


@cli.command("run")
@click.argument("photos")
@click.argument("store")
@_settings_options()
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the run record as JSON.")
@click.option("--quiet", is_flag=True, help="Print errors only.")
@help_all
def run_command(
    photos: str, store: str, dry_run: bool, as_json: bool, quiet: bool, **options: Any
) -> None:
    """Turn the photos of PHOTOS into a matrix and a report.

    PHOTOS and STORE are folders, or s3://bucket/folder. PHOTOS may also be gs:// or az://, or the
    https:// address of a list of photos. It is searched at any depth for .jpg .jpeg .jpe .jfif .mpo
    .png .webp .bmp .tif .tiff .gif .heic .heif .hif .avif.

    Run again on the same STORE, it works on new and changed photos only, and drops those that are
    gone. A run that was stopped continues where it left off.

    Exit codes: 0 done, 2 wrong option, 3 PHOTOS, 4 STORE, 5 backbone, 6 Java or Spark, 7 counts do
    not add up, 8 too many rejects, 130 Ctrl-C, 143 SIGTERM.
    """
    from verger.pipeline import plan, run
    from verger.store.summary import planned

    settings = RunSettings(**options)
    if dry_run:
        tally = plan(photos, store, settings, reporter(quiet=quiet))
        if as_json or not quiet:
            (show if as_json else tell)(
                json.dumps(tally.as_record(), indent=2) if as_json else planned(tally)
            )
        return
    with ends_soon():
        outcome = run(photos, store, settings, reporter(quiet=quiet))
    _tell(outcome, store, as_json=as_json, quiet=quiet)


@cli.command("reduce")
@click.argument("store")
@_settings_options(*_OF_REDUCING, kept=(*OF_PROJECTION, "refit"))
@click.option("--json", "as_json", is_flag=True, help="Print the run record as JSON.")
@click.option("--quiet", is_flag=True, help="Print errors only.")
@help_all
def reduce_command(store: str, as_json: bool, quiet: bool, **options: Any) -> None:
    """Refit from the features in STORE; no photo is opened.

    Projection, matrix, CSV, gallery and report are rebuilt. If left out, --components,
    --standardize, --refit, --shrinkage and --csv stay as they were in the last run.
    """
    from verger.pipeline import reduce

    came_from = click.get_current_context().get_parameter_source
    left_out = [name for name in options if came_from(name) is ParameterSource.DEFAULT]
    with ends_soon():
        outcome = reduce(store, RunSettings(**options), reporter(quiet=quiet), left_out=left_out)
    _tell(outcome, store, as_json=as_json, quiet=quiet)


def _tell(
    outcome: Outcome,
    store: str,
    *,
    as_json: bool = False,
    quiet: bool = False,
    photo: str = "PHOTO.jpg",
) -> None:
    if as_json:
        show(json.dumps(outcome.record, indent=2))
    elif not quiet:
        from verger.store.summary import summary

        has_report = outcome.report is not None
        tell(summary(outcome.record, store, has_report=has_report, photo=photo))
    if outcome.warning:
        tell(f"verger: {outcome.warning}", err=True)


@cli.command("verify")
@click.argument("store")
@click.argument("photos", required=False)
@click.option(
    "--sample",
    type=click.IntRange(1),
    metavar="N",
    help="How many photos of PHOTOS to embed again (default: 100).",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON, on stdout.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
def verify_command(
    store: str, photos: str | None, sample: int | None, as_json: bool, quiet: bool
) -> int:
    """Check that everything in STORE is as its run left it.

    Nothing is changed. Each file is compared with its size and SHA-256 in run.json. Then the rules
    between the tables: each photo listed is embedded or rejected, no path occurs twice, the matrix
    is features times projection, and the gallery belongs to the projection. With PHOTOS, some of
    them, chosen at random, are embedded again, and their features compared.

    Each finding is a line: where, what, and how to fix it. The exit code is 0 if there is none,
    else 4.
    """
    from verger.cli.answers import verified_lines
    from verger.verify import SAMPLE, verify

    if sample and photos is None:
        raise UsageError("--sample says how many of PHOTOS to embed again; name PHOTOS too.")
    made = verify(store, photos, sample or SAMPLE, reporter(quiet=quiet))
    if as_json:
        show(json.dumps(made.as_json(), indent=2))
    else:
        tell("\n".join(verified_lines(made, store)), as_it_is=True)
    return StoreError.exit_code if made.findings else 0


@cli.command("identify")
@click.argument("store")
@click.argument("photos", metavar="PHOTO...", nargs=-1, required=True)
@click.option("--together", is_flag=True, help="The photos all show one fruit: one better answer.")
@click.option("--json", "as_json", is_flag=True, help="Print the answers as JSON, on stdout.")
def identify_command(store: str, photos: tuple[str, ...], together: bool, as_json: bool) -> None:
    """Name the fruit in each PHOTO, by the photos in STORE.

    The answer is a variety; or only a species, if its varieties cannot be told apart; or, in doubt,
    the two species that it may be, or a best guess if the photo is unlike those in STORE. A photo
    that cannot be read is listed with its reason; if none can be read, the exit code is 3.
    """
    from verger.cli.answers import identified_json, identified_lines, identified_table
    from verger.gallery.identify import Identifier

    identifier = Identifier.open(store)
    files = [Path(photo) for photo in photos]
    fruits = [identifier.identify_files(one) for one in ([files] if together else zip(files))]
    if as_json:
        show(json.dumps(identified_json(fruits), indent=2))
    elif sys.stdout.isatty():
        from rich.console import Console

        Console().print(identified_table(fruits))
    else:
        show("\n".join(identified_lines(fruits)))
    if not any(fruit.answer for fruit in fruits):
        raise PhotosError("None of the photos could be read.")


@cli.command("evaluate")
@click.argument("store")
@click.argument("photos")
@_settings_options("label_from", "cores")
@click.option("--json", "as_json", is_flag=True, help="Print the measures as JSON, on stdout.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
def evaluate_command(
    store: str, photos: str, label_from: str, cores: int | None, as_json: bool, quiet: bool
) -> None:
    """Measure how often `identify` is right, on labelled photos.

    PHOTOS is a folder or a bucket. Prints the share of right answers (the first, and among the
    first five) by label and by species or group, each verdict and how often it was right, the
    calibration error, and what was said of labels that STORE does not have.
    """
    from verger.cli.answers import evaluation_lines
    from verger.gallery.evaluate import evaluate
    from verger.gallery.identify import Identifier

    RunSettings(label_from=label_from, cores=cores)
    identifier = Identifier.open(store)
    with reporter(quiet=quiet or as_json).stage("Identifying", None, "photos") as stage:
        threads = cores or usable_cores()
        measured = evaluate(identifier, photos, label_from, threads, stage.update)
    if as_json:
        show(json.dumps(measured, indent=2))
    else:
        tell("\n".join(evaluation_lines(measured)))


@cli.command("serve")
@click.argument("store")
@_settings_options(of=ServeSettings)
def serve_command(store: str, **options: Any) -> None:
    """Serve the page that names a fruit, and its HTTP API.

    The API is described at /docs. Uploads stay in memory until they are answered, and are not
    kept. Ctrl-C or SIGTERM ends the server; requests under way have two seconds more, and the exit
    code is 0.
    """
    from verger.machine.extras import need

    need("serve", "verger serve")
    from verger.serve.server import serve

    serve(store, ServeSettings(**options), tell)


@cli.command("report")
@click.argument("store")
@click.option(
    "--map",
    "map_kind",
    type=click.Choice(["pca", "neighbours"]),
    help="'neighbours': by t-SNE, laid out afresh; 'pca': by the first two components. "
    "[default: keep the map of the current report and add new photos to it; else "
    "neighbours]",
)
@_language
def report_command(store: str, map_kind: str | None, language: str | None) -> None:
    """Write the report: one HTML file that opens offline.

    It is STORE/report/report.html. What it found (duplicates, photos that look mislabelled,
    outliers, and more) is beside it as Parquet and CSV.
    """
    from verger.report import write_report

    with reporter(quiet=False).step("Report"):
        page = write_report(store, map_kind, language)
    tell(page, as_it_is=True)


@cli.command("notebook")
@click.argument("store")
@click.option(
    "--to",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write, .ipynb or .py (default: verger.LANGUAGE.ipynb here).",
)
@click.option(
    "--photos", help="Where the photos are now (default: where the run in STORE found them)."
)
@_language
@click.option("--execute", is_flag=True, help="Run it first, and keep the output of its cells.")
@click.option("--overwrite", is_flag=True, help="Replace the file if it exists.")
def notebook_command(store: str, file: Path | None, language: str | None, **options: Any) -> None:
    """Write a notebook that does the run again, step by step.

    Reading, embedding, reducing, looking, saving, with the pieces of verger.ml and a chart for each
    step; in Jupyter, on EMR, or in an editor. Needs the extra `notebook`.
    """
    from verger.notebook import write_notebook
    from verger.store.language import language_of
    from verger.store.store import Store
    from verger.store.summary import opening

    language = language or language_of(Store(store))
    file = file or Path(f"verger.{language}.ipynb")
    write_notebook(store, file, language=language, reporter=reporter(quiet=False), **options)
    tell(file, as_it_is=True)
    tell(opening(file), err=True)


@cli.command("slides")
@click.argument("store")
@_language
@click.option(
    "--output",
    metavar="FILE.pptx",
    help="Where to write them (default: STORE/slides/slides-LANGUAGE.pptx).",
)
@click.option("--author", default="", metavar="NAME", help="Who presents, for the first slide.")
def slides_command(store: str, language: str | None, output: str | None, author: str) -> None:
    """Make a presentation of the run, with speaker notes.

    It is a PowerPoint file of about 20 slides, whose charts and diagrams can be edited, and a PDF
    if LibreOffice is installed. A file that was edited since, or that Verger did not write, is not
    replaced.
    """
    from verger.machine.extras import need

    need("slides", "verger slides")
    from verger.slides import write_slides

    with reporter(quiet=False).step("Slides"):
        written = write_slides(store, language, output, author=author)
    tell(written.pptx, as_it_is=True)
    tell(written.pdf or written.note, err=not written.pdf, as_it_is=bool(written.pdf))


@cli.command("demo")
@click.argument("folder", type=click.Path(path_type=Path), default=Path("verger-demo"))
@_settings_options("cores")
def demo_command(folder: Path, cores: int | None) -> None:
    """Render sample photos, and run everything on them.

    Photos are in FOLDER/photos, results in FOLDER/store. FOLDER/new has a few photos that the run
    has not seen, to try `verger identify` with.
    """
    from verger.demo import demo

    outcome, new = demo(folder, reporter(quiet=False), RunSettings(cores=cores, overwrite=True))
    _tell(outcome, str(folder / "store"), photo=str(new[0]))


@cli.command("doctor")
@click.argument("photos", required=False)
@click.argument("store", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the checks as JSON, on stdout.")
def doctor_command(photos: str | None, store: str | None, as_json: bool) -> int:
    """Check that everything is in place.

    Java, Spark, memory, disk, the backbone and, where they are given, that PHOTOS can be read and
    STORE written.
    Ends with 0, or with 1 if a check failed; a warning is not a failure.
    """
    from verger.cli.doctor import examine

    checks = []
    for check in examine(photos, store):
        checks.append(check)
        if not as_json:
            tell(check_line(check), as_it_is=True)
    if as_json:
        show(json.dumps([dataclasses.asdict(check) for check in checks], indent=2))
    return 1 if any(check.state == FAIL for check in checks) else 0


@cli.command("prepare")
def prepare_command() -> None:
    """Make Spark start faster on this machine.

    It takes half a minute, and 200 MB of the cache folder.
    """
    from verger.demo import prepare
    from verger.machine.folders import scratch_folder

    with scratch_folder() as folder:
        prepare(folder, reporter(quiet=False))
    tell("Ready: Spark starts faster from now on.")


cli.add_command(log_command)
cli.add_command(checkout_command)
cli.add_command(relabel_command)
cli.add_command(rejects_command)
cli.add_command(export_command)
cli.add_command(app_command)
cli.add_command(backbones)
cli.add_command(cloud)


if os.name == "nt":  # pragma: no cover - said in the README, with the way round it
    raise SystemExit("verger: Windows is supported through WSL; see the README.")
