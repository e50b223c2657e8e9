"""The data of a report, from a STORE's tables: pure functions and frozen dataclasses, no HTML."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from verger.embed.card import framing_of
from verger.machine.blas import on_one_thread
from verger.machine.folders import scratch_folder
from verger.photos.reasons import Reason
from verger.projections.discriminant import KIND, Discriminant, load_discriminant
from verger.projections.pca import PCA, load_pca
from verger.report import drift as drifting
from verger.report import positions
from verger.report.checks import Check, check_store
from verger.report.confusions import Confusion, confusions
from verger.report.corrected import Corrected, compare_corrected
from verger.report.curation import Spellings, find_leaks, find_spellings, unbalanced
from verger.report.drift import Drift, Summary
from verger.report.duplicates import Duplicates, find_duplicates
from verger.report.kept_neighbours import KeptNeighbours, nearest_from
from verger.report.measures import Measures, measure
from verger.report.mislabels import COMPONENTS, Judged, Mislabels, find_mislabels, judge
from verger.report.neighbours import (
    NEIGHBOURS,
    MixedPair,
    Neighbours,
    mixed_pairs,
    nearest,
    purity,
    purity_by_label,
)
from verger.report.oddities import Oddity, find_oddities
from verger.report.outliers import Outliers, find_outliers
from verger.report.positions import PCA_MAP, Positions
from verger.report.reading import (
    Floats,
    Ints,
    Light,
    Photos,
    Sample,
    gathered_photos,
    gathered_sample,
    read_photos,
    read_sample,
)
from verger.report.thumbnails import KeptSheets, Pictures, Sheets
from verger.report.variance import Components, Spectrum, components_from, components_of, spectrum
from verger.store.corrections import Corrections
from verger.store.gathering import Gathered
from verger.store.layout import FEATURES, GIVEN, PROJECTION, REDUCED, REPORT
from verger.store.record import rate_of
from verger.store.rejected import rejected
from verger.store.sampling import Keys, keys_of, matched, stratified
from verger.store.store import Store
from verger.store.tables import Table

Contents = npt.NDArray[np.uint64]

MOST_LOOKED_AT = 12_000
MOST_ON_MAP = 8_000
FEW_PHOTOS = 10
NARROW = 3.0  # long side over short side
_HELD = 0.5  # of the photos on a map, from which on it goes on
_PAIRS, _PAIR_EXAMPLES = 12, 3
_REJECTS_A_REASON = 8
MOST_GROUPS, MOST_OF_A_GROUP = 48, 4  # of duplicates that are shown
_EXTENSION = r"(?P<extension>(?:\.[^./]*)?)$"  # matches every path


@dataclass(frozen=True, slots=True)
class Format:
    """Photos of one file extension; sizes in pixels and bytes."""

    extension: str
    photos: int
    width: int
    height: int
    smallest: tuple[int, int]
    largest: tuple[int, int]
    size: int


@dataclass(frozen=True, slots=True)
class Rejected:
    """Rejects of one reason, and some of them: (path, detail)."""

    reason: str
    meaning: str
    photos: int
    examples: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Separation:
    """How well labels separate: purity in each space, by label and overall, and who mixes.

    neighbours:   how many of a photo's nearest others, by cosine, its purity looks at: the share
                  of them that carry its label
    raw, reduced: purity of each label, in features and in components; overall: that of all photos
    chance:       the purity that labels dealt at random would have
    judged:       how many photos were named by a discriminant that had not seen them
    judged_right: share of these that it named by their label
    pairs:        labels that are neighbours of one another most often
    confusions:   labels that such a discriminant gives to photos of others, the most frequent first
    """

    neighbours: int
    raw: tuple[float, ...]
    reduced: tuple[float, ...]
    overall: tuple[float, float]
    chance: float
    judged: int
    judged_right: float
    pairs: tuple[MixedPair, ...]
    confusions: tuple[Confusion, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that a report shows. Rows of the sample are places in `sample.rows`.

    sheets:    the thumbnails of the map
    pictures:  those of photos that the page shows by themselves
    measures:  of the thumbnails of the sample
    known:     of each photo of the sample, the nearest others, for the next report
    """

    record: Mapping[str, Any]
    photos: Photos
    counts: npt.NDArray[np.int64]
    pca: PCA
    spectrum: Spectrum
    sample: Sample
    sheets: Sheets
    pictures: Pictures
    measures: Measures
    codes: npt.NDArray[np.int64]
    map_rows: npt.NDArray[np.int64]
    maps: tuple[Positions, ...]
    known: KeptNeighbours
    neighbours: Neighbours
    separation: Separation | None
    corrected: Corrected | None
    duplicates: Duplicates
    mislabels: Mislabels
    outliers: Outliers
    oddities: tuple[Oddity, ...]
    leaks: tuple[slice, ...]  # of the duplicates
    spellings: tuple[Spellings, ...]
    unbalanced: tuple[int, ...]
    formats: tuple[Format, ...]
    closest: int  # pixels that the closest view brings the shorter side of a photo to
    upscaled: int  # photos that are smaller
    narrow: int
    rejects: tuple[Rejected, ...]
    drift: Drift
    summary: Summary
    previous: Summary | None
    checks: tuple[Check, ...]

    @property
    def rate(self) -> float:
        """Photos that the run embedded a second; 0 where they were too few to tell."""
        return rate_of(self.record)


