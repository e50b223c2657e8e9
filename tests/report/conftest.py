"""What the tests of the report share."""

from browser import browser
from report_orchard import orchard, page

__all__ = ["browser", "orchard", "page"]
