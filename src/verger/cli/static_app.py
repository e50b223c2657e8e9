"""`verger app`: the app without a server. No logic."""

from __future__ import annotations

import click

from verger.progress import reporter, tell
from verger.texts.numbers import plural


@click.command("app")
@click.argument("store")
@click.option(
    "--output",
    required=True,
    metavar="FOLDER",
    help="Where to write it: a new folder, an empty one, or one that holds an earlier app; or "
    "s3://bucket/folder.",
)
@click.option(
    "--budget",
    type=click.FloatRange(min=0, min_open=True),
    default=12.0,
    show_default=True,
    metavar="MB",
    help="Largest download for a phone; photos and thumbnails of the gallery are thinned out to "
    "fit.",
)
@click.option("--quiet", is_flag=True, help="Print errors only.")
def app_command(store: str, output: str, budget: float, quiet: bool) -> None:
    """Write the app that names a fruit without a server.

    FOLDER then holds static files that any web host can serve: the page, the network of STORE, the
    runtime that executes it in a browser, and the gallery. Photos are analysed on the phone and
    never leave it; after the first visit the app works offline. It contains labels and thumbnails
    from the gallery, but no path of a photo.
    """
    from verger.machine.extras import need

    need("serve", "verger app")
    from verger.app import export_app

    made = export_app(store, output, budget, reporter(quiet=quiet))
    if quiet:
        return
    all_of = "" if made.photos == made.of else f" of {made.of:,}"
    labels, photos, pictures = made.labels, made.photos, made.pictures
    tell(
        f"{output}: {made.files} files, {made.download / 1e6:.1f} MB to download; "
        f"{labels:,} label{plural(labels)}, {photos:,}{all_of} photo{plural(made.of)}, "
        f"{pictures:,} picture{plural(pictures)}."
    )
    tell(f"To try it: python3 -m http.server --directory {output}")
