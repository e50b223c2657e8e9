"""`verger demo`: the whole chain, on photos that it renders itself."""

from __future__ import annotations

from pathlib import Path

from verger.photos.render import render_orchard
from verger.pipeline import Outcome, run
from verger.progress import Reporter
from verger.settings import RunSettings


def demo(folder: Path, reporter: Reporter, settings: RunSettings) -> Outcome:
    """Render an orchard into `folder/photos`, and run the chain on it into `folder/store`."""
    with reporter.stage("Rendering", None, "photos") as stage:
        render_orchard(folder / "photos", on_photo=lambda done, _total: stage.update(done))
    return run(folder / "photos", folder / "store", settings, reporter)
