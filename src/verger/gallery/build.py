"""Building a gallery from what was gathered of the features of a run.

The features themselves are not read here, except those of the photos used for validation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from verger.errors import CountError
from verger.gallery.calibration import Calibration
from verger.gallery.contents import read_contents
from verger.gallery.evidence import Floats, add_by_label, label_means
from verger.gallery.files import paths_schema, read_header, write_header
from verger.gallery.fitting import calibrate
from verger.gallery.gallery import at_hand
from verger.gallery.projector import Projector, open_projector
from verger.gallery.validation import validate
from verger.knowledge import group_of
from verger.machine.blas import on_one_thread
from verger.machine.folders import scratch_folder
from verger.projections.discriminant import Discriminant
from verger.projections.moments import root_unit, unit_length
from verger.storage.folder import LocalPlace
from verger.storage.place import Place
from verger.store.blocks import matrix
from verger.store.gathering import Gathered, Gathering, Ints, packed, unpacked
from verger.store.label_codes import Labels, labels_of
from verger.store.layout import GALLERY
from verger.store.matrix import ALL, groups_of, reader, rows_of_files
from verger.store.sampling import Keys, keys_of, stratified
from verger.store.tables import ROWS_A_GROUP, Table, batches

Vectored = tuple[Ints, Floats]

_ROWS_A_BLOCK = 65_536
VALIDATED = 6_000  # photos at most: the features of these are held in memory at once
NOT_VALIDATED = (
    "Too few photos per label for a validation: the confidences of `verger identify` are not "
    "calibrated (it takes a hundred photos, of three labels or more)."
)


@dataclass(frozen=True, slots=True)
class Vectors:
    """Takes the vector of each photo in the space that photos are compared in."""

    projector: Projector

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a table of features that it reads."""
        return ("features",)

    @property
    def fields(self) -> dict[str, pa.DataType]:
        """What it gives: float32 (k,)."""
        return {"vector": pa.binary()}

    def __call__(self, rows: pa.Table) -> dict[str, pa.Array]:
        """Project a block of rows."""
        return {"vector": packed(self.projector(matrix(rows["features"], self.projector.width)))}


@dataclass(frozen=True, slots=True)
class Validation:
    """The photos to validate on, as evenly over labels as they allow.

    rows, label_ids: int64 (m,), where each stands in the table, and its label
    groups:          int64 (L,), the group of each label
    """

    rows: Ints
    label_ids: Ints
    groups: Ints
    width: int
    shrinkage: float

    @classmethod
    def of(
        cls, labels: Labels, projector: Projector, keys: Callable[[], Keys]
    ) -> Validation | None:
        """Choose them. None where there is nothing to calibrate: confidences need labels.

        `keys` gives the numbers by which samples of all photos are drawn; see `stratified`.
        """
        if not isinstance(projector.model, Discriminant):
            return None
        groups = groups_of_labels(labels)
        numbers = {group: number for number, group in enumerate(sorted(set(groups)))}
        known = np.flatnonzero(labels.codes >= 0)
        rows = known[stratified(labels.codes[known], VALIDATED, lambda: keys()[known])]
        ids = np.array([numbers[group] for group in groups], dtype=np.int64)
        return cls(rows, labels.codes[rows], ids, projector.width, projector.model.shrinkage)

    @on_one_thread
    def calibration(
        self, gathered: Gathered, paths: pa.ChunkedArray, threads: int = 1
    ) -> Calibration | None:
        """Validate, and fit to what came of it; None where there are too few photos.

        `paths` are those of all photos, in the order of the table.
        """
        # In order of path, so that a STORE that grew gives the same as one made at once.
        order = np.asarray(pc.sort_indices(paths.take(pa.array(self.rows))))
        features = gathered.features(self.rows, self.width)[order]
        ids = self.label_ids[order]
        held = validate(features, ids, self.groups, self.shrinkage, threads=threads)
        return None if held is None else calibrate(held)


def build_gallery(features: Table | Path, projection: Path, out: Path) -> dict[str, Any]:
    """Write the gallery of a table of features as a run does, all in this process.

    `features` is a table, wherever it lies, or a folder of Parquet files; `projection`, of which
    the models are used, and `out` are folders of this machine. Returns what `write_gallery` does,
    and `notes` for a person.
    """
    if isinstance(features, Path):
        place = LocalPlace(features.absolute().parent)
        features = Table(place, place.files(features.name, ".parquet"))
    projector, groups = open_projector(projection), groups_of(features)
    labels = labels_of(features)
    validation = Validation.of(labels, projector, lambda: keys_of(features.column("path")))
    sums = np.zeros((len(labels.names), projector.width))
    with scratch_folder() as scratch:
        rows = validation.rows if validation else np.zeros(0, np.int64)
        gathering = Gathering(LocalPlace(scratch), (Vectors(projector),), rows, ("features",))
        with gathering.into("light", "heavy") as take:
            read = reader(features, gathering.columns)
            for block, at in (each for group in groups for each in read(group, ALL)):
                take(block, at)
                prepared = root_unit(matrix(block["features"], projector.width))
                add_by_label(sums, prepared, labels.codes[at])
        gathered = Gathered(gathering.place, len(labels.codes), ["light"], ["heavy"])
        paths = gathered.in_order("path")
        calibration = validation.calibration(gathered, paths) if validation else None
        tables = dict(zip(features.files, rows_of_files(groups, len(features.files)), strict=True))
        notes = [NOT_VALIDATED] if validation and calibration is None else []
        vectors = gathered_vectors(gathered, projector)
        made = write_gallery(out, paths, vectors, tables, labels, sums, projector, calibration)
    return made | {"notes": notes}


