"""The gallery that is served, and the next one as soon as a run has published it."""

from __future__ import annotations

import logging
from typing import Any

from verger.errors import VergerError
from verger.gallery.identify import Identifier
from verger.serve.assets import Asset
from verger.serve.varieties import Catalogue
from verger.store.store import Store

_log = logging.getLogger(__name__)


class Shown:
    """One gallery as it is served: a request keeps to the one that it began with."""

    def __init__(self, identifier: Identifier) -> None:
        self.identifier = identifier
        self.catalogue = Catalogue(identifier.gallery, max(identifier.framing.views))
        listed = self.catalogue.labels.model_dump_json().encode()
        self.labels = Asset(listed, "application/json")


class Current:
    """What is served now. `renew` is called from one thread; `shown` is read from any."""

    def __init__(self, store: str, max_pixels: int, threads: int = 1) -> None:
        """Open a STORE, for a photo that is alone to take so many threads.

        Raises `StoreError` or `BackboneError` where it cannot be served.
        """
        self._store = store
        self._max_pixels = max_pixels
        self._threads = threads
        self._record: dict[str, Any] | None = None
        self._said = ""
        self.shown = self._opened()

    def renew(self) -> bool:
        """Serve what a run has published since, if any; say whether there was something new.

        While it cannot be opened, the old gallery stays, and the log says why, once.
        """
        try:
            record = Store(self._store).record()
            if record is None or record == self._record:
                return False
            self.shown = self._opened()
        except (VergerError, OSError) as error:
            if str(error) != self._said:
                _log.warning("what was served before is served on: %s", error)
            self._said = str(error)
            return False
        self._said = ""
        return True

    def _opened(self) -> Shown:
        record = Store(self._store).record()  # first: what is published meanwhile is seen next time
        shown = Shown(Identifier.open(self._store, self._max_pixels, self._threads))
        self._record = record
        return shown
