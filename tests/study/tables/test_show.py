import json

import pytest

from embedstudy.core import paths
from embedstudy.core.errors import StudyError
from embedstudy.study.tables import show
from embedstudy.study.tables.settings import TableSettings


def settings(*datasets):
    return TableSettings(datasets=list(datasets), seeds={name: [0] for name in datasets})


def test_an_official_set_that_is_not_prepared_is_left_out_and_told(prepared, capsys):
    kept = show.prepared(settings(prepared, "frappe"))
    assert kept.datasets == [prepared]
    assert "Left out: 'frappe' is not prepared." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("cals", "There is no data set 'cals': did you mean 'calls'. A table of your own"),
        ("xyz", "There is no data set 'xyz': known are avazu, calls, criteo"),
        ("docs", "There is no data set 'docs'"),
        ("corpus", "There is no data set 'corpus'"),
        ("../toy", "'../toy' is no name for a data set"),
        ("calls", "Data set 'calls' is not prepared: run `dvc repro`"),
    ],
)
def test_a_misspelt_set_makes_no_smaller_study(prepared, name, sentence):
    with pytest.raises(StudyError, match=sentence):
        show.prepared(settings(prepared, name))


def test_a_set_of_another_kind_is_refused(prepared):
    folder = paths.PREPARED / "touche"
    folder.mkdir()
    (folder / "spec.json").write_text(json.dumps({"name": "touche", "kind": "retrieval"}))
    with pytest.raises(StudyError, match="'touche' holds retrieval: the chapters on tables need"):
        show.prepared(settings(prepared, "touche"))


def test_where_no_set_is_left_there_is_no_study(prepared):
    with pytest.raises(StudyError, match=r"No data set of datasets is prepared \(frappe\)"):
        show.prepared(settings("frappe"))
