import pytest

from embedstudy.study.tables import skew
from embedstudy.study.tables.data import load_ctr


@pytest.mark.parametrize("exponent", [0.5, 1.0, 1.7])
def test_the_exponent_of_an_exact_power_law_is_found_in_any_order(exponent):
    frequencies = [1e6 * rank**-exponent for rank in range(1, 2001)]
    assert skew.zipf_exponent(frequencies[::-1]) == pytest.approx(exponent)


def test_one_id_has_no_slope():
    with pytest.raises(ValueError, match="at least two ids, got 1"):
        skew.zipf_exponent([3])


def test_tables_describe_the_data_and_every_finding_names_its_set(prepared):
    loaded = {"toy": load_ctr(prepared)}
    cardinality = skew.cardinalities(loaded, dim=4)
    assert cardinality["field"].to_list() == ["field0", "field1", "field2"]
    assert cardinality["bytes"].to_list() == [41 * 16, 31 * 16, 5 * 16]
    leaks = skew.leakage(loaded).row(0, named=True)
    train = {tuple(event) for event in loaded["toy"].train.ids.tolist()}
    equal = [tuple(event) in train for event in loaded["toy"].test.ids.tolist()]
    assert leaks["equal_to_a_training_event"] == pytest.approx(sum(equal) / len(equal))
    said = skew.findings(cardinality, skew.summary(loaded), skew.leakage(loaded))
    assert len(said) == 3
    assert all(sentence.startswith("toy: ") for sentence in said)


def test_the_curve_holds_the_head_and_the_tail(prepared):
    data = load_ctr(prepared)
    curve = skew.rank_frequency({"toy": data})
    counts = sorted(data.counts[1:41].tolist(), reverse=True)
    assert curve["frequency"][0] == counts[0]
    assert curve["rank"][-1] == sum(count > 0 for count in counts)
