"""Write `notebooks/` anew: each language's text, run on the photos that Verger renders itself.

    python scripts/notebooks.py

Takes some minutes. Charts are kept in 256 colours, which is a third of their size.
"""

from __future__ import annotations

import base64
import io
import os
import tempfile
from pathlib import Path

import nbformat
from PIL import Image

from verger.demo import demo
from verger.notebook import filled, run_cells
from verger.progress import reporter
from verger.settings import RunSettings
from verger.texts import LANGUAGES

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"


def main() -> None:
    """Render, run, and write; paths in what is printed are those of the text."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        demo(Path("verger-demo"), reporter(quiet=False), RunSettings(report=False))
        for language in LANGUAGES:
            notebook = filled(language, {})
            run_cells(notebook)
            for cell in notebook.cells:
                cell.metadata.pop("execution", None)  # when each cell was run
                for output in cell.get("outputs", ()):
                    if png := output.get("data", {}).get("image/png"):
                        output["data"]["image/png"] = _fewer_colours(png)
            nbformat.write(notebook, FOLDER / f"verger.{language}.ipynb")


def _fewer_colours(png: str) -> str:
    image = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    out = io.BytesIO()
    image.quantize(256, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return base64.b64encode(out.getvalue()).decode()


if __name__ == "__main__":
    main()
