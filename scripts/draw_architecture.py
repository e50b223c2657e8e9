"""Draw `docs/architecture.svg`: the rooms of `src/verger` and what they import, from the code.

    python scripts/draw_architecture.py            writes it
    python scripts/draw_architecture.py --check    changes nothing; exits 1 if it is stale

Which rooms there are and which may import Spark is read in `pyproject.toml`, what a room is for in
its docstring, who imports whom in the code. A line joins a room to one below that imports it; lines
that follow from others (a to b, b to c: so a to c) are left out, and so are those of the ground,
which would join it to almost everything.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import io
import sys
import textwrap
import tomllib
from bisect import bisect
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import grimp  # comes with import-linter

REPOSITORY = Path(__file__).resolve().parent.parent
PICTURE = REPOSITORY / "docs" / "architecture.svg"
GROUND = ("errors", "texts", "machine", "settings", "progress")
_WIDTH, _TOP, _BOX, _HIGH, _STEP, _PASS, _PORT = 1240, 72, 222, 84, 128, 14, 24
_MOST_A_ROW = 4
_STYLE = """
svg { font-family: system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
.ground { fill: #ffffff; }
.band { fill: #f3f6f1; }
.box { fill: #ffffff; stroke: #4c6a3d; stroke-width: 1.5; }
.owns { fill: #fdf1dc; stroke: #a66a00; }
.name { fill: #1d2a16; font-size: 15px; font-weight: 600;
  font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
.line { fill: #3c4a35; font-size: 12px; }
.said { fill: #55634d; font-size: 13px; }
.owned { fill: #8a5800; font-size: 12px; font-weight: 600; text-anchor: end; }
.way { fill: none; stroke: #7f9b70; stroke-linecap: round; }
@media (prefers-color-scheme: dark) {
  .ground { fill: #12170f; }
  .band { fill: #1a2116; }
  .box { fill: #232c1e; stroke: #9dbb8b; }
  .owns { fill: #33270f; stroke: #e0ac4f; }
  .name { fill: #f0f4ec; }
  .line { fill: #cdd7c6; }
  .said { fill: #a9b7a0; }
  .owned { fill: #e9bf72; }
  .way { stroke: #6f8d60; }
}
"""

_Place = tuple[int, str]  # row, and room or line
_Link = tuple[_Place, _Place]
Imports = Mapping[tuple[str, str], int]  # (who imports, what is imported) -> by how many lines


@dataclass(frozen=True)
class Room:
    """A package or a module alone, right below `verger`; `owns` what only it may import."""

    name: str
    title: str
    purpose: str
    owns: str = ""


def rooms() -> list[Room]:
    """Return the rooms, from the ground to the command line."""
    contracts = _config()["contracts"]
    layers = next(rule["layers"] for rule in contracts if rule["type"] == "layers")
    owners = {
        importer.removeprefix("verger."): rule["protected_modules"][0]
        for rule in contracts
        if rule["type"] == "protected"
        for importer in rule["allowed_importers"]
    }
    found = []
    for name in reversed([layer for layer in layers if not layer.startswith("_")]):
        package = REPOSITORY / "src" / "verger" / name / "__init__.py"
        file = package if package.is_file() else package.parent.with_suffix(".py")
        text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
        title = f"{name}/" if file is package else f"{name}.py"
        purpose = text.partition("\n\n")[0].replace("`", "").replace("\n", " ")
        found.append(Room(name, title, purpose, owners.get(name, "")))
    return found


def imports(of: Sequence[Room]) -> Imports:
    """Count the imports between rooms."""
    with contextlib.redirect_stderr(io.StringIO()):  # grimp says that it passes over notebooks
        graph = grimp.build_graph("verger", exclude_type_checking_imports=True, cache_dir=None)
    known = {room.name for room in of}
    counted: Counter[tuple[str, str]] = Counter()
    for module in graph.modules:
        for target in graph.find_modules_directly_imported_by(module):
            pair = (_room(module), _room(target))
            if pair[0] != pair[1] and known.issuperset(pair):
                counted[pair] += 1
    return counted


def drawn_lines(counted: Imports) -> dict[tuple[str, str], int]:
    """Return the imports that do not follow from others, those of the ground apart."""
    ways = {pair: count for pair, count in counted.items() if not set(GROUND) & set(pair)}
    below: dict[str, set[str]] = {}
    for who, what in ways:
        below.setdefault(who, set()).add(what)

    def reached(who: str) -> set[str]:
        return set().union(*({what} | reached(what) for what in below.get(who, ())))

    return {
        (who, what): count
        for (who, what), count in ways.items()
        if not any(what in reached(other) for other in below[who] - {what})
    }


def rows_of(of: Sequence[Room], ways: Imports) -> list[list[str]]:
    """Return the rooms row by row: each right above the first that imports it, or at the bottom.

    Where a row is full, what may stand higher does. A line that passes a row has a place in it,
    named by its ends.
    """
    users: dict[str, list[str]] = {}
    used: dict[str, list[str]] = {}
    for who, what in ways:
        users.setdefault(what, []).append(who)
        used.setdefault(who, []).append(what)

    def height(name: str) -> int:
        return 1 + max((height(user) for user in users.get(name, ())), default=-1)

    names = [room.name for room in of if room.name not in GROUND]
    top = max(map(height, names))
    row_of = {name: top - height(name) for name in names}
    for row in range(top, 0, -1):
        here = [name for name in names if row_of[name] == row]
        free = [n for n in here if all(row_of[what] < row - 1 for what in used.get(n, ()))]
        for name in free[: max(len(here) - _MOST_A_ROW, 0)]:
            row_of[name] = row - 1
    rows: list[list[str]] = [[] for _ in range(top + 1)]
    for name in names:
        rows[row_of[name]].append(name)
    for who, what in sorted(ways):
        for row in range(row_of[what] + 1, row_of[who]):
            rows[row].append(f"{what}>{who}")
    return rows


def steps_of(way: tuple[str, str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the places that a line goes through, from above."""
    who, what = way
    passed = [f"{what}>{who}"] * sum(f"{what}>{who}" in row for row in rows)
    return [what, *passed, who]


def places(rows: list[list[str]], ways: Imports) -> dict[_Place, float]:
    """Return the middle of each place: rows are put in the order in which lines are shortest."""
    row_of = {name: number for number, row in enumerate(rows) for name in row if ">" not in name}
    links: list[_Link] = []
    for way in sorted(ways):
        steps = steps_of(way, rows)
        first = row_of[way[1]]
        links += [((first + i, a), (first + i + 1, b)) for i, (a, b) in enumerate(pairwise(steps))]
    at = {place: x for number, row in enumerate(rows) for place, x in _spread(number, row)}
    for _ in range(6):
        for number in [*range(len(rows)), *reversed(range(len(rows)))]:
            near = [pair for pair in links if number in (pair[0][0], pair[1][0])]
            rows[number] = _best(rows[number], partial(_length, number, near, at))
            at |= dict(_spread(number, rows[number]))
    return at


def _best(row: list[str], length: Callable[[Sequence[str]], float]) -> list[str]:
    """Return the row after the swaps that make its lines shorter, until none does."""
    while True:
        tried = [row]
        for i, j in combinations(range(len(row)), 2):
            other = list(row)
            other[i], other[j] = other[j], other[i]
            tried.append(other)
        best = min(tried, key=length)
        if length(best) >= length(row):
            return row
        row = best


def _length(
    number: int, near: Sequence[_Link], at: Mapping[_Place, float], order: Sequence[str]
) -> float:
    """Say how long lines are if a row stands in this order."""
    tried = {**at, **dict(_spread(number, order))}
    return sum((tried[a] - tried[b]) ** 2 for a, b in near)


def _spread(number: int, row: Sequence[str]) -> list[tuple[_Place, float]]:
    widths = [_PASS if ">" in name else _BOX for name in row]
    gap = min((_WIDTH - 40 - sum(widths)) / (len(row) + 1), 48.0)
    x = (_WIDTH - sum(widths) - gap * (len(row) - 1)) / 2
    spread = []
    for name, width in zip(row, widths, strict=True):
        spread.append(((number, name), x + width / 2))
        x += width + gap
    return spread


def drawing(of: Sequence[Room], counted: Imports) -> str:
    """Return the drawing as SVG."""
    ways = drawn_lines(counted)
    rows = rows_of(of, ways)
    at = places(rows, ways)
    by_name = {room.name: room for room in of}
    first = _TOP + _HIGH + 62

    def y_of(number: int) -> int:
        return first + number * _STEP

    paths = {}
    for way in ways:
        steps = steps_of(way, rows)
        start = next(number for number, row in enumerate(rows) if way[1] in row)
        paths[way] = [(at[start + i, step], y_of(start + i)) for i, step in enumerate(steps)]
    # Lines that leave or reach one room lie side by side, in the order of where they go.
    for end, beside in ((0, 1), (-1, -2)):
        for room in by_name:
            mine = [way for way in ways if way[0 if end else 1] == room]
            mine.sort(key=lambda way: paths[way][beside])
            for number, way in enumerate(mine):
                x, y = paths[way][end]
                paths[way][end] = (x + (number - (len(mine) - 1) / 2) * _PORT, y)
    lines = [
        f'<path class="way" d="{_curve(points)}" stroke-width="{_weight(ways[way])}">'
        f"<title>{way[0]} imports {way[1]}</title></path>"
        for way, points in sorted(paths.items())
    ]
    ground = [name for name in by_name if name in GROUND]
    boxes = [_box(by_name[name], x, _TOP) for (_, name), x in _spread(0, ground)]
    boxes += [_box(by_name[name], x, y_of(row)) for (row, name), x in at.items() if ">" not in name]
    high = y_of(len(rows) - 1) + _HIGH + 78
    below = [
        "A line joins a room to one below that imports it, the thicker the more often.",
        "None leads up. Lines that follow from others are left out.",
    ]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {high}" role="img" '
        'aria-labelledby="t d">',
        '<title id="t">The rooms of src/verger</title>',
        '<desc id="d">A room imports only from the rooms above it.</desc>',
        f"<style>{_STYLE}</style>",
        f'<rect class="ground" width="{_WIDTH}" height="{high}" rx="12"/>',
        f'<rect class="band" x="20" y="20" width="{_WIDTH - 40}" height="{_TOP + _HIGH}" rx="10"/>',
        _text("said", 44, 52, "The ground: every room may import it. Its lines are not drawn."),
        *lines,
        *boxes,
        *(_text("said", 44, high - 42 + 20 * i, text) for i, text in enumerate(below)),
    ]
    return "\n".join(parts) + "\n</svg>\n"


def _weight(count: int) -> float:
    """Return a line's width, in few steps: one import more seldom makes the drawing stale."""
    return 1.8 + 1.2 * bisect([2, 4, 8, 16], count)


def _curve(points: Sequence[tuple[float, float]]) -> str:
    """Return a path from below the first place to the top of the last, straight beside rooms."""
    path = f"M{points[0][0]:.0f} {points[0][1] + _HIGH}"
    for (x, y), (to_x, to_y) in pairwise(points):
        middle = (y + _HIGH + to_y) / 2
        path += f" V{y + _HIGH} C{x:.0f} {middle:.0f} {to_x:.0f} {middle:.0f} {to_x:.0f} {to_y}"
    return path


def _box(room: Room, middle: float, y: int) -> str:
    x = middle - _BOX / 2
    kind = "box owns" if room.owns else "box"
    made = f'<rect class="{kind}" x="{x:.0f}" y="{y}" width="{_BOX}" height="{_HIGH}" rx="8"/>'
    made += _text("name", x + 12, y + 23, room.title)
    if room.owns:
        made += _text("owned", x + _BOX - 10, y + 22, room.owns)
    for number, line in enumerate(textwrap.wrap(room.purpose, 29)):
        made += _text("line", x + 12, y + 41 + 16 * number, line)
    return made


def _text(kind: str, x: float, y: float, text: str) -> str:
    return f'<text class="{kind}" x="{x:.0f}" y="{y:.0f}">{escape(text)}</text>'


def _room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def _config() -> dict[str, Any]:
    text = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    return dict(tomllib.loads(text)["tool"]["importlinter"])


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the drawing, or check it; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if stale")
    options = parser.parse_args(arguments)
    of = rooms()
    made = drawing(of, imports(of))
    if not options.check:
        PICTURE.write_text(made, encoding="utf-8")
    elif not PICTURE.is_file() or PICTURE.read_text(encoding="utf-8") != made:
        print(f"{PICTURE} is stale: run `make docs`.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
