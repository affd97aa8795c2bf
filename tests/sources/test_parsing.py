from textwrap import dedent

import pytest

from embedstudy.sources.parsing import CLASS, MODULE, parse

SNIPPET = '''
import numpy as np

logger = get_logger(__name__)


class Box(Base):
    """A box."""

    size = field(default=3)

    @cached("k")
    def open(self, *names, force=bool(0), **more):
        """Open the
        box.

        Needs a key.
        """
        key = self.lid.find(names[0], 1)
        np.sort(np.array([1]), axis=0, *names, **more)
        "a".join(k for k in super().keys())
        self.parts[0].turn(key)
        build()()
        return lambda: key.close()

    class Inner:
        async def run(self):
            def step():
                tick()
            await step()
'''


@pytest.fixture(scope="module")
def parsed():
    return parse(SNIPPET.encode())


def calls_of(parsed, klass, function):
    names = [(unit.klass, unit.function) for unit in parsed.units]
    at = names.index((klass, function))
    return [tuple(call[1:]) for call in parsed.calls if call[0] == at]


def test_units_are_modules_classes_and_functions(parsed):
    assert [(unit.klass, unit.function, unit.line) for unit in parsed.units] == [
        ("", MODULE, 1),
        ("Box", CLASS, 7),
        ("Box", "open", 13),
        ("Box.Inner", CLASS, 26),
        ("Box.Inner", "run", 27),
        ("Box.Inner", "step", 28),
    ]


def test_calls_of_a_function_in_order(parsed):
    assert calls_of(parsed, "Box", "open") == [
        ("self.lid", "", "2|", "find"),
        ("np", "find", "1|", "array"),
        ("np", "array", "1*|**,axis", "sort"),
        ("", "sort", "0|", "super"),
        ("super()", "super", "0|", "keys"),
        ("<str>", "keys", "1|", "join"),
        ("self.parts[]", "join", "1|", "turn"),
        ("", "turn", "0|", "build"),  # what `build()` returns has no name
        ("key", "build", "0|", "close"),
    ]


def test_calls_outside_functions_and_in_closures(parsed):
    assert calls_of(parsed, "", MODULE) == [("", "", "1|", "get_logger")]
    assert calls_of(parsed, "Box", CLASS) == [
        ("", "", "0|default", "field"),
        ("", "field", "1|", "cached"),  # a decorator runs in the class body,
        ("", "cached", "1|", "bool"),  # and so does a default
    ]
    assert calls_of(parsed, "Box.Inner", "run") == [("", "", "0|", "step")]
    assert calls_of(parsed, "Box.Inner", "step") == [("", "", "0|", "tick")]


def test_docstring_and_code_are_taken_apart(parsed):
    documented = [unit for unit in parsed.units if unit.documented]
    assert [unit.function for unit in documented] == ["open"]
    unit = documented[0]
    assert (unit.summary, unit.details) == ("Open the box.", "Needs a key.")
    lines = unit.code.splitlines()
    assert lines[0] == "def open(self, *names, force=bool(0), **more):"
    assert lines[1] == "    key = self.lid.find(names[0], 1)"
    assert lines[-1] == "    return lambda: key.close()"
    assert "box." not in unit.code


def test_code_is_cut_to_the_lines_asked_for():
    source = b'def f():\n    """Do."""\n' + b"    g()\n" * 9
    assert parse(source, code_lines=3).units[1].code == "def f():\n    g()\n    g()"


def test_a_one_line_function_has_no_code():
    unit = parse(b'def f(): "Do it."\n').units[1]
    assert (unit.documented, unit.code) == (True, "")


def tokens(source):
    return parse(dedent(source).encode()).units[1].tokens


BASE = """
def f(x, scale=2):
    total = np.sum(x) * 3
    return total
"""


@pytest.mark.parametrize(
    "other",
    [
        BASE.replace("total", "y").replace("x", "data").replace("def f", "def g"),
        BASE.replace("3", "4"),
        BASE.replace("scale=2):", 'scale: int = 3) -> float:\n    """Documented."""'),
    ],
    ids=["renamed", "another number", "annotated and documented"],
)
def test_tokens_ignore_names_bound_here_literals_docstrings_and_annotations(other):
    assert other != BASE
    assert tokens(other) == tokens(BASE)


@pytest.mark.parametrize(
    "other",
    [BASE.replace("np.", "jnp."), BASE.replace(".sum", ".prod"), BASE.replace(" * ", " + ")],
)
def test_tokens_see_globals_attributes_and_operators(other):
    assert tokens(other) != tokens(BASE)


def test_a_closure_is_part_of_its_functions_tokens_but_not_of_its_class():
    closure = tokens("def f():\n    def g():\n        return h\n    return g\n")
    assert closure != tokens("def f():\n    def g():\n        return i\n    return g\n")
    one, two = (
        parse(f"class A:\n    def f(self):\n        {body}\n".encode()).units[1]
        for body in ("pass", "return h")
    )
    assert one.function == CLASS
    assert one.tokens == two.tokens


@pytest.mark.parametrize("source", [b"def f(:\n", b"x = 1\x00", b"\xff\xfe = 1"])
def test_a_file_python_cannot_parse_is_none(source):
    assert parse(source) is None


def test_every_kind_of_statement_is_walked():
    source = """
    match point:
        case Point(x=0, y=[a, *rest]) if ok(a):
            first(rest)
        case {"k": v, **others}:
            second(v)
    with opened(p) as f, other():
        global z
        try:
            third(f"{fourth(f):>{width()}}")
        except* Error as e:
            del e.x
    """
    called = [call[-1] for call in parse(dedent(source).encode()).calls]
    assert called == ["ok", "first", "second", "opened", "other", "fourth", "width", "third"]
