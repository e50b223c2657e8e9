"""The texts in the code, as templates: what `command.fr.json` has to know."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from verger.texts.command import writes_a_number

# Two words, or one beside a placeholder: what reads like something that is said.
PROSE = re.compile(
    r"[^\W\d_]{2,}[,.:;)’'`]* [(`'«]*(?:[^\W\d_]|\{)|\}[,.:;)’'`]* [(`]*[^\W\d_]{2,}"
)


@dataclass(frozen=True)
class Said:
    """A text in the code: where it stands, and its template."""

    file: str
    line: int
    template: str

    @property
    def is_prose(self) -> bool:
        return bool(PROSE.search(re.sub(r"\{(\w+)[^}]*\}", r"{\1}", self.template)))


def said_in(path: Path, root: Path) -> Iterator[Said]:
    """Yield each text of a module, docstrings apart."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    apart: set[int] = set()  # by identity: docstrings, and the parts of f-strings
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):  # docstrings of attributes among them
            apart.update(id(one.value) for one in body if isinstance(one, ast.Expr))
        if isinstance(node, ast.JoinedStr):
            for part in node.values:
                apart.add(id(part))
                if isinstance(part, ast.FormattedValue) and part.format_spec:
                    apart.update(map(id, ast.walk(part.format_spec)))
    for node in ast.walk(tree):
        if id(node) in apart:
            continue
        if isinstance(node, ast.JoinedStr):
            yield Said(str(path.relative_to(root)), node.lineno, template(node))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield Said(str(path.relative_to(root)), node.lineno, _escaped(node.value))


def template(node: ast.JoinedStr) -> str:
    """Write an f-string with its placeholders by name: `{photos:,} photos of {labels:,} labels`."""
    written, names = "", dict[str, str]()  # by what the code has there
    for part in node.values:
        if isinstance(part, ast.Constant):
            written += _escaped(str(part.value))
        elif isinstance(part, ast.FormattedValue):
            code = ast.unparse(part.value)
            if code not in names:
                name = _named(part.value).strip("_").lower() or "it"
                alike = sum(re.sub(r"_\d+$", "", one) == name for one in names.values())
                names[code] = f"{name}_{alike + 1}" if alike else name
            spec = ast.unparse(part.format_spec)[2:-1] if part.format_spec else ""
            written += f"{{{names[code]}{f':{spec}' if writes_a_number(spec) else ''}}}"
    return written


def _escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _named(node: ast.AST) -> str:
    """Return the word that says best what an expression is."""
    match node:
        case ast.Name():
            return node.id
        case ast.Attribute():
            return node.attr
        case ast.Subscript(slice=ast.Constant(value=str(name))) if name.isidentifier():
            return name
        case ast.Subscript():
            return _named(node.value)
        case ast.Call():
            return _named(_called(node))
        case ast.BinOp(left=part) | ast.UnaryOp(operand=part) | ast.BoolOp(values=[part, *_]):
            return _named(part)
        case ast.IfExp():
            return _named(node.orelse if isinstance(node.body, ast.Constant) else node.body)
        case ast.GeneratorExp():
            return _named(node.generators[0].iter)
    return "it"


def _called(node: ast.Call) -> ast.AST:
    """Return what a call is about: `len(photos)`, `state.lower()`, `found.get("photos")`."""
    match node:
        case ast.Call(func=ast.Attribute(attr="get"), args=[ast.Constant(value=str(name)), *_]):
            return ast.Name(name)
        case ast.Call(args=[first, *_]) if not isinstance(first, ast.Constant):
            return first
        case ast.Call(func=ast.Attribute(value=of)):
            return of
    return node.func
