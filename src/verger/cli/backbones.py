"""`verger backbones …`: what networks there are, and others made into one. No logic."""

from __future__ import annotations

import json
import typing
from pathlib import Path

import click

from verger.cli.helping import Commands
from verger.errors import BackboneError
from verger.progress import reporter, show, tell
from verger.settings import DEFAULT_BACKBONE
from verger.texts.command import say

if typing.TYPE_CHECKING:
    from verger.embed import Backbone


@click.group("backbones", cls=Commands, invoke_without_command=True)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Also list the .onnx files of this folder.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the cards as JSON, on stdout.")
@click.pass_context
def backbones(context: click.Context, folder: Path | None, as_json: bool) -> None:
    """List the networks for `run --backbone`, with their cards.

    A card gives the size of the file, the number of features, the views of a photo (224/256: a
    square of 224 pixels, cut from the photo resized to a shorter side of 256) and the licence; the
    speed of the network alone relative to the default one, if measured; and for an 8-bit network,
    how close its features are to those of the float32 one.
    """
    from verger.embed import open_backbone
    from verger.embed.backbone import shipped_names

    if context.invoked_subcommand is not None:
        return
    names = shipped_names() + sorted(map(str, folder.glob("*.onnx") if folder else ()))
    records, lines = [], []
    for name in names:
        try:
            backbone = open_backbone(name)
        except BackboneError as error:  # one of the folder's
            records.append({"name": Path(name).stem, "refused": error.what})
            lines += [name, f"  cannot be used: {error.what}"]
        else:
            records.append(backbone.card.as_record())
            lines += _lines(name, backbone)
    if as_json:
        show(json.dumps(records, indent=2))
    else:
        tell("\n".join(lines))


def _lines(name: str, backbone: Backbone) -> list[str]:
    card = backbone.card
    default = say(" (default)") if name == DEFAULT_BACKBONE else ""
    facts = [
        f"{len(backbone.model()) / 1e6:.1f} MB",
        f"{card.features:,} features",
        f"{say('views')} {card.input.framing}",
        f"{say('licence')} {card.license}",
    ]
    if card.speed is not None:
        facts.append(f"{card.speed:.2f} × as fast as {DEFAULT_BACKBONE}")
    lines = [f"{name}{default}", f"  {', '.join(facts)}"]
    if card.description:
        lines.append(f"  {card.description}")
    if kept := card.loses:
        lines.append(
            f"  int8: cosine of features {kept.mean_cosine:.4f} (least {kept.least_cosine:.4f}), "
            f"nearest photo kept {kept.nearest_neighbours_kept:.1%}; {kept.measured_on}"
        )
    return lines + [f"  {note}" for note in backbone.notes]


@backbones.command("export")
@click.argument("source")
@click.option(
    "--output",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.onnx",
    help="The file to write; its card, FILE.json, goes beside it.",
)
@click.option(
    "--int8",
    metavar="PHOTOS",
    help="Quantise it to 8 bits, calibrated on these photos: a folder or a bucket.",
)
@click.option(
    "--image-size",
    type=int,
    metavar="PIXELS",
    help="Side of the photos (default: what the network was made for).",
)
@click.option(
    "--architecture",
    metavar="NAME",
    help="Architecture of the weights in FILE.pth, by its timm name.",
)
@click.option(
    "--pixels",
    metavar="MEAN/SPREAD",
    help="Normalisation that the weights expect of pixels from 0 to 255: minus MEAN, divided by "
    "SPREAD; one number each, or one for each of red, green and blue (default: as timm "
    "says).",
)
@click.option("--overwrite", is_flag=True, help="Replace the files if they exist.")
@click.option("--quiet", is_flag=True, help="Print errors only.")
def export_command(source: str, output: Path, quiet: bool, **options: typing.Any) -> None:
    """Make SOURCE into a network that `run --backbone FILE.onnx` takes.

    SOURCE is timm:NAME, a FILE.pth with the weights of a network of timm, or a FILE.onnx. What is
    written takes photos as they are, with the normalisation and the pooling inside, and gives the
    same features as SOURCE, to 1e-4 of the largest; that is checked.

    With --int8 it is quantised: the network alone is 1.5 to 2.5 times as fast, and a quarter of the
    size. Of PHOTOS, up to 400 are taken to calibrate it, and up to 300 others to measure what it
    keeps, which its card tells.

    Needs the extra `export`.
    """
    from verger.embed import Backbone
    from verger.embed.conversion import export

    made = export(source, output, reporter(quiet=quiet), **options)
    for note in made.notes:
        tell(note, err=True)
    if not quiet:
        tell("\n".join(_lines(str(made.file), Backbone(made.card, made.file.resolve()))))
        same = f"differ by {made.difference:.0e} at most" if made.difference else "are the same"
        tell(f"  Checked: features of the float32 network {same}.")
