"""Whole STOREs without Spark: the real listing, decoder, network and projections, in-process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from verger.embed import Network, open_backbone
from verger.embed.features import Embedder, embed
from verger.photos.labels import labeller_from
from verger.projections.discriminant import Discriminant, fit_discriminant, save_discriminant
from verger.projections.moments import Moments, unit_length
from verger.projections.pca import fit_pca, save_pca
from verger.settings import DEFAULT_BACKBONE, RunSettings
from verger.storage.folder import LocalPlace
from verger.store.layout import FEATURES, MATRIX, MATRIX_CSV, PROJECTION, REJECTS
from verger.store.parts import SCHEMAS
from verger.store.publication import Publication
from verger.store.record import backbone_record, discriminant_record, projection_record
from verger.store.store import Store, now

_VERSIONS = {"verger": "0", "python": "3", "spark": "none", "java": "none"}
_POOL = 5
_SETTINGS = RunSettings(csv=False)
_SECONDS = {"list": 0.1, "embed": 1.0, "fit": 0.2}


def lay(folder: Path, photos: Mapping[str, bytes]) -> Path:
    """Write photos into a folder, by their paths in it."""
    for path, data in photos.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return folder


def make_store(photos: Path, root: Path, settings: RunSettings = _SETTINGS) -> Store:
    """Embed a folder of photos into a STORE, as `verger run` does but in this process."""
    settings = replace(settings, backbone=settings.backbone or DEFAULT_BACKBONE)
    views = [int(view) for view in settings.views.split(",")] if settings.views else None
    backbone = open_backbone(str(settings.backbone), settings.image_size, views)
    refs = list(LocalPlace(photos).list(labeller_from(settings.label_from, photos.name)))
    network = Network(backbone.card, backbone.model())
    embedder = Embedder(backbone, settings.photos_a_batch, settings.max_pixels)
    some = list(embed(refs, embedder, lambda path: (photos / path).read_bytes(), network))
    features = pa.Table.from_batches([one.features for one in some], SCHEMAS[FEATURES])
    rejects = pa.Table.from_batches([one.rejects for one in some], SCHEMAS[REJECTS])
    described = backbone_record(backbone) | {"features": backbone.card.features // _POOL}
    return write_store(root, _pooled(features), rejects, described, settings, str(photos))


def _pooled(features: pa.Table) -> pa.Table:
    """Take means of five features: the projections of 256 take a hundredth of the time."""
    rows = features["features"].to_pylist()
    pooled = [np.reshape(row, (-1, _POOL)).mean(axis=1).tolist() for row in rows]
    at = features.column_names.index("features")
    return features.set_column(at, "features", pa.array(pooled, pa.list_(pa.float32())))


def write_store(
    root: Path,
    features: pa.Table,
    rejects: pa.Table,
    backbone: dict[str, object],
    settings: RunSettings,
    photos: str = "photos",
) -> Store:
    """Fit, project and publish what embedding gave."""
    wide = int(str(backbone["features"]))
    rows = np.asarray(features["features"].combine_chunks().flatten()).reshape(-1, wide)
    labels = features["label"].to_pylist()
    wanted = settings.components
    pca = fit_pca(
        Moments.of(rows), int(wanted) if wanted.isdigit() else float(wanted),
        standardize=settings.standardize,
    )  # fmt: skip
    model: Discriminant | None = None
    known = [at for at, label in enumerate(labels) if label is not None]
    if len({labels[at] for at in known}) > 1:
        moments = Moments.of(unit_length(rows[known]), [labels[at] for at in known])
        model = fit_discriminant(moments, settings.shrinkage)
    reasons = rejects["reason"].to_pylist()
    counts = {
        "listed": len(features) + len(rejects),
        "embedded": len(features),
        "rejected": len(rejects),
        "rejected_by_reason": {reason: reasons.count(reason) for reason in sorted(set(reasons))},
    }
    store = Store(root)
    store.claim(backbone=backbone, overwrite=True)
    with store.working() as work:
        projected = pca.transform(rows)
        lists = pa.FixedSizeListArray.from_arrays(pa.array(projected.ravel()), max(pca.k, 1))
        components = (
            lists.cast(pa.list_(pa.float32()))
            if pca.k
            else pa.array([[]] * len(rows), pa.list_(pa.float32()))
        )
        matrix = pa.table(
            {"path": features["path"], "label": features["label"], "components": components}
        )
        folders: dict[str, list[str]] = {PROJECTION: []}
        for name, table in ((FEATURES, features), (REJECTS, rejects), (MATRIX, matrix)):
            folders[name] = [f"{work.built(name)}/part-0.parquet"]
            with store.place.incoming(folders[name][0]) as file:
                pq.write_table(table, file)
        save_pca(pca, work.scratch / PROJECTION)
        if model is not None:
            save_discriminant(model, work.scratch / PROJECTION)
        for saved in sorted((work.scratch / PROJECTION).iterdir()):
            folders[PROJECTION].append(f"{work.built(PROJECTION)}/{saved.name}")
            store.place.put(folders[PROJECTION][-1], saved.read_bytes())
        record = {
            "started": now(),
            "finished": now(),
            "photos": photos,
            "settings": settings.as_record(),
            "counts": counts,
            "cores": 1,
            "versions": _VERSIONS,
            "projection": projection_record(pca) | {"notes": []},
            "discriminant": discriminant_record(model),
            "labels": len({label for label in labels if label is not None}),
            "backbone": backbone,
            "photos_per_second": float(len(features)),
            "seconds": _SECONDS,
            "notes": [],
        }
        store.publish(work, record, Publication(folders, {MATRIX_CSV: None}))
    return store
