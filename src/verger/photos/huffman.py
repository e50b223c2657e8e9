"""The codes of a JPEG's scan, followed one by one, tell whether they end where its data do.

A decoder of pictures does not tell. This one is slow, and is asked only where zeros that may be a
plain area may be a hole as well: then the rest comes out of step, and data are missing or left.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

_MOST_CODES = 2_000_000  # followed; about a second
_SLACK = 2  # bytes that may be left


class Table(NamedTuple):
    """A Huffman table: how many codes of each length from 1 to 16, and what they mean."""

    counts: bytes
    symbols: bytes

    def lookup(self) -> list[tuple[int, int]]:
        """Return for each 16 bits to come the length of the code and its meaning; (0, 0): none."""
        found: list[tuple[int, int]] = []
        symbols = iter(self.symbols)
        for length, count in enumerate(self.counts, 1):
            for _, symbol in zip(range(count), symbols, strict=False):
                found += [(length, symbol)] * (1 << (16 - length))
        return (found + [(0, 0)] * (0x10000 - len(found)))[:0x10000]


class Block(NamedTuple):
    """A block of a unit: its tables for DC and, where its other coefficients are there, for AC."""

    dc: Table
    ac: Table | None


def fits(data: bytes, unit: Sequence[Block], units: int) -> bool:
    """Say whether the data of a scan hold so many units; True where that takes too long to tell."""
    plain = data.replace(b"\xff\0", b"\xff")
    size, at, codes = 8 * len(plain), 0, 0
    tables = {table: table.lookup() for block in unit for table in block if table}
    blocks = [(tables[block.dc], tables[block.ac] if block.ac else None) for block in unit]
    read = plain + bytes(4)
    for _ in range(units):
        for dc, ac in blocks:
            place = at >> 3
            bits = int.from_bytes(read[place : place + 3], "big") >> (8 - (at & 7)) & 0xFFFF
            length, symbol = dc[bits]
            at += length + symbol
            coefficient, codes = 1, codes + 1
            while ac and length and coefficient < 64 and at <= size:
                place = at >> 3
                bits = int.from_bytes(read[place : place + 3], "big") >> (8 - (at & 7)) & 0xFFFF
                length, symbol = ac[bits]
                at += length + (symbol & 15)
                coefficient += (symbol >> 4) + 1 if symbol else 64
                codes += 1
            if at > size or not length:
                return False
        if codes > _MOST_CODES:
            return True
    return len(plain[at >> 3 :].rstrip(b"\0\xff")) <= _SLACK