@on_one_thread  # in each of its threads
def build(
    store: Store,
    map_kind: str | None = None,
    gathered: Gathered | None = None,
    full_pca: PCA | None = None,
) -> Report:
    """Look at a STORE, or at what its run has just gathered of it.

    `full_pca`: onto all components of its photos, where a run has just fitted them.
    `map_kind`: `NEIGHBOUR_MAP` lays photos out anew by their neighbours, `PCA_MAP` has no such map.
    None goes on with that of the report before, if it has one and half of the photos or more are
    on it; on a first report, and with fewer, photos are laid out anew.
    Raises `StoreError` where there is no finished run in it.
    """
    record = store.whole_run((*GIVEN, *REDUCED))
    pca, model = _projections(store)
    table = Table(store.place, store.table(FEATURES))
    photos, duplicates = _looked_over(table, gathered)
    finished, framing = str(record["finished"]), framing_of(record["backbone"])
    backbone, closest = f"{record['backbone']['sha256']} {framing}", max(framing.views)
    old = last_summary(store, finished)
    leaks = find_leaks(photos, duplicates)
    twins = [*duplicates.in_order(photos.codes)[:MOST_GROUPS], *leaks[:MOST_GROUPS]]
    sample = _sample(table, photos, [duplicates.rows[group] for group in twins], pca, old, gathered)
    codes = photos.codes[sample.rows]
    directions, offset = drifting.directions_of(pca)
    q = len(directions)
    features = sample.features
    kept, contents = KeptSheets.read(store.place, REPORT), photos.contents[sample.rows]
    map_rows = _on_map(codes, keys_of(photos.paths.take(pa.array(sample.rows))))
    map_rows = _as_before(map_rows, contents, kept.contents)
    contents = contents[map_rows]
    earlier = _earlier_neighbours(store, map_kind, contents)
    shown = [sample.thumbnails[row] for row in sample.rows[map_rows].tolist()]
    sheets = Sheets(shown, contents, kept)
    with ThreadPoolExecutor(1) as beside:
        looked = beside.submit(_measures, store, sample)
        components = beside.submit(_components, full_pca, sample, photos, pca)
        judging = beside.submit(lambda: judge(components.result().rows, codes))
        before = KeptNeighbours.read(store.place, REPORT)
        known = nearest_from(features, positions.LOOKED_AT, before)
        near, placed = known.around.among(map_rows), pca.transform(features)
        maps = beside.submit(_maps, placed[map_rows], model, features[map_rows], near, earlier)
        raw, close = known.around.first(NEIGHBOURS), nearest(placed)
    judged = judging.result()
    corrections = Corrections.read(store.place)
    summary = drifting.summarise(
        photos, sample.projected[:, :q], directions, offset, finished=finished, backbone=backbone
    )
    return Report(
        record=record,
        photos=photos,
        counts=photos.counts(),
        pca=pca,
        spectrum=spectrum(pca, components.result()),
        sample=sample,
        sheets=sheets,
        pictures=Pictures(sample.thumbnails),
        measures=looked.result(),
        codes=codes,
        map_rows=map_rows,
        maps=maps.result(),
        known=known,
        neighbours=raw,
        separation=_separation(raw, close, codes, judged, features),
        corrected=compare_corrected(close, photos, sample.rows, codes, corrections),
        duplicates=duplicates,
        mislabels=find_mislabels(judged, raw, codes).without(
            _are(corrections.fine, photos, sample.rows)
        ),
        outliers=find_outliers(raw, codes),
        oddities=tuple(find_oddities(photos, sample.rows, looked.result())),
        leaks=tuple(leaks),
        spellings=tuple(find_spellings(photos.names, photos.counts())),
        unbalanced=tuple(unbalanced(photos.counts())),
        formats=_formats(photos),
        closest=closest,
        upscaled=int((np.minimum(photos.width, photos.height) < closest).sum()),
        narrow=int(_narrow(photos).sum()),
        rejects=_rejects(store, record),
        drift=drifting.compare(old, photos, sample.projected[:, q:], backbone),
        summary=summary,
        previous=old,
        checks=tuple(check_store(store, record, pca, photos)),
    )


