"""STORE: what a run leaves behind, how it grows, and how it is published."""

from typing import TYPE_CHECKING

from verger import _moved
from verger.store.store import Store

__all__ = ["Store"]

if not TYPE_CHECKING:
    __getattr__ = _moved.names_of(__name__)  # `verger.store` was one module
