"""Draw `docs/howto/aws.svg` and `aws.fr.svg`: what runs where, and who speaks to whom.

    python scripts/draw_cloud.py            writes both
    python scripts/draw_cloud.py --check    changes nothing; exits 1 if one is stale

Colours follow the reader's light or dark scheme, on a ground of the drawing's own.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "howto"
_WIDTH, _HEIGHT = 1080, 640
_STYLE = """
svg { font-family: system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
.ground { fill: #ffffff; }
.frame { fill: #f3f6f1; stroke: #8a9a80; stroke-width: 1.5; stroke-dasharray: 6 4; }
.box { fill: #ffffff; stroke: #4c6a3d; stroke-width: 1.5; }
.yours { fill: #fdf1dc; stroke: #a66a00; }
.fence { fill: #fde8e4; stroke: #a8321f; }
.title { fill: #1d2a16; font-size: 15px; font-weight: 600; }
.line { fill: #3c4a35; font-size: 13px; }
.way { fill: none; stroke: #35507a; stroke-width: 2; }
.tip { fill: #35507a; }
.said { fill: #24406b; font-size: 13px; font-weight: 600; text-anchor: middle; paint-order: stroke;
  stroke: #f3f6f1; stroke-width: 5px; }
.outside { stroke: #ffffff; }
.side { text-anchor: start; }
@media (prefers-color-scheme: dark) {
  .ground { fill: #12170f; }
  .frame { fill: #1a2116; stroke: #7d8f72; }
  .box { fill: #232c1e; stroke: #9dbb8b; }
  .yours { fill: #33270f; stroke: #e0ac4f; }
  .fence { fill: #3a1c17; stroke: #ef8d7c; }
  .title { fill: #f0f4ec; }
  .line { fill: #cdd7c6; }
  .way { stroke: #9dbcf0; }
  .tip { fill: #9dbcf0; }
  .said { fill: #c4d8fb; stroke: #1a2116; }
  .outside { stroke: #12170f; }
}
"""

# What is written on it, in both languages: in the order of `_drawing`.
TEXTS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "aws.svg": {
        "name": ["From a laptop to AWS and back", "Verger makes two stacks, runs, deletes them."],
        "laptop": ["Your laptop", "verger cloud plan", "verger cloud run", "verger cloud status",
                   "verger cloud ui", "", "may sleep meanwhile"],
        "aws": ["Your AWS account, one region (eu-west-1)"],
        "stacks": ["CloudFormation", "ID-base, ID-job:", "made, then deleted"],
        "roles": ["IAM roles", "by prefix; no keys,", "no administrator"],
        "clock": ["Step Functions", "starts and ends it,", "laptop on or off"],
        "alarm": ["Budget", "alarm by e-mail"],
        "compute": ["One of three; no port is open"],
        "ec2": ["EC2", "one server"],
        "emr": ["EMR", "a cluster"],
        "serverless": ["EMR Serverless", "no server to look after"],
        "ssm": ["Session Manager", "brings the Spark UI", "to your browser"],
        "scratch": ["S3: scratch", "wheels or archive,", "logs, result.json;",
                    "deleted at the end"],
        "photos": ["S3: PHOTOS", "yours; read only"],
        "store": ["S3: STORE", "yours; matrix,", "features, gallery"],
        "ways": ["1 stacks", "2 sends", "makes", "may", "starts, ends", "reads", "writes",
                 "3 fetches, logs", "4 progress", "ui"],
    },
    "aws.fr.svg": {
        "name": ["Du portable à AWS et retour", "Verger crée deux piles, calcule, les supprime."],
        "laptop": ["Votre portable", "verger cloud plan", "verger cloud run", "verger cloud status",
                   "verger cloud ui", "", "peut dormir pendant", "ce temps"],
        "aws": ["Votre compte AWS, une région (eu-west-1)"],
        "stacks": ["CloudFormation", "ID-base, ID-job :", "créées, puis supprimées"],
        "roles": ["Rôles IAM", "par préfixe ; ni clés,", "ni administrateur"],
        "clock": ["Step Functions", "le lance et l'arrête,", "portable éteint ou non"],
        "alarm": ["Budget", "alerte par courriel"],
        "compute": ["L'un des trois ; aucun port ouvert"],
        "ec2": ["EC2", "un serveur"],
        "emr": ["EMR", "un cluster"],
        "serverless": ["EMR Serverless", "aucun serveur à gérer"],
        "ssm": ["Session Manager", "amène l'interface Spark", "dans votre navigateur"],
        "scratch": ["S3 : temporaire", "paquets ou archive,", "journaux, result.json ;",
                    "supprimé à la fin"],
        "photos": ["S3 : PHOTOS", "à vous ; lues", "seulement"],
        "store": ["S3 : STORE", "à vous ; matrice,", "caractéristiques, galerie"],
        "ways": ["1 piles", "2 envoie", "crée", "peut", "lance, arrête", "lit", "écrit",
                 "3 prend, journaux", "4 avancement", "ui"],
    },
}  # fmt: skip


def drawing(texts: Mapping[str, Sequence[str]]) -> str:
    """Return the drawing as SVG."""
    title, what = texts["name"]
    ways = texts["ways"]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        'aria-labelledby="t d">',
        f'<title id="t">{escape(title)}</title>',
        f'<desc id="d">{escape(what)}</desc>',
        f"<style>{_STYLE}</style>",
        '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" '
        'markerHeight="7" orient="auto-start-reverse"><path class="tip" d="M0 0 10 5 0 10z"/>'
        "</marker></defs>",
        f'<rect class="ground" width="{_WIDTH}" height="{_HEIGHT}" rx="12"/>',
        _box("frame", 300, 20, 760, 600, texts["aws"]),
        _box("frame", 550, 205, 496, 195, texts["compute"]),
        _box("box yours", 20, 200, 180, 200, texts["laptop"]),
        _box("box", 330, 62, 190, 84, texts["stacks"]),
        _box("box fence", 550, 62, 160, 84, texts["roles"]),
        _box("box fence", 726, 62, 164, 84, texts["clock"]),
        _box("box fence", 906, 62, 140, 84, texts["alarm"]),
        _box("box", 330, 258, 190, 84, texts["ssm"]),
        _box("box", 570, 245, 218, 60, texts["ec2"]),
        _box("box", 808, 245, 218, 60, texts["emr"]),
        _box("box", 570, 322, 456, 60, texts["serverless"]),
        _box("box", 330, 480, 190, 116, texts["scratch"]),
        _box("box yours", 550, 496, 232, 84, texts["photos"]),
        _box("box yours", 814, 496, 232, 84, texts["store"]),
        _way("M110 200 V104 H328", ways[0], 250, 92, "said outside"),
        _way("M80 400 V565 H328", ways[1], 230, 588, "said outside"),
        _way("M328 510 H150 V402", ways[8], 222, 498, "said outside"),
        _way("M425 146 V176 H570 V203", ways[2], 482, 194),
        _way("M640 146 V203", ways[3], 650, 184, "said side"),
        _way("M808 146 V203", ways[4], 818, 184, "said side"),
        _way("M666 496 V402", ways[5], 676, 455, "said side"),
        _way("M930 402 V494", ways[6], 940, 455, "said side"),
        _way("M575 402 V430 H425 V478", ways[7], 492, 420, both=True),
        _way("M202 300 H328", ways[9], 250, 290, "said outside", both=True),
        _way("M520 300 H548", "", 0, 0, both=True),
    ]
    return "\n".join(parts) + "\n</svg>\n"


def _box(kind: str, x: int, y: int, width: int, height: int, texts: Sequence[str]) -> str:
    lines = [f'<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{height}" rx="8"/>']
    for number, text in enumerate(texts):
        style, below = ("title", 24) if number == 0 else ("line", 26 + 19 * number)
        lines.append(f'<text class="{style}" x="{x + 12}" y="{y + below}">{escape(text)}</text>')
    return "".join(lines)


def _way(path: str, said: str, x: int, y: int, style: str = "said", *, both: bool = False) -> str:
    start = ' marker-start="url(#tip)"' if both else ""
    text = f'<text class="{style}" x="{x}" y="{y}">{escape(said)}</text>'
    return f'<path class="way" d="{path}" marker-end="url(#tip)"{start}/>{text if said else ""}'


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the drawings, or check them; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if stale")
    options = parser.parse_args(arguments)
    stale = False
    for name, texts in TEXTS.items():
        file, made = FOLDER / name, drawing(texts)
        if not options.check:
            file.write_text(made, encoding="utf-8")
        elif not file.is_file() or file.read_text(encoding="utf-8") != made:
            print(f"{file} is stale: run `make docs`.", file=sys.stderr)
            stale = True
    return int(stale)


if __name__ == "__main__":
    sys.exit(main())
