import pytest
import yaml

from embedstudy.core import params
from embedstudy.core.errors import StudyError
from embedstudy.core.rules import Mapping, Number
from embedstudy.core.schema import check


def edit(project, **changes):
    file = project / "params.yaml"
    values = yaml.safe_load(file.read_text())
    file.write_text(yaml.safe_dump(values | changes))


def test_a_section_is_that_of_the_chosen_profile(project):
    assert params.profile() == "smoke"
    assert params.section("tables.all") == {
        "budgets": [0.5],
        "seeds": {"movielens": [0], "toy": [0, 1]},
    }
    edit(project, profile="quick")
    assert params.section("tables.all") == {
        "budgets": [0.5, 0.1],
        "seeds": {"movielens": [0], "toy": [0]},
    }
    assert params.section("tables.all", "smoke")["budgets"] == [0.5]


def test_what_a_caller_does_to_a_section_changes_nothing(project):
    params.section("tables.all")["budgets"].append(9)
    assert params.section("tables.all")["budgets"] == [0.5]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"profile": "quik"}, "profile is 'quik': it must be one of full, quick, smoke"),
        ({"profil": "quick"}, "profil is not a parameter: did you mean 'profile'"),
        ({"device": "gpu"}, "device is 'gpu': it must be one of auto, cpu, cuda"),
        ({"workers": "three"}, "workers is 'three': it must be a whole number from 0 and at most"),
        ({"workers": True}, "workers is True"),
        ({"smoke": None}, "smoke is None: it must be a map"),
        (
            {"smoke": {"table": {}}},
            "smoke.table has no counterpart in quick: did you mean 'tables'",
        ),
        (
            {"smoke": {"tables": {"al": {}}}},
            "smoke.tables.al has no counterpart in quick: did you mean 'all'",
        ),
    ],
)
def test_a_wrong_file_is_told_by_key_value_and_what_is_allowed(project, changes, sentence):
    edit(project, **changes)
    with pytest.raises(StudyError, match=sentence):
        params.load()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "must be a map with the keys profile"),
        ("profile: [quick", "is not valid YAML"),
        ("profile: quick\nprofile: full", "line 2: 'profile' occurs a second time"),
        ("profile: quick", "device is missing"),
    ],
)
def test_a_file_that_is_no_map_of_parameters_is_refused(project, text, sentence):
    (project / "params.yaml").write_text(text)
    with pytest.raises(StudyError, match=sentence):
        params.load()


def test_a_missing_section_is_named_with_the_nearest(project):
    with pytest.raises(StudyError, match="smoke has no 'table': did you mean 'tables'"):
        params.section("table")
    with pytest.raises(StudyError, match="smoke.tables has no 'inner'"):
        params.section("tables.inner")


def test_numbers_are_read_as_dvc_reads_them_and_merges_are_no_repetition(project):
    text = """
    profile: smoke
    device: cpu
    workers: 1
    smoke:
      demo: &a {lr: 1e-3, steps: 2, nested: &b {x: 1, y: 2}}
      other: {<<: *a, steps: 3, nested: {<<: *b, x: 5}}
    quick: {demo: {}, other: {}}
    full: {demo: {}, other: {}}
    """
    (project / "params.yaml").write_text(text)
    assert params.section("demo")["lr"] == 0.001
    assert params.section("other") == {"lr": 0.001, "steps": 3, "nested": {"x": 5, "y": 2}}


SCHEMA = {
    "budgets": [Number(0, 1, above=True)],
    "epochs": int,
    "lr": float,
    "profile": {"quick", "full"},
    "train": {"batch": int},
    "events": Mapping(int),
    "limit": (int, None),
}


@pytest.mark.parametrize(
    "values",
    [
        {"budgets": [1, 0.5], "epochs": 3, "lr": 1, "profile": "full"},
        {"train": {"batch": 2}, "events": {"any": 3}, "limit": None},
        {"limit": 3, "budgets": []},
    ],
)
def test_values_that_obey_the_schema_pass(values):
    check(values, SCHEMA)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"bugdets": [1]}, "p: bugdets is not a parameter: did you mean 'budgets'"),
        ({"epochs": "three"}, "p: epochs is 'three': it must be a whole number"),
        ({"epochs": 1.5}, "p: epochs is 1.5"),
        ({"epochs": True}, "p: epochs is True"),
        ({"lr": "0.1"}, "p: lr is '0.1': it must be a number"),
        ({"budgets": [0.5, 0]}, r"p: budgets is \[0.5, 0\]: .* a number above 0 and at most 1"),
        ({"budgets": 0.5}, "p: budgets is 0.5: it must be a list"),
        ({"profile": "smoke"}, "p: profile is 'smoke': it must be one of full, quick"),
        ({"train": {"batch": "big"}}, "p: train.batch is 'big'"),
        ({"train": {"bach": 3}}, "p: train.bach is not a parameter: did you mean 'batch'"),
        ({"events": {"calls": "all"}}, "p: events.calls is 'all'"),
        ({"limit": "no"}, "p: limit is 'no': it must be a whole number or null"),
    ],
)
def test_values_that_disobey_the_schema_are_named(values, sentence):
    with pytest.raises(StudyError, match=sentence):
        check(values, SCHEMA, "p: ")


def test_cuda_is_refused_where_there_is_none(project, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert params.resolve_device("auto") == "cpu"
    with pytest.raises(StudyError, match="torch finds no CUDA GPU here"):
        params.resolve_device("cuda")
    with pytest.raises(StudyError, match="The device is 'tpu'"):
        params.resolve_device("tpu")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert params.resolve_device("auto") == "cuda"


def test_workers_are_as_many_as_cores_but_one_on_a_gpu():
    assert params.resolve_workers("auto") >= 1
    assert params.resolve_workers("auto", "cuda") == 1
    assert params.resolve_workers(3, "cuda") == 3
