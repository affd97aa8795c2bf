"""Hypothesis strategies that start from a valid file and change a few things in it.

Wholly random bytes are refused by the first line of any parser. What hurts is a file that is right but
for one type, one size, one cell: so a tree (JSON, YAML) is edited at random places, a table in random
cells, and bytes in random stretches. Every strategy shrinks towards fewer and simpler changes.
"""

import copy
import json
import math
from collections.abc import Callable, Iterator
from typing import Any

import yaml
from hypothesis import strategies as st

Draw = Callable[[st.SearchStrategy], Any]

# What stands where something else was meant, the simplest first.
NUMBERS = (0, 1, -1, 2, 255, 2**31, 2**63, 2**70, -(2**63) - 1, 10**18, 10**400)
FLOATS = (0.5, -0.0, 1e308, 5e-324, math.inf, -math.inf, math.nan)
TEXTS = (
    *("", " ", "0", "x", "nan", "null", "true", "1e999", "-5", "0x10", "1_000", "٣"),
    *("a\nb", "a\tb", "a\rb", "\0", "\x1b[31m", "\u2028", "\ufeff", "e\u0301", "<script>", "%s{0}"),
    *("../../out", "/", "~", "con", "x" * 5000),
)
# Bytes that end, begin or break things in one format or another.
BYTES = (
    *(b"\0", b"\xff", b"\n", b"\r", b"\t", b'"', b",", b"{", b"[", b"}", b"'", b"\\", b"\x1a"),
    *(b"\xef\xbb\xbf", b"\xc3\x28", b"\xed\xa0\x80", b"\x1f\x8b", b"PK\x03\x04", b"\xff" * 8),
    *(b"\0" * 4096, b"[" * 2000, b"&a [*a]", b"-1", b"99999999999999999999"),
)
# Words that the writers below replace by what no tree can hold.
DEEP, BOMB = "DEEPDEEP", "BOMBBOMB"
LEAVES = (None, True, False, *NUMBERS, *FLOATS, *TEXTS, [], {}, DEEP, BOMB)
_DEEP_TEXT = "[" * 5000 + "]" * 5000
# Nine lists of nine lists …: a line that fills any memory if it is written out.
_BOMB_TEXT = "{b0: &b0 [x, x, x, x, x, x, x, x, x]"
for _n in range(1, 10):
    _BOMB_TEXT += f", b{_n}: &b{_n} [{', '.join([f'*b{_n - 1}'] * 9)}]"
_BOMB_TEXT += "}"


# -- bytes ----------------------------------------------------------------------------------------
@st.composite
def damaged(draw: Draw, content: bytes, most: int = 3) -> bytes:
    """``content`` with one to ``most`` stretches cut, repeated or written over."""
    for _ in range(draw(st.integers(1, most))):
        content = _damage(draw, content)
    return content


def _damage(draw: Draw, content: bytes) -> bytes:
    start = draw(st.integers(0, len(content)))
    end = min(len(content), start + draw(st.sampled_from((0, 1, 2, 8, 100, 10_000))))
    before, stretch, after = content[:start], content[start:end], content[end:]
    kind = draw(st.sampled_from(("write", "cut", "end", "repeat", "flip")))
    if kind == "write":
        return before + draw(st.sampled_from(BYTES)) + after
    if kind == "cut":
        return before + after
    if kind == "end":
        return before
    if kind == "repeat":
        return before + stretch * draw(st.sampled_from((2, 3, 50))) + after
    bit = 1 << draw(st.integers(0, 7))
    return before + bytes(byte ^ bit for byte in stretch[:1]) + stretch[1:] + after


# -- tables ---------------------------------------------------------------------------------------
cells = st.one_of(
    st.sampled_from(TEXTS), st.sampled_from(NUMBERS[:-1] + FLOATS).map(str), st.just("1" * 5000)
)


