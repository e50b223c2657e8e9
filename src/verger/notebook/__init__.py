"""`verger notebook`: the chain step by step, as a Jupyter notebook for one STORE.

The text is a program in the percent format, `verger.en.py`; what it says in French is in the
catalogue.
Only the cell that is tagged `parameters` differs from one STORE to another.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from verger.embed.card import views_of
from verger.errors import PhotosError, StoreError, UsageError
from verger.machine.extras import need
from verger.machine.folders import scratch_folder
from verger.photos.address import WEB, Address
from verger.progress import Reporter, Silent
from verger.settings import parse_components
from verger.storage.place import place_of, source_of
from verger.store.language import language_of
from verger.store.store import Store
from verger.texts.catalogue import notebook_cells, said

if TYPE_CHECKING:
    from nbformat import NotebookNode

SUFFIXES = (".ipynb", ".py")
_TAG = "parameters"
_SECONDS_A_CELL = 3600


def program(language: str) -> NotebookNode:
    """Return the notebook: one program, whose texts are in the language."""
    notebook: NotebookNode = _jupytext().reads(_read("verger.en.py"), fmt="py:percent")
    if language == "fr":
        texts = iter(notebook_cells())
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = next(texts)
                continue
            for english, french in said("notebook", language).items():
                cell.source = cell.source.replace(english, french)
    return notebook


def _read(name: str) -> str:
    return (files("verger.notebook") / name).read_text(encoding="utf-8")


def write_notebook(
    store_root: str | Path,
    file: Path,
    *,
    photos: str | None = None,
    language: str | None = None,
    overwrite: bool = False,
    execute: bool = False,
    reporter: Reporter | None = None,
) -> None:
    """Write the notebook for a STORE to `file`, `.ipynb` or `.py`.

    `photos` is where the photos are; the run record says it where this does not. `execute` runs it
    first, and keeps what its cells give. `language` is one of `texts.LANGUAGES`, or None for that
    in which STORE is shown. Raises `StoreError` where STORE has no finished run or the file cannot
    be written, and `UsageError` for a file that is there already, a wrong name, a
    missing library, or a cell that fails.
    """
    if file.suffix not in SUFFIXES:
        raise UsageError(f"{file}: a notebook's name ends in {' or '.join(SUFFIXES)}.")
    if execute and file.suffix != ".ipynb":
        raise UsageError(f"{file} cannot hold what cells give.", hint="Name a file in .ipynb.")
    if file.exists() and not overwrite:
        raise UsageError(f"{file} already exists.", hint="--overwrite replaces it, or use --to.")
    _need()
    store = Store(store_root)
    record = store.whole_run()
    notebook = filled(language or language_of(store), _parameters(record, store_root, photos))
    if execute:
        run_cells(notebook, reporter)
    try:
        form = "ipynb" if file.suffix == ".ipynb" else "py:percent"
        file.write_text(_jupytext().writes(notebook, fmt=form), encoding="utf-8")
    except OSError as error:
        raise StoreError(f"Cannot write {file}: {error.strerror or error}.") from None


def filled(language: str, parameters: Mapping[str, object]) -> NotebookNode:
    """Return the notebook with these parameters.

    Values are written as Python literals, so that no name of a folder can become code.
    """
    notebook = program(language)
    cell = next(one for one in notebook.cells if _TAG in one.metadata.get("tags", ()))
    lines = cell.source.splitlines()
    for at, line in enumerate(lines):
        name = line.partition(" = ")[0]
        if name in parameters:
            lines[at] = f"{name} = {parameters[name]!r}"
    cell.source = "\n".join(lines)
    return notebook


def _parameters(
    record: Mapping[str, Any], store_root: str | Path, photos: str | None
) -> dict[str, object]:
    """Return what is known of a run; folders of this machine from the root on."""
    given = photos or str(record["photos"])
    if Address.of(given).scheme in WEB:
        source_of(given)  # refuses what can be no address of a list
        where = given  # a query is part of it, where one is given here
    else:
        place = place_of(given, PhotosError)
        if place.is_empty() is None:
            hint = "" if photos else "--photos says where the photos are now."
            raise PhotosError(f"{given} does not exist.", hint=hint)
        where = str(place.absolute())
    backbone, made = str(record["settings"]["backbone"]), record["backbone"]
    return {
        "PHOTOS": where,
        "STORE": str(Store(store_root).place),
        "BACKBONE": str(Path(backbone).absolute()) if backbone.endswith(".onnx") else backbone,
        "IMAGE_SIZE": made["image_size"],
        "VIEWS": list(views_of(made)),
        "KEEP": parse_components(str(record["settings"]["components"])),
        "STANDARDIZE": bool(record["settings"]["standardize"]),
    }


def run_cells(notebook: NotebookNode, reporter: Reporter | None = None) -> None:
    """Run the cells in a kernel of this Python, reached through a socket file; keep what they give.

    Raises `UsageError` where a cell fails, and where a library is missing.
    """
    _need()
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    with scratch_folder() as folder:
        manager = AsyncKernelManager(
            kernel_name="python3",
            # None but ipykernel's own: one that a user installed may be of another Python.
            kernel_spec_manager=KernelSpecManager(kernel_dirs=[]),
            transport="ipc",
            connection_file=f"{folder}/kernel.json",
        )
        client = NotebookClient(notebook, km=manager, timeout=_SECONDS_A_CELL)
        total = len(notebook.cells)
        try:
            with (reporter or Silent()).stage("Notebook", total, "cells") as stage:

                def told(cell_index: int, **_: object) -> None:
                    stage.update(cell_index + 1)

                client.on_cell_complete = told
                client.execute()
        except CellExecutionError as error:
            what = f"A cell of the notebook failed: {error.ename}: {error.evalue}"
            raise UsageError(what.splitlines()[0]) from None


def _jupytext() -> Any:
    _need()
    import jupytext

    return jupytext


def _need() -> None:
    need("notebook", "A notebook")
