import pytest
import yaml

from embedstudy.core import catalogue, params
from embedstudy.core.errors import StudyError
from embedstudy.pipeline import chapters


def edit(project, **changes):
    file = project / "params.yaml"
    values = yaml.safe_load(file.read_text())
    for profile in params.PROFILES:
        values[profile]["tables"] |= changes
    file.write_text(yaml.safe_dump(values))


def demo():
    return catalogue.find("tables/demo")


def test_a_chapter_takes_its_sections(project):
    assert chapters.parameters(demo()) == {
        "budgets": [0.5],
        "seeds": {"movielens": [0], "toy": [0, 1]},
    }
    assert chapters.parameters(demo(), "full") == {}


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        (
            {"seed": {}},
            "params.yaml: smoke.tables.all.seed is not a parameter: did you mean 'seeds'",
        ),
        ({"seeds": {"toy": ["a"]}}, r"smoke.tables.all.seeds.toy is \['a'\]: it must be a list"),
        ({"budgets": [2]}, "smoke.tables.all.budgets is .2.: .* a number above 0"),
        ({"train": {"lr": "big"}}, "smoke.tables.all.train.lr is 'big'"),
        ({"train": {"lr": -1}}, "smoke.tables.all.train.lr is -1"),
        ({"train": {"batch": 0}}, "smoke.tables.all.train.batch is 0"),
        ({"train": {"epochs": 0}}, "smoke.tables.all.train.epochs is 0"),
        ({"train": {"monitor": "f1"}}, "train.monitor is 'f1': it must be one of auc, logloss"),
        ({"dim": 10**9}, "smoke.tables.all.dim is 1000000000"),
        ({"budgets": []}, r"smoke.tables.all.budgets is \[\]: it must be a list of at least one"),
        ({"datasets": []}, r"smoke.tables.all.datasets is \[\]"),
        ({"seeds": {"movielens": []}}, r"smoke.tables.all.seeds.movielens is \[\]"),
        (
            {"datasets": ["movielens", "cals"], "seeds": {"movielens": [0], "calls": [0]}},
            "smoke.tables.all.seeds has none for the data set .cals.: give it one",
        ),
        ({"init_std": float("inf")}, "smoke.tables.all.init_std is inf"),
        ({"train": {"batch": 2**40}}, "smoke.tables.all.train.batch is 1099511627776"),
    ],
)
def test_wrong_values_are_named_before_any_work(project, section, sentence):
    edit(project, all=section)
    with pytest.raises(StudyError, match=sentence):
        chapters.parameters(demo())


def test_a_chapters_own_section_comes_over_the_shared_one(project):
    listed = {"demo": {"notebook": "tables/10-demo", "own": "demo"}}
    file = project / "notebooks" / "chapters.yaml"
    file.write_text(yaml.safe_dump({"chapters": {"tables": listed}}))
    edit(project, all={"dim": 4, "budgets": [0.5]}, demo={"dim": 8})
    assert chapters.parameters(demo()) == {"dim": 8, "budgets": [0.5]}
    edit(project, demo={"dimm": 8})
    with pytest.raises(StudyError, match="smoke.tables.demo.dimm is not a parameter"):
        chapters.parameters(demo())


def test_a_catalogue_that_points_nowhere_is_told(project, write_notebook):
    with pytest.raises(StudyError, match="tables/demo has no notebook .*10-demo.ipynb"):
        chapters.check_all()
    write_notebook("tables/10-demo", ["parameters = {}"])
    chapters.check_all()
    listed = {"demo": {"notebook": "tables/10-demo", "settings": "tables.settings:Gone"}}
    file = project / "notebooks" / "chapters.yaml"
    file.write_text(yaml.safe_dump({"chapters": {"tables": listed}}))
    with pytest.raises(
        StudyError, match="has the settings 'tables.settings:Gone', which cannot be"
    ):
        chapters.check_all()


def test_the_parameters_of_this_study_are_right():
    chapters.check_all()