def write_gallery(
    out: Path,
    paths: pa.ChunkedArray,
    vectors: Iterable[Vectored],
    tables: dict[str, int],
    labels: Labels,
    likenesses: npt.NDArray[np.float64],
    projector: Projector,
    calibration: Calibration | None,
) -> dict[str, Any]:
    """Write a gallery to a folder of this machine.

    paths:       of the n photos, in the order of the table of features
    vectors:     where some photos stand in it, and the vectors of these: all, in any order
    tables:      the files of features, and their rows
    likenesses:  float64 (L, d), the direction of each label's features, after `root_unit`
    calibration: what a validation gave; None where there was none
    Returns what the run record says of it.
    """
    out.mkdir(parents=True, exist_ok=True)
    groups = groups_of_labels(labels)
    photos = len(labels.codes)
    on_disk = _on_disk(out / "vectors.npy", (photos, projector.k))
    there = np.zeros(photos, np.bool_)
    for rows, some in vectors:
        on_disk[rows], there[rows] = some, True
    if (vectored := int(there.sum())) != photos:
        raise CountError.of_rows(photos, "photos", vectored, "the gallery")
    label_ids = labels.codes.astype(np.int32)
    arrays = {
        "label_ids": label_ids,
        "means": label_means(on_disk, label_ids, len(groups)),
        "likenesses": unit_length(likenesses).astype(np.float32),
    }
    for name, array in arrays.items():
        np.save(out / f"{name}.npy", array, allow_pickle=False)
    if isinstance(on_disk, np.memmap):
        on_disk.flush()
    _write_paths(out / "photos.arrow", paths, list(tables.values()))
    files = {name: out / f"{name}.npy" for name in ("vectors", *arrays)}
    calibration = calibration or Calibration()
    fields = {
        "projection": projector.record(),
        "photos": photos,
        "k": projector.k,
        "width": projector.width,
        "labels": list(labels.names),
        "groups": groups,
        "tables": [{"file": f.rpartition("/")[2], "rows": rows} for f, rows in tables.items()],
        "calibration": calibration.as_record(),
    }
    write_header(out, fields, files | {"photos": out / "photos.arrow"})
    return {
        "space": projector.kind,
        "photos": photos,
        "labels": len(groups),
        "groups": len(set(groups)),
        "rehearsed": calibration.photos,
    }


def gathered_vectors(gathered: Gathered, projector: Projector) -> Iterator[Vectored]:
    """Read the vectors of all photos that `Vectors` took."""
    for rows, batch in gathered.of_all("vector"):
        yield rows, unpacked(batch.column("vector"), np.float32, projector.k)


def carried_vectors(
    place: Place, projector: Projector, paths: pa.ChunkedArray, changed: list[str]
) -> Iterator[Vectored]:
    """Take vectors from the gallery of a STORE, made with this projector, and of what changed.

    paths:   of all photos, in the order of the new table of features
    changed: files of paths and vectors, which count where the gallery has others
    Raises `StoreError` or ValueError where the gallery is not what was written.
    """
    wanted = paths.combine_chunks()
    with at_hand(place, str(place), [GALLERY]) as root:
        header = read_header(root / GALLERY, str(place))
        there = read_contents(root / GALLERY, header, projector)
    at = pc.index_in(there.paths, value_set=wanted)
    for start in range(0, there.photos, _ROWS_A_BLOCK):
        some = at.slice(start, _ROWS_A_BLOCK)
        stays = start + np.flatnonzero(np.asarray(pc.is_valid(some)))
        yield np.asarray(some.drop_null()), there.vectors[stays]
    for file in changed:
        for batch in batches(place, file, ["path", "vector"]):
            rows = np.asarray(pc.index_in(batch.column("path"), value_set=wanted))
            yield rows, unpacked(batch.column("vector"), np.float32, projector.k)


def groups_of_labels(labels: Labels) -> list[str]:
    """Return the group of each label."""
    return [str(group_of(label) or label) for label in labels.names]


def _write_paths(file: Path, paths: pa.ChunkedArray, rows_of_tables: list[int]) -> None:
    schema = paths_schema()
    with pa.ipc.new_file(str(file), schema) as out:
        for start, stop in pairwise(accumulate(rows_of_tables, initial=0)):
            for at in range(start, stop, ROWS_A_GROUP):
                some = paths.slice(at, min(ROWS_A_GROUP, stop - at)).combine_chunks()
                out.write_batch(pa.RecordBatch.from_arrays([some], schema=schema))


def _on_disk(file: Path, shape: tuple[int, int]) -> Floats:
    """Make an array of zeros that lies in a file, not in memory."""
    if not all(shape):  # what is empty cannot be mapped
        np.save(file, np.zeros(shape, dtype="<f4"), allow_pickle=False)
        return np.zeros(shape, dtype=np.float32)
    return np.lib.format.open_memmap(file, mode="w+", dtype="<f4", shape=shape, version=(1, 0))
