"""Verger: a folder of labelled fruit photos becomes a reduced feature matrix, on Apache Spark."""

from verger import _moved

__version__ = "0.1.0"

_moved.install()
