"""STORE, what a run leaves behind: its files and tables, and how they grow.

A run works aside and then publishes: while there is a record, all beside it belongs together.
"""

from typing import TYPE_CHECKING

from verger import _moved

if not TYPE_CHECKING:
    __getattr__ = _moved.names_of(__name__)  # `verger.store` was one module
