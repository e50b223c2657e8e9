"""What the tests of the report share."""

from report_orchard import orchard, page

__all__ = ["orchard", "page"]
