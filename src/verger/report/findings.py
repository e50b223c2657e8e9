"""The findings as tables: Parquet for programs and CSV for people, beside the report."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from verger.photos.cells import FORMULA, QUOTED
from verger.report.curation import split_of
from verger.report.data import Report
from verger.report.table_files import write_table
from verger.store.layout import REJECTS
from verger.store.store import Store
from verger.store.tables import batches

_REJECT_COLUMNS = ["path", "label", "reason", "detail", "bytes"]


def tables(report: Report) -> dict[str, pa.Table]:
    """Return the findings, by name; `docs/report.md` says what each column is."""
    return {
        "duplicates": _duplicates(report),
        "mislabelled": _mislabelled(report),
        "outliers": _outliers(report),
        "oddities": _oddities(report),
        "leaks": _leaks(report),
        "spellings": _spellings(report),
        "labels": _labels(report),
        "confusions": _confusions(report),
        "formats": _formats(report),
        "components": _components(report),
        "drift": _drift(report),
        "map": _map(report),
    }


def write_findings(report: Report, store: Store, folder: Path) -> None:
    """Write each finding as NAME.parquet and NAME.csv."""
    for name, table in tables(report).items():
        write_table(table, folder / f"{name}.parquet")
        pyarrow.csv.write_csv(_quoted(table), folder / f"{name}.csv")
    _copy_rejects(store, folder)


def _copy_rejects(store: Store, folder: Path) -> None:
    """Copy the rejects file by file: there may be as many as photos."""
    schema = pa.schema([(n, pa.int64() if n == "bytes" else pa.string()) for n in _REJECT_COLUMNS])
    with (
        pq.ParquetWriter(folder / "rejects.parquet", schema, write_page_checksum=True) as parquet,
        pyarrow.csv.CSVWriter(str(folder / "rejects.csv"), schema) as csv,
    ):
        for file in store.table(REJECTS):
            for batch in batches(store.place, file, _REJECT_COLUMNS):
                table = pa.Table.from_batches([batch]).cast(schema)
                parquet.write_table(table)
                csv.write_table(_quoted(table))


def _quoted(table: pa.Table) -> pa.Table:
    """Give texts that a spreadsheet would take for formulas the apostrophe of a text."""
    for at, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            texts = pc.replace_substring_regex(table.column(at), FORMULA, QUOTED)
            table = table.set_column(at, field, texts)
    return table


def _duplicates(report: Report) -> pa.Table:
    found, photos = report.duplicates, report.photos
    return pa.table(
        {
            "group": pa.array(found.groups, pa.int32()),
            "path": _paths(report, found.rows),
            "label": _labels_of(report, photos.codes[found.rows]),
            "exact": pa.array(found.exact),
            "difference": pa.array(found.difference),
            "width": pa.array(photos.width[found.rows], pa.int32()),
            "height": pa.array(photos.height[found.rows], pa.int32()),
            "bytes": pa.array(photos.size[found.rows]),
        }
    )


def _mislabelled(report: Report) -> pa.Table:
    found = report.mislabels
    return pa.table(
        {
            "path": _paths(report, report.sample.rows[found.rows]),
            "label": _labels_of(report, report.codes[found.rows]),
            "suggested": _labels_of(report, found.suggested),
            "margin": pa.array(found.margin),
            "neighbours_that_agree": pa.array(found.votes),
        }
    )


def _outliers(report: Report) -> pa.Table:
    found = report.outliers
    return pa.table(
        {
            "path": _paths(report, report.sample.rows[found.rows]),
            "label": _labels_of(report, report.codes[found.rows]),
            "distance": pa.array(found.distance),
            "spreads": pa.array(found.spreads),
        }
    )


def _oddities(report: Report) -> pa.Table:
    found = report.oddities
    rows = np.array([one.row for one in found], np.int64)
    return pa.table(
        {
            "path": _paths(report, rows),
            "label": _labels_of(report, report.photos.codes[rows]),
            "what": pa.array([one.what for one in found], pa.string()),
            "figure": pa.array([one.figure for one in found], pa.float64()),
            "usual": pa.array([one.usual for one in found], pa.float64()),
        }
    )


def _leaks(report: Report) -> pa.Table:
    every = [report.duplicates.rows[group] for group in report.leaks]
    rows = np.concatenate([np.zeros(0, np.int64), *every])
    groups = np.repeat(np.arange(len(every)) + 1, [len(one) for one in every])
    return pa.table(
        {
            "group": pa.array(groups, pa.int32()),
            "path": _paths(report, rows),
            "label": _labels_of(report, report.photos.codes[rows]),
            "split": pa.array(
                [split_of(report.photos.path(int(row))) for row in rows], pa.string()
            ),
        }
    )


def _spellings(report: Report) -> pa.Table:
    rows = [
        (group, label, photos)
        for group, one in enumerate(report.spellings, 1)
        for label, photos in zip(one.labels, one.photos, strict=True)
    ]
    kinds = {"group": pa.int32(), "label": pa.string(), "photos": pa.int64()}
    columns = zip(*rows, strict=True) if rows else ([], [], [])
    return pa.table({
        name: pa.array(list(column), kind)
        for (name, kind), column in zip(kinds.items(), columns, strict=True)
    })  # fmt: skip


def _confusions(report: Report) -> pa.Table:
    found = report.separation.confusions if report.separation else ()
    return pa.table(
        {
            "label": _labels_of(report, np.array([one.label for one in found], np.int64)),
            "named": _labels_of(report, np.array([one.named for one in found], np.int64)),
            "photos": pa.array([one.photos for one in found], pa.int64()),
            "share": pa.array([one.share for one in found], pa.float64()),
        }
    )


def _labels(report: Report) -> pa.Table:
    apart = report.separation
    known = len(report.photos.names)
    raw, reduced = (apart.raw, apart.reduced) if apart else ((), ())
    return pa.table(
        {
            "label": pa.array(report.photos.names, pa.string()),
            "photos": pa.array(report.counts),
            "purity": _numbers(raw, known),
            "purity_reduced": _numbers(reduced, known),
        }
    )


def _formats(report: Report) -> pa.Table:
    found = report.formats
    return pa.table(
        {
            "extension": pa.array([one.extension for one in found], pa.string()),
            "smallest": pa.array(["{}x{}".format(*one.smallest) for one in found], pa.string()),
            "largest": pa.array(["{}x{}".format(*one.largest) for one in found], pa.string()),
            "photos": pa.array([one.photos for one in found], pa.int64()),
            "median_bytes": pa.array([one.size for one in found], pa.int64()),
            "median_width": pa.array([one.width for one in found], pa.int64()),
            "median_height": pa.array([one.height for one in found], pa.int64()),
        }
    )


def _components(report: Report) -> pa.Table:
    ratios = report.spectrum.ratios
    return pa.table(
        {
            "component": pa.array(range(1, len(ratios) + 1), pa.int32()),
            "explained_variance_ratio": pa.array(ratios),
            "cumulative": pa.array(np.cumsum(ratios)),
            "kept": pa.array([at < report.spectrum.k for at in range(len(ratios))], pa.bool_()),
        }
    )


def _drift(report: Report) -> pa.Table:
    kinds = {"label": pa.string(), "component": pa.int32(), "photos": pa.int64()}
    kinds |= dict.fromkeys(("before", "after", "spreads"), pa.float64()) | {"counts": pa.bool_()}
    shifts = [asdict(shift) for shift in (*report.drift.components, *report.drift.labels)]
    return pa.Table.from_pylist(shifts, pa.schema(kinds.items()))


def _map(report: Report) -> pa.Table:
    order = np.argsort(report.map_rows)  # of their paths
    rows = report.map_rows[order]
    columns: dict[str, Any] = {
        "path": _paths(report, report.sample.rows[rows]),
        "label": _labels_of(report, report.codes[rows]),
        "content": pa.array(report.photos.contents[report.sample.rows[rows]]),
    }
    for one in report.maps:
        columns[f"{one.kind}_x"] = pa.array(one.points[order, 0])
        columns[f"{one.kind}_y"] = pa.array(one.points[order, 1])
    return pa.table(columns)


def _paths(report: Report, rows: npt.NDArray[np.int64]) -> pa.ChunkedArray:
    return report.photos.paths.take(pa.array(rows))


def _labels_of(report: Report, codes: npt.NDArray[np.int64]) -> pa.Array:
    names = report.photos.names
    return pa.array([names[code] if code >= 0 else None for code in codes.tolist()], pa.string())


def _numbers(values: tuple[float, ...], length: int) -> pa.Array:
    """Return one number a label; null where there is none."""
    padded = [*values, *[float("nan")] * (length - len(values))]
    return pa.array([None if np.isnan(value) else value for value in padded], pa.float64())