def _measures(store: Store, sample: Sample) -> Measures:
    """Measure the thumbnails of a sample, but for those that the report before had."""
    thumbnails = [sample.thumbnails.get(row, b"") for row in sample.rows.tolist()]
    return measure(thumbnails, Measures.read(store.place, REPORT))


def _components(full_pca: PCA | None, sample: Sample, photos: Photos, pca: PCA) -> Components:
    """Return all components of the photos looked at: the run's, where it fitted them to these."""
    if (
        full_pca is not None
        and full_pca.rows == len(photos) == len(sample.rows)
        and np.array_equal(full_pca.scale, pca.scale)  # or STORE's projection is an earlier one
    ):
        return components_from(full_pca, sample.features, COMPONENTS)
    return components_of(sample.features, pca.scale, COMPONENTS)


def _projections(store: Store) -> tuple[PCA, Discriminant | None]:
    """Read the projections, by way of a folder of this machine, as their arrays are files."""
    with scratch_folder() as folder:
        for path in store.place.files(PROJECTION):
            (folder / path.rpartition("/")[2]).write_bytes(store.place.read(path))
        pca = load_pca(folder)
        has_model = (folder / f"{KIND}.json").exists()
        return pca, load_discriminant(folder) if has_model else None


def _looked_over(table: Table, gathered: Gathered | None) -> tuple[Photos, Duplicates]:
    """Read what is small of all photos; the pictures, which are not, go when they were compared."""
    photos, pictures = gathered_photos(gathered) if gathered else read_photos(table)
    return photos, find_duplicates(photos, pictures)


def _sample(
    table: Table,
    photos: Photos,
    groups: list[npt.NDArray[np.int64]],
    pca: PCA,
    old: Summary | None,
    gathered: Gathered | None,
) -> Sample:
    places = photos.places
    rows = looked_at(photos.codes[places], lambda: keys_of(photos.paths)[places])
    twins = np.concatenate([np.zeros(0, np.int64), *(group[:MOST_OF_A_GROUP] for group in groups)])
    besides = photos.rows[twins]
    directions, offset = _directions(pca, old)
    if gathered is None:
        read = read_sample(table, len(photos), rows, besides, directions, offset)
    else:
        wide, q = directions.shape[1], len(directions)
        read = gathered_sample(gathered, table, rows, besides, wide, q)
    return read.by_places(photos)


def looked_at(codes: npt.NDArray[np.int64], keys: Callable[[], Keys]) -> npt.NDArray[np.int64]:
    """Choose the photos that are looked at closely, by the labels and the keys of all."""
    return stratified(codes, MOST_LOOKED_AT, keys)


def light(store: Store, pca: PCA, finished: str | None) -> Light:
    """Return what a run gathers for the report that follows it; see `last_summary`."""
    return Light(*_directions(pca, last_summary(store, finished)))


def last_summary(store: Store, finished: str | None) -> Summary | None:
    """Return the summary to compare with: of the last run that did not end at `finished`."""
    current, before = drifting.load_summaries(store.place, REPORT)
    return before if current is not None and current.finished == finished else current


def _directions(pca: PCA, old: Summary | None) -> tuple[Floats, Floats]:
    """Return the directions along which photos are compared: those of this run, and the last."""
    directions, offset = drifting.directions_of(pca)
    if old is not None and old.directions.shape[1] == directions.shape[1]:
        directions = np.concatenate([directions, old.directions])
        offset = np.concatenate([offset, old.offset])
    return directions, offset


def _on_map(codes: npt.NDArray[np.int64], keys: Keys) -> npt.NDArray[np.int64]:
    """Choose the rows of the map, in an order of which every beginning is spread over labels."""
    rows = stratified(codes, MOST_ON_MAP, lambda: keys)
    order = np.lexsort((keys[rows], codes[rows]))
    grouped = codes[rows][order]
    starts = np.flatnonzero(np.concatenate([[True], grouped[1:] != grouped[:-1]])[: len(rows)])
    sizes = np.diff(np.append(starts, len(rows)))
    place = np.arange(len(rows)) - np.repeat(starts, sizes)
    return np.asarray(rows[order][np.argsort(place, kind="stable")])


