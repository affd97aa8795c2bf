import pytest

from embedstudy.core import paths
from embedstudy.core.errors import StudyError
from embedstudy.core.schema import read
from embedstudy.study.encoder import show
from embedstudy.study.encoder.settings import EncoderSettings


def settings(*tasks):
    return EncoderSettings(tasks={name: {} for name in tasks})


@pytest.fixture
def docs(project):
    (paths.PREPARED / "docs").mkdir(parents=True)


def test_an_official_task_that_is_not_prepared_is_left_out_and_told(docs, capsys):
    assert list(show.prepared(settings("docs", "STS-B")).tasks) == ["docs"]
    assert "Left out, not prepared: STS-B." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("dosc", "There is no task 'dosc': did you mean 'docs'"),
        ("reviews", "The data of task 'reviews' are not prepared: run `dvc repro`"),
    ],
)
def test_a_misspelt_task_makes_no_smaller_study(docs, name, sentence):
    with pytest.raises(StudyError, match=sentence):
        show.prepared(settings("docs", name))


def test_where_no_task_is_left_there_is_no_study(project):
    with pytest.raises(StudyError, match=r"No task of tasks is prepared \(STS-B\)"):
        show.prepared(settings("STS-B"))


@pytest.mark.parametrize(
    ("tasks", "sentence"),
    [
        ({}, "tasks is {}: it must be a map of at least 1"),
        ({"docs": {"querys": 5}}, "tasks.docs.querys is not a parameter: did you mean 'queries'"),
        ({"docs": {"queries": 0}}, "tasks.docs.queries is 0"),
        ({"docs": 5}, "tasks.docs is 5: it must be a map"),
    ],
)
def test_limits_that_make_no_task_are_named(tasks, sentence):
    with pytest.raises(StudyError, match=sentence):
        read(EncoderSettings, {"tasks": tasks})
