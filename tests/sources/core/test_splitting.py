import numpy as np

from embedstudy.sources.core.splitting import SPLITS, parts, random_parts


def test_parts_keep_the_order_in_8_1_1():
    cut = parts(np.arange(25))
    assert list(cut) == list(SPLITS)
    assert [len(rows) for rows in cut.values()] == [20, 2, 3]
    assert np.concatenate(list(cut.values())).tolist() == list(range(25))


def test_random_parts_deal_every_row_once_and_sorted():
    dealt = random_parts(1000, np.random.default_rng(0))
    assert [len(rows) for rows in dealt.values()] == [800, 100, 100]
    assert sorted(np.concatenate(list(dealt.values()))) == list(range(1000))
    assert all((np.diff(rows) > 0).all() for rows in dealt.values())
    assert dealt["test"].tolist() != list(range(900, 1000))
