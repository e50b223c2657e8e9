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
        bare = re.sub(r"\{\w+!p:[^|]*\|([^}]*)\}", r"\1", self.template)
        return bool(PROSE.search(re.sub(r"\{(\w+)[^}]*\}", r"{\1}", bare)))


def said_in(path: Path, root: Path) -> Iterator[Said]:
    """Yield each text of a module, docstrings apart."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    apart = {id(one) for node in ast.walk(tree) for one in _apart(node)}
    for node in ast.walk(tree):
        if id(node) in apart:
            continue
        if isinstance(node, ast.JoinedStr):
            yield Said(str(path.relative_to(root)), node.lineno, template(node))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield Said(str(path.relative_to(root)), node.lineno, _escaped(node.value))


def _apart(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what is no text of its own: docstrings, parts of f-strings, forms of `plural`."""
    body = getattr(node, "body", None)
    if isinstance(body, list):  # docstrings of attributes among them
        yield from (one.value for one in body if isinstance(one, ast.Expr))
    match node:
        case ast.Call(func=ast.Name("plural"), args=forms):
            yield from forms
        case ast.JoinedStr(values=parts):
            for part in parts:
                yield part
                if isinstance(part, ast.FormattedValue) and part.format_spec:
                    yield from ast.walk(part.format_spec)


def template(node: ast.JoinedStr) -> str:
    """Write an f-string with its placeholders by name: `{photos:,} photos of {labels:,} labels`."""
    written, names = "", dict[str, str]()  # by what the code has there
    for part in node.values:
        if isinstance(part, ast.Constant):
            written += _escaped(str(part.value))
        elif isinstance(part, ast.FormattedValue):
            forms, of = _forms(part.value)
            code = ast.unparse(of)
            if code not in names:
                name = _named(of).strip("_").lower() or "it"
                alike = sum(re.sub(r"_\d+$", "", one) == name for one in names.values())
                names[code] = f"{name}_{alike + 1}" if alike else name
            spec = ast.unparse(part.format_spec)[2:-1] if part.format_spec else ""
            how = forms or (f":{spec}" if writes_a_number(spec) else "")
            written += f"{{{names[code]}{how}}}"
    return written


def _forms(node: ast.expr) -> tuple[str, ast.expr]:
    """Return the forms that `plural` chooses from, as a template has them, and of what number."""
    match node:
        case ast.Call(func=ast.Name("plural"), args=[of, *forms]):
            one, many = [str(ast.literal_eval(form)) for form in forms] or ("", "s")
            return f"!p:{one}|{many}", of
    return "", node


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
