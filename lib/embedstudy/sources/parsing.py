"""Python source -> its calls and its functions, read from the syntax tree (``ast``) alone.

A *unit* is what has a body of its own: a function, a class outside its functions, or a module
outside both. Every call belongs to the innermost unit around it; a decorator or a default belongs
to the unit around the function. Every unit also gets a list of *tokens*, a normal form for finding
near-identical code: names bound in the unit become one placeholder, literals become their type,
docstrings and annotations are left out, and attributes, keywords and global names stay.
"""

import ast
import inspect
import re
import warnings
import zlib
from dataclasses import dataclass, field
from functools import cache

MODULE, CLASS = "<module>", "<class>"  # stand for the function where there is none
_SKIPPED = {"ctx", "type_comment", "kind", "type_params", "annotation", "returns"}
_LEAVES = {"id", "attr", "arg", "name", "names", "module", "level", "kwd_attrs", "rest"}


@dataclass
class Unit:
    """A function, class body or module body."""

    klass: str  # classes around it, dotted; "" outside
    function: str  # name of the function, or MODULE or CLASS
    line: int
    documented: bool = False
    summary: str = ""  # first paragraph of the docstring, on one line
    details: str = ""  # the rest of the docstring
    code: str = ""  # signature and body without the docstring, dedented
    tokens: list[int] = field(default_factory=list)
    bound: set[str] = field(default_factory=set)  # names bound so far
    previous: str = ""  # name called last so far


@dataclass
class Parsed:
    """What a module holds. ``calls``: (index in ``units``, receiver, previous, shape, called)."""

    units: list[Unit]
    calls: list[tuple[int, str, str, str, str]]


