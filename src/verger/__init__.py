"""Verger: a folder of labelled fruit photos becomes a reduced feature matrix, on Apache Spark."""

__version__ = "0.1.0"
