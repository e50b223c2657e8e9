"""Write the reference pages in `docs/reference/` from the code, so that they cannot drift from it.

    python scripts/reference.py            writes the pages
    python scripts/reference.py --check    changes nothing; exits 1 and names each stale page

Commands, settings, schemas, reasons and errors are read from the modules that own them. What no
module holds as data (what a column means, what a field of the run record is) is written here, and
a column without a meaning is an error. Spark is not imported.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import re
import sys
import tempfile
import textwrap
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from types import FunctionType
from typing import Any

import click
import numpy as np
import pyarrow as pa

import verger
from verger.cli.helping import full_help
from verger.cli.main import cli
from verger.cli.stopping import CTRL_C, TERMINATED
from verger.errors import VergerError
from verger.photos.reasons import Reason
from verger.projections.discriminant import fit_discriminant, save_discriminant
from verger.projections.moments import Moments
from verger.projections.pca import fit_pca, save_pca
from verger.settings import RunSettings, ServeSettings
from verger.store.layout import FEATURES, MATRIX
from verger.store.manifest import SMALL
from verger.store.parts import SCHEMAS

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "reference"
_WIDTH = 96
_MADE = "<!-- Written by scripts/reference.py from the code: `make docs` writes it again. -->\n"

_MEANINGS = {
    "path": "The photo's path relative to PHOTOS, with forward slashes and unchanged characters.",
    "label": "Its label; null if it has none.",
    "features": "The output of the backbone: one value per feature, 1,280 with the default one.",
    "width": "Width of the photo in pixels, as a person sees it (after EXIF).",
    "height": "Height of the photo in pixels, as a person sees it (after EXIF).",
    "bytes": "Size of the file; 0 if a web server does not say.",
    "modified": "When the file was last changed, UTC; 1970 if a web server does not say.",
    "e_tag": "The content's ETag from an object store or a web server, if there is one; empty if a "
    "web server says nothing about the photo.",
    "sha256": "SHA-256 of the photo's bytes, 32 bytes; null in rows written by an older Verger.",
    "thumbnail": "The whole photo as a small JPEG: longest side at most 96 px, over white.",
    "picture": "The thumbnail's brightness on 16 × 16 points, then its blue and red on 8 × 8 each "
    "(Cb, Cr): 384 bytes that the report uses to find duplicates.",
    "reason": "Why it was rejected: one word of a [closed set](reasons.md).",
    "detail": "What exactly was wrong, for people; the wording may change.",
    "components": "The photo in the reduced space: one value per principal component.",
}

# The fields of run.json, and what each is.
RECORD_FIELDS: Mapping[str, str] = {
    "format": "Format number of the record.",
    "started": "When the run began, UTC.",
    "finished": "When the run ended, UTC.",
    "reduced": "The last `verger reduce`: when it `finished`, its `versions` and its `seconds`; "
    "only present if it ran after the last run that embedded or fitted.",
    "run": "The number of the run that made the files beside it: 1, 2, … as in `verger log`. A run "
    "that found nothing new has no number of its own. Older records have none.",
    "kept": "The runs whose matrix and projection are kept, the current one first.",
    "photos": "PHOTOS, as it was given; for a URL, without its query.",
    "settings": "Every [setting](settings.md) of the run, by its name in Python.",
    "counts": "`listed`, `embedded`, `rejected`, and `rejected_by_reason` (reason → number). "
    "`listed` is `embedded` + `rejected`, or the run would have failed.",
    "changes": "What the run found, in photos, compared with STORE: `new`, `changed` (different "
    "size, time or ETag), `retried` (rejects, with `--retry-rejects`), `kept` (not opened again), "
    "`relabelled` (those of `kept` with a new label) and `gone`. `listed` is `new` + `changed` + "
    "`retried` + `kept`. `reused`: how many of those not kept had the bytes of a photo embedded "
    "before, and were not decoded. `resumed`: how many of those kept had been embedded by a run "
    "that was stopped, and by no finished run. Older records have neither.",
    "labels": "How many different labels there are.",
    "backbone": "`name`, `sha256`, `features` (length of a row), `image_size`, `views` (the "
    "length of the shorter side for each view; in older records, `resize_shorter_side`) and "
    "`license`.",
    "projection": "`kind`, `k`, `rank`, `standardized`, `explained_variance` (share that all k "
    "keep), `explained_variance_ratio` (share of each) and `notes` (the summary's notes on it), "
    "for the photos that it was fitted to. `held`: whether it is that of an earlier run "
    "(`--refit`). `compared`: if requested, how the previous run's components and directions do on "
    "the current photos: the `variance_kept` by them and the `variance_best` that as many "
    "components can keep, the `separation_kept` (as a share of what newly fitted directions "
    "reach), and the largest `angle` between the two subspaces, in degrees; otherwise null.",
    "discriminant": "`k`, `shrinkage`, `rows` and `labels` of the discriminant projection; null "
    "if there are fewer than two labels.",
    "moments": "What the projections were fitted to: how many `photos`, and how many rows were "
    "`read` for it, to add or to subtract; a relabelled photo is both. Older records have none.",
    "gallery": "`space` (of which projection), `photos`, `labels`, `groups` (species); "
    "`rehearsed`: on how many photos its confidences were calibrated; `changed`: how many photos "
    "have changed since.",
    "seconds": "Seconds per stage: `list`, `start` (Java and Spark), `embed`, `fit`, `project`, "
    "`gallery` and `csv`, if there is one. A run that found nothing to do has only `list`.",
    "cost": "With `--price`: the `amount` up to the end of the run, `currency` and `where`. From "
    "the plan's prices and the clock; it is not a bill.",
    "photos_per_second": "Photos decoded, divided by the seconds of `embed`; 0 if there were none.",
    "engine": "What did the work: `spark`, or `process` for threads of the command itself. If it "
    "is missing, as in older records, `spark`.",
    "versions": "Of `verger` and `python`; with Spark, of `spark` and `java`, too.",
    "cores": "How many tasks ran at once.",
    "device": "What the network computed on in the last run that embedded: `cpu` or `cuda`. If it "
    "is missing, as in older records, `cpu`.",
    "notes": "The notes of the summary, one per line.",
    "manifest": "Each file that the run left, by its path in STORE, with its `bytes` and `sha256` "
    "(null if an object store has none for an older object). Older STOREs have none until a run or "
    "`verger reduce` publishes something.",
    "sha256": "Of the record without this field, as written: shows whether it was changed since.",
}


# The files of gallery/, and what each is.
GALLERY_FILES: Mapping[str, str] = {
    "gallery.json": "Format, labels, the group of each, calibration; size and SHA-256 of the other "
    "files, and the SHA-256 of the projection that it was made with.",
    "vectors.npy": "float32, n × k: the photos in the discriminant space (without labels: "
    "principal components), at unit length.",
    "label_ids.npy": "int32, n: the label of each, −1 for none.",
    "means.npy": "float32, L × k: the mean direction of each label.",
    "likenesses.npy": "float32, L × d: the same for the features, after square root and unit "
    "length.",
    "photos.arrow": "The path of each photo (Arrow IPC file). Thumbnails stay in `features/`.",
}


def tables() -> dict[str, pa.Schema]:
    """Return the Arrow schema of each Parquet table of a STORE."""
    features = SCHEMAS[FEATURES]
    components = features.field("features").with_name("components")
    # `tasks/reduction.py` writes the matrix, from the features.
    matrix = pa.schema([features.field("path"), features.field("label"), components])
    return {**SCHEMAS, MATRIX: matrix}


def pages() -> dict[str, str]:
    """Return the text of each page, by file name."""
    made = {
        "cli.md": _cli(),
        "settings.md": _settings(),
        "store.md": _store(),
        "reasons.md": _reasons(),
        "errors.md": _errors(),
        "python.md": _python(),
    }
    return {name: _MADE + "\n" + text.rstrip() + "\n" for name, text in made.items()}


def stale(folder: Path) -> list[str]:
    """Name the pages in `folder` that are missing, or that are not what the code says today."""
    return [
        name
        for name, text in pages().items()
        if not (folder / name).is_file() or (folder / name).read_text(encoding="utf-8") != text
    ]


def _cli() -> str:
    text = "# Commands\n\nWhat each command prints with `--help`.\n"
    context = click.Context(cli, info_name="verger", terminal_width=_WIDTH, **cli.context_settings)
    for title, help_ in _helps(context):
        text += f"\n## {title}\n\n```text\n{help_.rstrip()}\n```\n"
    return text + "\nExit codes: [errors and exit codes](errors.md).\n"


def _helps(context: click.Context) -> Iterator[tuple[str, str]]:
    command = context.command
    yield context.command_path, full_help(context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None:
                yield from _helps(click.Context(child, parent=context, info_name=name))


def _settings() -> str:
    return (
        "# Settings\n\n"
        "Every choice of a run is an option of `verger run`, a field of `RunSettings` in Python, "
        "and an entry under `settings` in `run.json`. A setting that cannot be right raises "
        "`UsageError` before anything is read.\n\n"
        + _choices(RunSettings, "run")
        + "\n## The server\n\n"
        "Every choice of `verger serve` is also a field of `ServeSettings` in Python.\n\n"
        + _choices(ServeSettings, "serve")
    )


def _choices(settings: type[RunSettings | ServeSettings], command: str) -> str:
    hints = typing.get_type_hints(settings)
    rows = [
        (
            f"`{f.name}`",
            _flag(f.name, command),
            _type(hints[f.name]),
            _default(f),
            f.metadata["help"],
        )
        for f in fields(settings)
    ]
    return _table(("Python", "option", "type", "default", "what it does"), rows)


def _flag(name: str, of: str) -> str:
    command = cli.commands[of]
    option = next(param for param in command.params if param.name == name)
    return ", ".join(f"`{flag}`" for flag in (*option.opts, *option.secondary_opts))


def _type(hint: Any) -> str:
    if typing.get_origin(hint) is tuple:
        return "tuple of str"
    names = [getattr(part, "__name__", str(part)) for part in typing.get_args(hint) or (hint,)]
    return " or ".join("None" if name == "NoneType" else name for name in names)


def _default(setting: Any) -> str:
    if setting.default is MISSING:
        raise SystemExit(f"The setting {setting.name} has no default.")
    return "none" if setting.default == () else f"`{setting.default}`"


def _store() -> str:
    text = (
        "# What is in a STORE\n\n"
        "The three tables are folders of Parquet files that pandas, DuckDB, polars and Spark can "
        "read directly. Rows of `matrix` and `rejects` are in order of `path` (by its bytes in "
        "UTF-8) across all files. Rows of `features` are in that order within each file; a run "
        "adds files, and leaves those alone in which nothing has changed. All files are compressed "
        "with Snappy, except for the columns `features` and `thumbnail` of `features/`, which do "
        "not compress.\n"
    )
    for name, schema in tables().items():
        rows = [
            (f"`{f.name}`", f"`{_arrow(f.type)}`", "yes" if f.nullable else "no", _MEANINGS[f.name])
            for f in schema
        ]
        text += f"\n## `{name}/`\n\n"
        text += _table(("column", "type", "nullable", "what it is"), rows)
    text += (
        "\nEvery photo that was listed is in exactly one of `features` and `rejects`.\n"
        "\n## `matrix.csv`\n\n"
        "The matrix again, as one UTF-8 file with one header: `path,label,pc1,…,pck`. Paths and "
        "labels are quoted; a missing label is empty and unquoted. Each number is written as the "
        "shortest text that reads back as the same float32. `--no-csv` leaves the file out.\n"
        "\n## `corrections.parquet`\n\n"
        "What people decided about single photos with `verger relabel`, if they did: `path`, "
        "`decision` (`label`, `leave out` or `fine`), the given `label`, the `original` one, the "
        "number of the `batch`, when it was `made` (UTC), the `origin` (the name of the sheet), "
        "and the photo's `sha256` and `photo_bytes`, which identify it under another path. The "
        "last row of a photo counts.\n"
        "\n## `projection/`\n\n"
        "The principal components and, if there are two labels or more, the discriminant "
        "projection. Each is one JSON file that names its arrays, and the arrays as `.npy` "
        "(float64, little-endian), for d features and k components. No pickle. "
        "`verger.projections.pca.load_pca` and `verger.projections.discriminant.load_discriminant` "
        "check and read them.\n\n"
    )
    text += _table(("file", "what it holds"), list(_projection_files()))
    text += (
        "\n## `gallery/`\n\n"
        "Where `verger identify` looks new photos up: n photos of L labels, d features and k "
        "components. `verger.gallery.Gallery.open` checks and reads it. How it leads to answers: "
        "[identification](../identification.md).\n\n"
    )
    text += _table(("file", "what it holds"), [(f"`{n}`", m) for n, m in GALLERY_FILES.items()])
    text += (
        "\n## `run.json`\n\nThe run record, written last: as long as it is there, all files beside "
        "it belong to it.\n\n"
    )
    text += _table(("field", "what it is"), [(f"`{n}`", m) for n, m in RECORD_FIELDS.items()])
    text += (
        "\nEvery command that opens a STORE checks the size of each file that `manifest` lists, "
        f"and the SHA-256 of files up to {SMALL // 2**20} MB; `verger verify` checks all. An entry "
        "takes about 180 bytes, so the list for a million photos, 300 to 400 files, takes less "
        "than 80 kB. The pages of all Parquet files carry their own CRC-32, which is checked on "
        "every read.\n"
    )
    return text + (
        "\n## `report/`\n\n"
        "Written at the end of a run (unless `--no-report` is given) and by `verger report`: "
        "`report.html`, its findings as Parquet and CSV, and the baseline for the next run's "
        "drift. [What each holds](../report.md).\n"
        "\n## `slides/`\n\n"
        "Written by `verger slides`: `slides-en.pptx`, `slides-fr.pptx`, and a PDF of each if "
        "LibreOffice is installed. [How to present a run](../howto/slides.md).\n"
        "\n## `.verger/`\n\n"
        "Marks the folder as a STORE; listing never enters a folder that has one. It holds:\n\n"
        "- `lock`;\n"
        "- `work/`: what a run is building. Its finished parts survive a run that stops, and the "
        "next run uses them;\n"
        "- `moments`: the sums that the next fit continues from (13 MB for 1,280 features, however "
        "many photos; without it, all features are read);\n"
        "- `history/`: a record of each run that changed something. `000012.json` is run 12's "
        "`run.json`, listing only the files of its matrix and projection, about 10 kB, kept for "
        "good, sealed by its `sha256`; `drift`, the verdict of its first report, is added. "
        "`matrix/` and `projection/` below it hold the files of the runs in `kept` other than the "
        "current one (files of projections under their SHA-256);\n"
        "- `publish.json`, while a run moves its files into place, with each file's size and "
        "SHA-256. If the run is killed then, the next run, or `verger reduce`, completes the move "
        "and says so;\n"
        "- `failed-rejects.parquet`, if a run with too many rejects failed on a STORE that already "
        "held a complete run.\n\n"
        "Nothing in a STORE may be a link.\n"
    )


def _arrow(type_: pa.DataType) -> str:
    if pa.types.is_list(type_):
        return f"array<{type_.value_type}>"
    if pa.types.is_timestamp(type_):
        return f"timestamp[{type_.unit}, {type_.tz}]"
    return str(type_)


def _projection_files() -> Iterator[tuple[str, str]]:
    """Save small projections, and tell what was written: d is 4 here, and k is 2."""
    letters = {4: "d", 2: "k"}
    rows, labels = np.diag([1.0, 2.0, 3.0, 0.0]), ["apple", "lemon", "plum", "apple"]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        save_pca(fit_pca(Moments.of(rows), 2), folder)
        save_discriminant(fit_discriminant(Moments.of(rows, labels)), folder)
        for file in sorted(folder.glob("*.json")):
            yield f"`{file.name}`", "The numbers, the format, and the SHA-256 of each array."
        for file in sorted(folder.glob("*.npy")):
            shape = " × ".join(letters[side] for side in np.load(file).shape)
            yield f"`{file.name}`", f"float64, {shape}"


def _reasons() -> str:
    rows = [
        (f"`{reason.value}`", "each run" if reason.passes else "if it changes", reason.meaning)
        for reason in Reason
    ]
    return (
        "# Why a photo is rejected\n\n"
        "The column `reason` of `rejects/` holds one of these words. The column `detail` says "
        "more. A photo is tried again when it has changed, and with `--retry-rejects`; if the "
        "reason may have gone away by itself, by each run.\n\n"
        + _table(("reason", "tried again", "what it means"), rows)
    )


def _errors() -> str:
    base = "Anything else that went wrong; the base of all below."
    rows = [("0", "", "Done."), (str(VergerError.exit_code), "`VergerError`", base)]
    rows += [
        (str(error.exit_code), f"`{error.__name__}`", (error.__doc__ or "").splitlines()[0])
        for error in _below(VergerError)
    ]
    rows.append((str(CTRL_C), "", "Stopped by Ctrl-C."))
    rows.append((str(TERMINATED), "", "Stopped by SIGTERM."))
    rows.sort(key=lambda row: int(row[0]))
    return (
        "# Errors and exit codes\n\n"
        "An error is one line on standard error that says what happened, where, and how to fix it. "
        "In Python, the same line is the message of an exception from `verger.errors`; all of them "
        "are subclasses of `VergerError`. A missing argument or an unknown option also ends with "
        "2, after a usage line."
        "\n\n" + _table(("exit code", "error", "what happened"), rows)
    )


def _python() -> str:
    """Write what `import verger` gives, from its docstrings."""
    text = (
        "# Python\n\nWhat `import verger` offers. Everything else in the package may change "
        "without notice. Tables are [Arrow tables](store.md): `.to_pandas()` turns them into "
        "DataFrames.\n"
    )
    names = sorted(verger.__all__, key=lambda name: (name[0].isupper(), name))
    for name in names:
        if name == "ml":  # which would import Spark
            module = ast.parse((Path(verger.__file__).parent / "ml.py").read_text("utf-8"))
            text += f"\n## `verger.ml`\n\n{_prose(ast.get_docstring(module) or '')}"
            continue
        value = getattr(verger, name)
        is_class = inspect.isclass(value)
        text += f"\n## `verger.{name}{'' if is_class else _signature(value)}`\n\n"
        text += _prose(inspect.getdoc(value) or "")
        for method, of in vars(value).items() if is_class else ():
            if method[0] != "_" and isinstance(of, (FunctionType, property)):
                shown = "" if isinstance(of, property) else _signature(of)
                text += f"\n### `{name}.{method}{shown}`\n\n{_prose(inspect.getdoc(of) or '')}"
    return text


def _signature(function: Any) -> str:
    """Write a function's arguments with their defaults, without types, which the text explains."""
    arguments = inspect.signature(function).parameters.values()
    bare = [one.replace(annotation=one.empty) for one in arguments if one.name != "self"]
    return str(inspect.Signature(bare))


