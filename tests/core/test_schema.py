from dataclasses import dataclass

import pytest

from embedstudy.core.errors import StudyError
from embedstudy.core.rules import COUNT, SHARE, Mapping, Number, Several, setting
from embedstudy.core.schema import check, read


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


@dataclass(frozen=True)
class Crossed:
    names: list[str] = setting(Several(str), factory=lambda: ["a"])
    seeds: dict[str, list[int]] = setting(
        Mapping(Several(int), least=1), factory=lambda: {"a": [0]}
    )

    def __post_init__(self) -> None:
        for name in self.names:
            if name not in self.seeds:
                raise StudyError(f"seeds has none for '{name}'.")


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"names": []}, r"p: names is \[\]: it must be a list of at least one entry, none twice"),
        ({"names": ["a", "a"]}, r"p: names is \['a', 'a'\]: .* none twice"),
        ({"names": "a"}, "p: names is 'a': it must be a list"),
        ({"names": [1]}, r"p: names is \[1\]: .* each text"),
        ({"seeds": {}}, "p: seeds is {}: it must be a map of at least 1"),
        ({"seeds": {"a": []}}, r"p: seeds.a is \[\]: it must be a list of at least one entry"),
        ({"seeds": {"a": [1, 1]}}, r"p: seeds.a is \[1, 1\]: .* none twice"),
        ({"seeds": {1: [1]}}, r"p: seeds is {1: \[1\]}"),
        ({"names": ["b"]}, "p: seeds has none for 'b'"),
    ],
)
def test_lists_that_must_hold_something_and_fields_that_must_agree(values, sentence):
    with pytest.raises(StudyError, match=sentence):
        read(Crossed, values, "p: ")


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan"), 10**400, -1])
def test_a_number_is_finite_and_in_its_range(value):
    with pytest.raises(StudyError, match="rate is") as told:
        check({"rate": value}, {"rate": Number(0, 10)}, "p: ")
    assert len(str(told.value)) < 200


def test_a_wrong_value_is_shown_by_its_beginning():
    with pytest.raises(StudyError) as told:
        check({"seeds\nof": 1}, {"seeds": int}, "p: ")
    assert str(told.value) == "p: seeds of is not a parameter: did you mean 'seeds'?"
    shared = ["x"]
    for _ in range(40):  # as YAML's aliases share them: written out, 2^40 entries
        shared = [shared, shared]
    with pytest.raises(StudyError) as told:
        check({"seeds": {"a": shared}}, {"seeds": int}, "p: ")
    assert len(str(told.value)) < 400
