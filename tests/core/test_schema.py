from dataclasses import dataclass

import pytest

from embedstudy.core.errors import StudyError
from embedstudy.core.rules import COUNT, SHARE, Mapping, setting
from embedstudy.core.schema import read


@dataclass(frozen=True)
class Inner:
    steps: int = setting(COUNT, 3)
    rate: float = 0.5


@dataclass(frozen=True)
class Outer:
    name: str
    budgets: list[float] = setting([SHARE], factory=lambda: [0.5])
    seeds: dict[str, list[int]] = setting(Mapping([int]), factory=dict)
    limit: int | None = None
    flags: dict[str, bool] = setting(Mapping(bool), factory=dict)
    inner: Inner = Inner()


def test_values_become_an_object_with_its_defaults():
    assert read(Outer, {"name": "a"}) == Outer("a")
    given = {"name": "a", "limit": 3, "seeds": {"toy": [1]}, "inner": {"steps": 9}}
    assert read(Outer, given) == Outer("a", seeds={"toy": [1]}, limit=3, inner=Inner(steps=9))


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({}, "p: name is missing: it must be text"),
        ({"name": 3}, "p: name is 3: it must be text"),
        ({"nmae": "a"}, "p: nmae is not a parameter: did you mean 'name'"),
        ({"name": "a", "budgets": [2]}, r"p: budgets is \[2\]: .* above 0 and at most 1"),
        ({"name": "a", "seeds": {"toy": 1}}, "p: seeds.toy is 1: it must be a list"),
        ({"name": "a", "limit": "x"}, "p: limit is 'x': it must be a whole number or null"),
        ({"name": "a", "flags": {"b": 1}}, "p: flags.b is 1: it must be true or false"),
        ({"name": "a", "inner": {"steps": 0}}, "p: inner.steps is 0: .* from 1"),
        ({"name": "a", "inner": {"step": 1}}, "p: inner.step is not a parameter"),
        ({"name": "a", "inner": 3}, "p: inner is 3: it must be a map"),
    ],
)
def test_what_a_class_refuses_is_named(values, sentence):
    with pytest.raises(StudyError, match=sentence):
        read(Outer, values, "p: ")