def _are(some: set[str], photos: Photos, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Say which photos of the sample are among those with these paths."""
    if not some:
        return np.zeros(len(rows), np.bool_)
    paths = photos.paths.take(pa.array(rows))
    return np.asarray(pc.is_in(paths, pa.array(sorted(some), pa.string())))


def _as_before(rows: Ints, contents: Contents, before: Contents) -> Ints:
    """Give rows of a map the places that their contents had on the sheets of the one before.

    What is new takes the places of what is gone, then the end; if more is gone, the last move up.
    """
    found = matched(before, contents[rows])
    out = np.append(rows, -1)[found].tolist()
    new = np.delete(rows, found[found >= 0]).tolist()
    gaps = [place for place, row in enumerate(out) if row < 0]
    for gap, row in zip(gaps, new, strict=False):
        out[gap] = row
    out += new[len(gaps) :]
    for gap in gaps[len(new) :]:
        while out and out[-1] < 0:
            out.pop()
        if gap < len(out):
            out[gap] = out.pop()
    return np.array(out, np.int64)


def _earlier_neighbours(store: Store, kind: str | None, contents: Contents) -> Floats | None:
    """Return where photos are on a map by neighbours before it is made: NaN where they are not yet.

    None where none is to be made: it is given up, now or on the page that is there.
    """
    found = positions.earlier_neighbours(store.place, REPORT) if kind is None else {}
    if kind == PCA_MAP or found is None:
        return None
    nowhere = (np.nan, np.nan)
    places = [found.get(content, nowhere) for content in contents.tolist()]
    return np.array(places, np.float32).reshape(len(contents), 2)


def _maps(
    projected: Floats,
    model: Discriminant | None,
    features: Floats,
    near: npt.NDArray[np.int64],
    earlier: Floats | None,
) -> tuple[Positions, ...]:
    maps = [positions.by_components(projected)]
    if model is not None and model.k >= 2:
        maps.append(positions.by_labels(model, features))
    if earlier is None or not len(features):
        return tuple(maps)
    if np.isfinite(earlier).all(axis=1).mean() >= _HELD:
        maps.insert(0, positions.by_earlier_neighbours(near, projected, earlier))
    else:
        maps.insert(0, positions.by_neighbours(near, projected))
    return tuple(maps)


def _separation(
    raw: Neighbours,
    reduced: Neighbours,
    codes: npt.NDArray[np.int64],
    judged: Judged,
    features: Floats,
) -> Separation | None:
    labels = len(np.unique(codes[codes >= 0]))
    if labels < 2 or not raw.index.shape[1]:
        return None
    wide = int(codes.max()) + 1
    before, after = purity(raw, codes), purity(reduced, codes)
    shares = np.bincount(codes[codes >= 0]) / len(codes)
    return Separation(
        raw.index.shape[1],
        tuple(purity_by_label(before, codes, wide)),
        tuple(purity_by_label(after, codes, wide)),
        (float(np.nanmean(before)), float(np.nanmean(after))),
        float((shares**2).sum()),
        int((judged.named >= 0).sum()),
        judged.right,
        tuple(mixed_pairs(reduced, codes, _PAIRS, _PAIR_EXAMPLES)),
        tuple(confusions(judged, codes, features, _PAIRS, _PAIR_EXAMPLES)),
    )


def _formats(photos: Photos) -> tuple[Format, ...]:
    if not len(photos):
        return ()
    found = pc.utf8_lower(pc.extract_regex(photos.paths, _EXTENSION).combine_chunks().field(0))
    extensions = found.dictionary_encode()
    codes = np.asarray(extensions.indices)
    out = []
    for code, extension in enumerate(extensions.dictionary.to_pylist()):
        mine = np.flatnonzero(codes == code)
        pixels = photos.width[mine] * photos.height[mine]
        small, large = mine[pixels.argmin()], mine[pixels.argmax()]
        out.append(
            Format(
                extension or "(none)",
                len(mine),
                int(np.median(photos.width[mine])),
                int(np.median(photos.height[mine])),
                (int(photos.width[small]), int(photos.height[small])),
                (int(photos.width[large]), int(photos.height[large])),
                int(np.median(photos.size[mine])),
            )
        )
    return tuple(sorted(out, key=lambda one: -one.photos))


def _narrow(photos: Photos) -> npt.NDArray[np.bool_]:
    long, short = np.maximum(photos.width, photos.height), np.minimum(photos.width, photos.height)
    return np.asarray(long > NARROW * np.maximum(short, 1))


def _rejects(store: Store, record: Mapping[str, Any]) -> tuple[Rejected, ...]:
    examples: dict[str, list[tuple[str, str]]] = {}
    for one in rejected(store):
        some = examples.setdefault(one.reason, [])
        if len(some) < _REJECTS_A_REASON:
            some.append((one.path, one.detail or ""))
    known = {reason.value: reason.meaning for reason in Reason}
    return tuple(
        Rejected(reason, known.get(reason, ""), int(count), tuple(examples.get(reason, ())))
        for reason, count in record["counts"]["rejected_by_reason"].items()
    )
