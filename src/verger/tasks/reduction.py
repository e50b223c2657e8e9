"""Reducing features: moments in one pass, and the matrix in another, in tasks.

While Spark runs, no row of features reaches the driver, only moments and counts; afterwards it
reads at most 6,000 (validation) and 12,000 (report), which these tasks gather.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from itertools import chain

import numpy as np
import pyarrow as pa

from verger.errors import BackboneError, StoreError
from verger.projections.feature_moments import FeatureMoments
from verger.projections.moment_bytes import Parts
from verger.projections.moments import Moments, NotFinite, check_width
from verger.projections.pca import PCA
from verger.storage.place import Place
from verger.store.blocks import ROWS_A_BLOCK, UnlikeLengths, matrix
from verger.store.carried import (
    ChangedFiles,
    paths_of,
    stretches,
    write_carried,
    write_changed,
)
from verger.store.gathering import Gathering, Taker
from verger.store.kept_moments import Changed, Reading, rows_changed
from verger.store.layout import MATRIX
from verger.store.matrix import (
    ALL,
    Files,
    Group,
    Range,
    groups_of,
    reader,
    write_range,
)
from verger.store.parts import Edits
from verger.store.tables import Table
from verger.store.troubles import troubles_told
from verger.store.work import Work
from verger.tasks.embedding import let_go
from verger.tasks.engine import Engine, Row

_TASKS_A_CORE = 2
_ROWS_A_TASK = 1_024  # to send moments takes as long as to compute those of so many rows
_MORE, _FEWER = "more", "fewer"


def feature_moments(
    engine: Engine,
    place: Place,
    readings: list[Reading],
    width: int,
    edits: Callable[[str], Edits],
) -> tuple[FeatureMoments, FeatureMoments]:
    """Compute the moments of the rows that readings find to be there, and to be gone, in one pass.

    Raises `BackboneError`, with the path of the photo, where a feature is NaN or infinite, and
    `StoreError` where the features of a photo are not of `width`.
    """
    tasks = _tasks(engine, readings)

    def of_files(task: int) -> Parts:
        let_go()
        with troubles_told(str(place)):
            return summed_up(_changed(place, readings[task::tasks], edits), width)

    check_width(width)
    if not readings:
        return FeatureMoments.zero(width), FeatureMoments.zero(width)
    return changes_in(engine.moments(tasks, of_files), width)


def write_matrix(
    engine: Engine,
    work: Work,
    features: Table,
    spans: list[Range],
    pca: PCA,
    gathering: Gathering,
) -> list[Files]:
    """Project a table of features, and gather what comes of it: one task a range of paths.

    Every try has files of its own; returns those of the tries that won.
    """

    def write(number: int) -> Row:
        name = _named(work, number)
        let_go()
        matrix, light, heavy = (work.built(f"{at}/{name}") for at in (MATRIX, "light", "heavy"))
        with troubles_told(str(work.place)):
            to = Files(matrix, light, heavy)
            return write_range(features, spans[number], pca, gathering, to)._asdict()

    schema = "matrix string, light string, heavy string, rows long"
    return sorted(Files(**row) for row in engine.rows(len(spans), write, schema))


def carry_matrix(
    engine: Engine,
    work: Work,
    matrix: list[str],
    readings: list[Reading],
    edits: Callable[[str], Edits],
    pca: PCA,
    taker: Taker,
) -> tuple[list[tuple[str, int]], list[str]]:
    """Carry on the matrix that these files are: project what readings find to have changed.

    Returns the files of the new one, in order, with their rows: some of those that there are, if
    nothing has changed between their paths. And those of the rows that changed, with what was taken
    of them.
    """
    place, tasks = work.place, _tasks(engine, readings)

    def project(task: int) -> Row:
        to = ChangedFiles(
            *(work.built(f"{at}/{_named(work, task)}") for at in ("changed", "left-out"))
        )
        with troubles_told(str(place)):
            changed = _changed(place, readings[task::tasks], edits)
            write_changed(place, changed, pca, taker, to)
        return to._asdict()

    schema = "now string, gone string"
    changed = [ChangedFiles(**row) for row in engine.rows(tasks, project, schema)]
    now, gone = [files.now for files in changed], [files.gone for files in changed]
    rows, before = Table(place, [*matrix, *now]), len(matrix)
    touched = sorted(paths_of(place, now + gone).to_pylist())
    plan = stretches(groups_of(rows), before, touched, pca.k)
    todo = [(one, at) for one in plan for at in range(len(one.spans))]

    def merge(number: int) -> Row:
        one, at = todo[number]
        span, stem = one.spans[at], matrix[one.file].rpartition("/")[2].rpartition("-")[0]
        stem = f"{stem}-{at:03d}" if len(one.spans) > 1 else stem
        to = work.built(f"{MATRIX}/{stem}-{uuid.uuid4().hex[:12]}.parquet")
        with troubles_told(str(place)):
            return {"file": to, "rows": write_carried(rows, before, gone, span, pca.k, to)}

    written = engine.rows(len(todo), merge, "file string, rows long") if todo else []
    files = [(str(row["file"]), int(row["rows"])) for row in written if row["rows"]]
    files += [(matrix[one.file], one.rows) for one in plan if not one.spans]
    return sorted(files, key=lambda file: file[0].rpartition("/")[2]), now


def gather(
    engine: Engine, work: Work, features: Table, groups: list[Group], gathering: Gathering
) -> list[str]:
    """Gather what is kept of some rows alone; return the files that it is in."""
    first = np.array([group.start for group in groups], np.int64)
    last = first + [group.rows for group in groups]
    rows = gathering.rows
    some = np.flatnonzero(np.searchsorted(rows, first) < np.searchsorted(rows, last))
    tasks = max(min(_TASKS_A_CORE * engine.cores, len(some)), 1)

    def take(task: int) -> Row:
        light, heavy = (work.built(f"{at}/{_named(work, task)}") for at in ("light", "heavy"))
        with troubles_told(str(work.place)), gathering.into(light, heavy) as take:
            read = reader(features, gathering.columns)
            for number in np.array_split(some, tasks)[task]:
                for block, numbers in read(groups[number], ALL):
                    take(block, numbers)
        return {"heavy": heavy}

    return [str(row["heavy"]) for row in engine.rows(tasks, take, "heavy string")]


def _named(work: Work, number: int) -> str:
    """Name a file of a task: no two tries of it share one."""
    return f"part-{work.run}-{number:05d}-{uuid.uuid4().hex[:8]}.parquet"


def _tasks(engine: Engine, readings: list[Reading]) -> int:
    """Say how many tasks share the readings; small files are grouped."""
    rows = sum(reading.rows for reading in readings)
    most = _TASKS_A_CORE * engine.cores
    return max(min(most, len(readings), -(-rows // _ROWS_A_TASK)), 1)


def _changed(
    place: Place, readings: list[Reading], edits: Callable[[str], Edits]
) -> Iterator[Changed]:
    """Read this task's share, dealt round-robin because the first files are the largest."""
    return chain.from_iterable(rows_changed(place, one, edits) for one in readings)