@st.composite
def edited_lines(draw: Draw, text: str, separator: str, most: int = 3) -> bytes:
    """The UTF-8 of a table's text with one to ``most`` of its lines or cells changed."""
    lines = text.split("\n")
    for _ in range(draw(st.integers(1, most))):
        row = draw(st.integers(0, len(lines) - 1))
        kind = draw(st.sampled_from(("cell", "line", "drop", "twice", "add")))
        if kind == "cell":
            found = lines[row].split(separator)
            found[draw(st.integers(0, len(found) - 1))] = draw(cells)
            lines[row] = separator.join(found)
        elif kind == "line":
            lines[row] = draw(st.sampled_from(("", separator, separator * 100, '"', "\r", "#")))
        elif kind == "drop" and len(lines) > 1:
            del lines[row]
        elif kind == "twice":
            lines.insert(row, lines[row])
        else:
            lines[row] += separator + draw(cells)
    return "\n".join(lines).encode()


def table_files(text: str, separator: str) -> st.SearchStrategy[bytes]:
    """A table's file changed in its lines or in its bytes."""
    return st.one_of(edited_lines(text, separator), damaged(text.encode()))


# -- trees ----------------------------------------------------------------------------------------
@st.composite
def edited_tree(draw: Draw, tree: Any, most: int = 3) -> Any:
    """A JSON-like value with one to ``most`` of its nodes replaced, removed, added or nested."""
    root = [copy.deepcopy(tree)]
    for _ in range(draw(st.integers(1, most))):
        places = list(_places(root))
        owner, key = places[draw(st.integers(0, len(places) - 1))]
        _edit(draw, root, owner, key)
    return root[0]


def _places(node: dict | list) -> Iterator[tuple[dict | list, Any]]:
    """Every (container, key or index) at or below a container."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        yield node, key
        if isinstance(value, dict | list):
            yield from _places(value)


def _edit(draw: Draw, root: list, owner: dict | list, key: Any) -> None:
    kind = draw(st.sampled_from(("leaf", "remove", "rename", "wrap", "swap", "grow")))
    if kind == "remove" and owner is not root:
        del owner[key]
    elif kind == "rename" and isinstance(owner, dict):
        owner[draw(st.sampled_from(TEXTS))] = owner.pop(key)
    elif kind == "wrap":
        owner[key] = draw(st.sampled_from(([owner[key]], {"x": owner[key]}, [owner[key]] * 3)))
    elif kind == "swap":
        places = list(_places(root))
        other, name = places[draw(st.integers(0, len(places) - 1))]
        owner[key] = copy.deepcopy(other[name])
    elif kind == "grow" and isinstance(owner[key], list):
        owner[key] = owner[key] * draw(st.sampled_from((2, 100))) + [draw(st.sampled_from(LEAVES))]
    else:
        owner[key] = draw(st.sampled_from(LEAVES))


def as_json(tree: Any) -> bytes:
    """JSON as lenient writers write it: NaN, Infinity, lone surrogates and any depth pass."""
    text = json.dumps(tree, ensure_ascii=False).replace(f'"{DEEP}"', _DEEP_TEXT)
    return text.encode("utf-8", "surrogatepass")


def as_yaml(tree: Any) -> bytes:
    """YAML, in which a word may stand for lists without end or for a bomb of aliases."""
    text = yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)
    return text.replace(DEEP, _DEEP_TEXT).replace(BOMB, _BOMB_TEXT).encode()


def json_files(tree: Any) -> st.SearchStrategy[bytes]:
    """A JSON file changed as a tree or in its bytes, and some that no tree gives."""
    text = as_json(tree)
    odd = (
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff\xfe{\0}\0",
        text.replace(b"{", b'{"x": 1, "x": 2, ', 1),
    )
    return st.one_of(edited_tree(tree).map(as_json), damaged(text), st.sampled_from(odd))


def yaml_files(text: str) -> st.SearchStrategy[bytes]:
    """A YAML file changed as a tree, in its lines or in its bytes, and some that no tree gives."""
    odd = (b"", b"%", b"- " * 3000, b"? ", b"!!python/name:os.system", b"<<: 1", b"\xff")
    return st.one_of(
        edited_tree(yaml.safe_load(text)).map(as_yaml),
        edited_lines(text, ": "),
        damaged(text.encode()),
        st.sampled_from(odd),
    )