def _prose(docstring: str) -> str:
    """Make Markdown of a docstring: paragraphs, names with what they are, examples."""
    text = ""
    for block in docstring.split("\n\n"):
        lines = block.splitlines()
        if lines[0].startswith(">>>"):
            text += f"```python\n{block}\n```\n\n"
        elif lines[0].startswith("    "):
            text += f"```python\n{textwrap.dedent(block)}\n```\n\n"
        elif _NAMED.match(lines[0]):
            joined = re.sub(r"\n +", " ", block)
            text += "".join(_NAMED.sub(_as_item, line) + "\n" for line in joined.splitlines())
            text += "\n"
        else:
            text += f"{block}\n\n"
    return text.rstrip() + "\n"


_NAMED = re.compile(r"^([a-z_]+(?:, [a-z_]+)*): +")  # and not a sentence with a colon


def _as_item(found: re.Match[str]) -> str:
    return f"- {', '.join(f'`{name}`' for name in found[1].split(', '))}: "


def _below(error: type[VergerError]) -> Iterator[type[VergerError]]:
    for kind in error.__subclasses__():
        yield kind
        yield from _below(kind)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"

    return line(head) + line(["---"] * len(head)) + "".join(line(row) for row in rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the pages, or check them; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if stale")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the pages are")
    options = parser.parse_args(arguments)
    if options.check:
        old = stale(options.folder)
        for name in old:
            print(f"{options.folder / name} is stale: run `make docs`.", file=sys.stderr)
        return 1 if old else 0
    options.folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (options.folder / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
