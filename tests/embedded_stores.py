"""A STORE made without Spark: the same functions, called one after another."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from verger.embed import open_backbone
from verger.embed.features import Embedder, embed
from verger.gallery import build_gallery
from verger.photos.labels import labeller_from
from verger.projections.discriminant import fit_discriminant, save_discriminant
from verger.projections.moments import Moments, root_unit
from verger.projections.pca import fit_pca, save_pca
from verger.settings import RunSettings
from verger.storage.folder import LocalPlace
from verger.store.reader import RECORD_FORMAT
from verger.store.record import backbone_record


def build_store(
    photos: Path,
    store: Path,
    network: str = "efficientnet-lite0",
    views: tuple[int, ...] | None = None,
) -> None:
    """Embed the photos of a folder, and leave what `verger run` leaves for identification."""
    backbone = open_backbone(network, views=views)
    listed = LocalPlace(photos).list(labeller_from("parent", str(photos)))
    refs = sorted(listed, key=lambda ref: ref.path)
    read = lambda path: (photos / path).read_bytes()  # noqa: E731
    batches = list(embed(refs, Embedder(backbone, 4, 10**8), read, backbone.network()))
    table = pa.Table.from_batches([batch.features for batch in batches])
    (store / "features").mkdir(parents=True)
    pq.write_table(table, store / "features" / "part-00000.parquet", row_group_size=64)
    rows = np.asarray(table["features"].combine_chunks().flatten()).reshape(len(table), -1)
    labels = table["label"].to_pylist()
    save_pca(fit_pca(Moments.of(rows), 16), store / "projection")
    if len(set(labels)) > 1:
        model = fit_discriminant(Moments.of(root_unit(rows), labels), 0.3)
        save_discriminant(model, store / "projection")
    build_gallery(store / "features", store / "projection", store / "gallery")
    record = {
        "format": RECORD_FORMAT,
        "settings": RunSettings(backbone=backbone.card.name).as_record(),
        "backbone": backbone_record(backbone),
    }
    (store / "run.json").write_text(json.dumps(record))
