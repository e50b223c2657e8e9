"""Slides show what a report tells, so the same orchard serves."""

from report_orchard import orchard

__all__ = ["orchard"]
