"""The matrix as one CSV file of the user's, where a run left none or none is wanted in STORE."""

from __future__ import annotations

from pathlib import Path

from verger.errors import StoreError, UsageError
from verger.photos.address import Address
from verger.progress import Reporter, Silent
from verger.storage.folder import LocalPlace
from verger.store.layout import MATRIX
from verger.store.store import Store
from verger.store.tables import write_csv
from verger.store.troubles import troubles_told


def export_csv(store: Store, output: str | Path, reporter: Reporter | None = None) -> int:
    """Write the matrix of a STORE to a new file of this machine; return its rows.

    The file is what a run writes as matrix.csv, byte for byte. It appears whole or not at all, and
    nothing in STORE is changed. Raises `UsageError` for an output that is there already or is no
    file of this machine, and `StoreError` where there is no finished run in STORE.
    """
    given = Address.of(output).file
    if given is None or str(output) == "-":
        hint = "Name a file to write, such as matrix.csv."
        raise UsageError(f"{output} is not a file on this machine.", hint=hint)
    file = given.absolute()
    if file.exists():
        raise UsageError(f"{output} already exists.", hint="Name another file, or remove it.")
    if not file.parent.is_dir():
        raise UsageError(f"There is no folder {file.parent}.", hint="Create it, or name another.")
    record = store.whole_run([MATRIX])
    rows, k = int(record["counts"]["embedded"]), int(record["projection"]["k"])
    with (
        troubles_told(store.root, str(file.parent)),
        (reporter or Silent()).stage("CSV", rows, "rows") as stage,
        LocalPlace(file.parent).incoming(file.name) as new,
    ):
        written = write_csv(store.place, store.table(MATRIX), new, k, stage.update)
        if written != rows:
            raise StoreError(
                f"The matrix of {store.root} changed while it was read.", hint="Run this again."
            )
    return rows
