import pytest
import torch

from embedstudy.core.errors import StudyError
from embedstudy.study.tables.data import load_ctr


def test_ids_are_offset_by_field_and_counted_on_train_only(prepared):
    data = load_ctr(prepared)
    assert data.field_rows == (41, 31, 5)
    low, high = data.train.ids.min(0).values, data.train.ids.max(0).values
    assert (low >= torch.tensor([0, 41, 72])).all()
    assert (high < torch.tensor([41, 72, 77])).all()
    assert int(data.counts.sum()) == data.train.ids.numel()
    assert int(data.counts[data.train.ids[0, 0]]) == int(
        (data.train.ids[:, 0] == data.train.ids[0, 0]).sum()
    )


def test_a_data_set_that_is_not_prepared_is_one_sentence(prepared):
    with pytest.raises(StudyError, match="'nowhere' is not prepared.*dvc repro"):
        load_ctr("nowhere")