def summed_up(changed: Iterable[Changed], width: int) -> Parts:
    """Sum up present and gone rows separately; a side without rows gets no entry."""
    made: dict[str, FeatureMoments] = {}
    held: dict[str, list[pa.RecordBatch]] = {_MORE: [], _FEWER: []}

    def add(what: str) -> None:
        mine = _moments_of_block(pa.Table.from_batches(held[what]), width)
        made[what] = made[what].merge(mine) if what in made else mine
        held[what].clear()

    for change in changed:
        for what, batch in zip(held, change, strict=True):
            if len(batch):
                held[what].append(batch)
            if sum(map(len, held[what])) >= ROWS_A_BLOCK:
                add(what)
    for what in held:
        if held[what]:
            add(what)
    parts = {f"{what}.raw": moments.raw for what, moments in made.items()}
    return parts | {f"{what}.unit": moments.unit for what, moments in made.items()}


def changes_in(parts: Parts, width: int) -> tuple[FeatureMoments, FeatureMoments]:
    """Return the moments of the rows that are there and of those that are gone."""
    none = Moments.zero(width)
    more, fewer = (
        FeatureMoments(parts.get(f"{what}.raw", none), parts.get(f"{what}.unit", none))
        for what in (_MORE, _FEWER)
    )
    return more, fewer


def _moments_of_block(block: pa.Table, width: int) -> FeatureMoments:
    try:
        rows = matrix(block["features"], width)
    except UnlikeLengths as error:
        raise StoreError(str(error), hint="Run `verger run` again with --overwrite.") from None
    try:
        return FeatureMoments.of(rows, block["label"].to_pylist())
    except NotFinite as error:
        path = block["path"][error.row].as_py()
        raise BackboneError(
            f"The features of {path} are NaN, infinite or too large to square."
        ) from None
