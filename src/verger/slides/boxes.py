"""Where things stand on a slide; all lengths are inches."""

from __future__ import annotations

from typing import NamedTuple

WIDE, HIGH = 13.333, 7.5
LEFT, TOP, RIGHT, BOTTOM = 0.6, 1.62, 12.733, 6.85


class Box(NamedTuple):
    """Where something stands."""

    left: float
    top: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """Its right edge."""
        return self.left + self.width

    @property
    def bottom(self) -> float:
        """Its lower edge."""
        return self.top + self.height

    def inside(self, across: float, down: float | None = None) -> Box:
        """Return the box that lies within it, at that distance from its edges."""
        down = across if down is None else down
        return Box(
            self.left + across, self.top + down, self.width - 2 * across, self.height - 2 * down
        )

    def beside(self, width: float, gap: float = 0.4) -> tuple[Box, Box]:
        """Divide it into a left part of that width, and what is right of it after a gap."""
        one = self._replace(width=width)
        return one, self._replace(left=one.right + gap, width=self.right - one.right - gap)

    def above(self, height: float, gap: float = 0.0) -> tuple[Box, Box]:
        """Divide it into an upper part of that height, and what is below it after a gap."""
        one = self._replace(height=height)
        return one, self._replace(top=one.bottom + gap, height=self.bottom - one.bottom - gap)


BODY = Box(LEFT, TOP, RIGHT - LEFT, BOTTOM - TOP)
TITLE = Box(LEFT, 0.42, RIGHT - LEFT, 1.0)


def columns(box: Box, count: int, gap: float = 0.3) -> list[Box]:
    """Divide a box into equal columns."""
    wide = (box.width - gap * (count - 1)) / count
    return [Box(box.left + (wide + gap) * at, box.top, wide, box.height) for at in range(count)]


def rows(box: Box, count: int, gap: float = 0.2) -> list[Box]:
    """Divide a box into equal rows."""
    high = (box.height - gap * (count - 1)) / count
    return [Box(box.left, box.top + (high + gap) * at, box.width, high) for at in range(count)]
