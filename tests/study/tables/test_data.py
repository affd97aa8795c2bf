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


def test_a_subset_builds_its_vocabulary_from_its_own_training_part(prepared):
    data = load_ctr(prepared, events=600, min_count=3)
    assert sum(len(split.labels) for split in (data.train, data.valid, data.test)) == 600
    start = 0
    for rows, counts in zip(data.field_rows, data.counts.split(list(data.field_rows)), strict=True):
        kept = counts[1:]
        assert (kept >= 3).all(), "rare values must share the out-of-vocabulary row"
        assert (kept[:-1] >= kept[1:]).all(), "ids must be ordered by descending frequency"
        start += rows
    trained = set(data.train.ids[:, 0].tolist())
    for event, unseen in zip(data.test.ids.tolist(), data.test.unseen.tolist(), strict=True):
        assert event[0] in trained or unseen or event[0] == 0


def test_a_data_set_that_is_not_prepared_is_one_sentence(prepared):
    with pytest.raises(StudyError, match="'nowhere' is not prepared.*dvc repro"):
        load_ctr("nowhere")