def parse(source: bytes, code_lines: int = 60) -> Parsed | None:
    """Read one module; None if this Python cannot parse it.

    Args:
        source: the file's bytes.
        code_lines: a documented function keeps at most that many lines of code.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes and the like are the package's matter
            tree = ast.parse(source)
        reader = _Reader(source.decode("utf-8", "replace").splitlines(), code_lines)
        reader.module(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return Parsed(reader.units, reader.calls)


@cache
def token(text: str) -> int:
    """A 32-bit code of a token, the same in every process (unlike ``hash``)."""
    return zlib.crc32(text.encode("utf-8", "surrogatepass"))


@cache
def _children(kind: type) -> tuple[str, ...]:
    return tuple(name for name in kind._fields if name not in _SKIPPED | _LEAVES)


_PLACEHOLDER = token("=bound")
_UNIT = token("=unit")


class _Reader:
    """Walks a tree once in the order of the source; a call comes after those in its arguments."""

    def __init__(self, lines: list[str], code_lines: int):
        self.lines, self.code_lines = lines, code_lines
        self.units: list[Unit] = []
        self.calls: list[tuple[int, str, str, str, str]] = []
        self.at = 0  # index of the innermost unit

    def module(self, tree: ast.Module) -> None:
        self.body(Unit("", MODULE, 1), tree.body)

    def walk(self, node: ast.AST) -> None:
        handler = _HANDLERS.get(node.__class__)
        if handler is not None:
            handler(self, node)
        else:
            self.units[self.at].tokens.append(token(node.__class__.__name__))
            self.descend(node)

    def descend(self, node: ast.AST) -> None:
        for name in _children(node.__class__):
            child = getattr(node, name)
            if child.__class__ is list:
                for item in child:
                    if item is not None:
                        self.walk(item)
            elif isinstance(child, ast.AST):
                self.walk(child)

    def body(
        self, unit: Unit, statements: list[ast.stmt], arguments: ast.arguments | None = None
    ) -> None:
        """Walk the statements of a new unit, then return to the one around it."""
        around, self.at = self.at, len(self.units)
        self.units.append(unit)
        if arguments is not None:
            for argument in _arguments(arguments):
                self.argument(argument)
        for statement in statements[1:] if _is_docstring(statements) else statements:
            self.walk(statement)
        self.at = around

    def function(self, node: ast.FunctionDef) -> None:
        outer = self.units[self.at]
        for expression in (*node.decorator_list, *node.args.defaults, *node.args.kw_defaults):
            if expression is not None:
                self.walk(expression)
        outer.bound.add(node.name)
        outer.tokens.append(_UNIT)
        unit = self.document(Unit(outer.klass, node.name, node.lineno), node)
        self.body(unit, node.body, node.args)
        if outer.function not in (MODULE, CLASS):  # a closure is part of its function's code
            outer.tokens.extend(unit.tokens)

    def klass(self, node: ast.ClassDef) -> None:
        outer = self.units[self.at]
        for expression in (*node.decorator_list, *node.bases, *node.keywords):
            self.walk(expression)
        outer.bound.add(node.name)
        outer.tokens.append(_UNIT)
        name = f"{outer.klass}.{node.name}" if outer.klass else node.name
        self.body(Unit(name, CLASS, node.lineno), node.body)

    def document(self, unit: Unit, node: ast.FunctionDef) -> Unit:
        if _is_docstring(node.body):
            first = node.body[0]
            text = inspect.cleandoc(first.value.value)
            summary, _, details = text.partition("\n\n")
            unit.documented = True
            unit.summary, unit.details = re.sub(r"\s+", " ", summary).strip(), details.strip()
            head = self.lines[node.lineno - 1 : first.lineno - 1]  # empty if all is on one line
            tail = self.lines[first.end_lineno : node.end_lineno] if head else []
            kept = (head + tail)[: self.code_lines]
            unit.code = "\n".join(line[node.col_offset :].rstrip() for line in kept)
        return unit

    def call(self, node: ast.Call) -> None:
        self.units[self.at].tokens.append(token("Call"))
        self.walk(node.func)
        for argument in node.args:
            self.walk(argument)
        for argument in node.keywords:
            self.walk(argument)
        called = _called(node.func)
        if called is not None:  # else what is called has no name, as in `f()()`
            unit = self.units[self.at]
            receiver = _text(node.func.value) if isinstance(node.func, ast.Attribute) else ""
            self.calls.append((self.at, receiver, unit.previous, _shape(node), called))
            unit.previous = called

    def name(self, node: ast.Name) -> None:
        unit = self.units[self.at]
        if node.ctx.__class__ is ast.Store:
            unit.bound.add(node.id)
        unit.tokens.append(_PLACEHOLDER if node.id in unit.bound else token(node.id))

    def argument(self, node: ast.arg) -> None:
        self.units[self.at].bound.add(node.arg)
        self.units[self.at].tokens.append(_PLACEHOLDER)

    def attribute(self, node: ast.Attribute) -> None:
        self.walk(node.value)
        self.units[self.at].tokens.append(token("." + node.attr))

    def keyword(self, node: ast.keyword) -> None:
        self.units[self.at].tokens.append(token(f"{node.arg}="))
        self.walk(node.value)

    def constant(self, node: ast.Constant) -> None:
        self.units[self.at].tokens.append(token(node.value.__class__.__name__ + "()"))

    def imported(self, node: ast.Import | ast.ImportFrom) -> None:
        unit = self.units[self.at]
        unit.tokens.append(token(node.__class__.__name__))
        for alias in node.names:  # an imported name stays global: it says what is called
            unit.tokens.append(token(alias.name))


_HANDLERS = {
    ast.Call: _Reader.call,
    ast.Name: _Reader.name,
    ast.Attribute: _Reader.attribute,
    ast.Constant: _Reader.constant,
    ast.FunctionDef: _Reader.function,
    ast.AsyncFunctionDef: _Reader.function,
    ast.ClassDef: _Reader.klass,
    ast.Import: _Reader.imported,
    ast.ImportFrom: _Reader.imported,
    ast.arg: _Reader.argument,
    ast.keyword: _Reader.keyword,
}


def _arguments(arguments: ast.arguments) -> list[ast.arg]:
    lists = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
    return [*lists, *(one for one in (arguments.vararg, arguments.kwarg) if one is not None)]


def _is_docstring(statements: list[ast.stmt]) -> bool:
    first = statements[0] if statements else None
    return (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    )


def _called(function: ast.expr) -> str | None:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else None


def _text(node: ast.expr) -> str:
    """A receiver in words: ``self.layers[]``, ``np.random``, ``super()``, ``str`` for a literal."""
    parts = []
    while True:
        if isinstance(node, ast.Attribute):
            parts.append("." + node.attr)
            node = node.value
        elif isinstance(node, ast.Call):
            parts.append("()")
            node = node.func
        elif isinstance(node, ast.Subscript):
            parts.append("[]")
            node = node.value
        else:
            break
    if isinstance(node, ast.Name):
        parts.append(node.id)
    elif isinstance(node, ast.Constant):
        parts.append(f"<{node.value.__class__.__name__}>")
    else:
        parts.append(f"<{node.__class__.__name__}>")
    return "".join(reversed(parts))


def _shape(node: ast.Call) -> str:
    """Positional count and sorted keywords: ``f(a, *b, axis=0, **c)`` is ``1*|**,axis``."""
    stars = sum(isinstance(argument, ast.Starred) for argument in node.args)
    keywords = sorted(keyword.arg or "**" for keyword in node.keywords)
    return f"{len(node.args) - stars}{'*' * stars}|{','.join(keywords)}"
