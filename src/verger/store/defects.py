"""What is damaged in a STORE, told in a line: where, what, and how to mend it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pyarrow as pa

from verger.errors import StoreError, named
from verger.photos.references import STORE_MARK
from verger.storage.place import Place
from verger.store.layout import CORRECTIONS, FEATURES, RECORD, REJECTS
from verger.texts.command import say

MISSING = "is missing"
_EMBED_AGAIN = "Restore a copy, or `verger run PHOTOS STORE --overwrite` embeds all photos again."
_REDUCE_AGAIN = "`verger reduce STORE` makes it again."


class Finding(NamedTuple):
    """One thing that is wrong in a STORE: where (a path in it), what, and what mends it."""

    where: str
    what: str
    remedy: str

    def error(self, store: str, besides: int = 0) -> StoreError:
        """Return it as an error; `besides` says how many other findings there are."""
        more = f" (and {besides} more: `verger verify STORE` names them)" if besides else ""
        what = f"{say(self.what)}{say(more)}"
        return StoreError(f"{store}/{self.where} {what}.", hint=self.remedy)


def finding(path: str, what: str) -> Finding:
    """Say what is wrong with a file of a STORE."""
    top = path.split("/")[0]
    if top == STORE_MARK:
        remedy = "Run again." if what == MISSING else "Delete it, and run again."
        return Finding(path, what, remedy)
    needs_photos = top in (FEATURES, REJECTS, RECORD, CORRECTIONS)
    return Finding(path, what, _EMBED_AGAIN if needs_photos else _REDUCE_AGAIN)


@contextmanager
def damage_told(place: Place, path: str) -> Iterator[None]:
    """Tell a Parquet file that cannot be read as a `StoreError`; what a disk refuses goes on."""
    try:
        with named(f"{place}/{path}"):
            yield
    except FileNotFoundError:
        raise finding(path, MISSING).error(str(place)) from None
    except (pa.ArrowException, OSError, ValueError, KeyError, IndexError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # Arrow's own, of what it has read, have no number
        what = f"cannot be read as a table ({error})"
        raise finding(path, what).error(str(place)) from None
