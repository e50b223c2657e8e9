"""`verger demo`: photos that it renders itself, and the whole chain on them.

`verger prepare` takes a few of them to make Spark start faster.
"""

from __future__ import annotations

from pathlib import Path

from verger.demo.render import render_new, render_orchard
from verger.pipeline import Outcome, run
from verger.progress import Reporter
from verger.settings import RunSettings


def demo(folder: Path, reporter: Reporter, settings: RunSettings) -> tuple[Outcome, list[Path]]:
    """Render an orchard into `folder/photos`, and run the chain on it into `folder/store`.

    Returns the outcome, and photos in `folder/new` that the run has not seen.
    """
    with reporter.stage("Rendering", None, "photos") as stage:
        render_orchard(folder / "photos", on_photo=stage.update)
        new = render_new(folder / "new")
    return run(folder / "photos", folder / "store", settings, reporter), new


def prepare(folder: Path, reporter: Reporter) -> None:
    """Make Spark start faster on this machine from now on.

    Runs the chain once on a few photos rendered into `folder`, and has Java keep the classes that
    it loaded.
    """
    from verger.spark import session

    render_orchard(folder / "photos", varieties=2, views=2, test_views=1)
    settings = RunSettings(report=False)
    reporter.say("Java keeps the classes that Spark loads; this takes about half a minute, once.")
    with session.session(settings, archive=True):
        run(folder / "photos", folder / "store", settings)
