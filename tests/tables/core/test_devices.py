"""Tables on another device than the CPU: no operation mixes the two, and vectors are the same."""

from dataclasses import replace

import pytest
import recipes
import torch
from elsewhere import DEVICE, elsewhere
from recipes import listed_methods, run_recipe, toy
from torch.optim import Adam

from embedstudy.study.tables import train
from embedstudy.study.tables.data import CtrData
from embedstudy.tables.sharing_rows.kmeans_rows import KMeansRows

METHODS = listed_methods() | {"kmeans_rows": KMeansRows}
SEARCH = {"search_epochs": 1}
# Methods that have more than one form or take long by default; every other one is a case as it is.
FORMS = {
    "rowwise": [{"bits": 8}, {"bits": 4}],
    "pq": [{}, {"rotate": True}],
    "dpq": [{}, {"mode": "sx"}],
    "svd": [{}, {"weighted": True}],
    "adapt_emb": [{}, {"hashes": 2}],
    "dedup": [{"block": 4}],
    "cce": [{"chunks": 2}],
    "cafe": [{"threshold": 5.0}],
    "autodim": [SEARCH],
    "optembed": [SEARCH | {"population": 4, "generations": 1}],
    "optembed_e": [SEARCH],
}
CASES = [(name, options) for name in METHODS for options in FORMS.get(name, [{}])]


def moved(data: CtrData) -> CtrData:
    """The data set with its splits on the second device."""
    splits = {name: getattr(data, name).to(DEVICE) for name in ("train", "valid", "test")}
    return replace(data, **splits)


def plain_adam(parameters, lr, fused=False):
    """Adam without the kernel that exists for real devices only."""
    return Adam(parameters, lr, foreach=False)


def test_the_second_device_refuses_the_tensors_of_the_first():
    with elsewhere():
        there = torch.arange(3).to(DEVICE)
        assert (there + torch.arange(3, device=DEVICE)).cpu().tolist() == [0, 2, 4]
        assert (there * 2 + torch.tensor(1)).cpu().tolist() == [1, 3, 5]
        assert torch.equal(torch.tensor([0, 1, 2], device=DEVICE), there)
        with pytest.raises(RuntimeError, match="on the second device and on the CPU"):
            there + torch.arange(3)


@pytest.mark.parametrize(("name", "options"), CASES, ids=str)
def test_a_method_trains_and_serves_on_another_device(name, options, monkeypatch):
    monkeypatch.setattr(torch.optim, "Adam", plain_adam)
    # Tensors of the second device cannot be inference tensors.
    monkeypatch.setattr(train, "predict", torch.no_grad()(train.predict.__wrapped__))
    arguments = {"share": 0.6, "epochs": 2, **options}
    here = run_recipe(METHODS[name], data=toy(events=600), **arguments)
    ids = torch.arange(here.spec.rows)
    expected = here.model.table.eval()(ids).detach()
    monkeypatch.setattr(recipes, "Model", lambda *parts: train.Model(*parts).to(DEVICE))
    with elsewhere():
        there = run_recipe(METHODS[name], data=moved(toy(events=600)), **arguments)
        table = there.model.table.eval()
        assert {t.device for t in (*table.parameters(), *table.buffers())} <= {DEVICE}
        found = table(ids.to(DEVICE)).detach().cpu()
        compact = table.compact()
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-3)
    assert compact.bytes() == here.model.table.compact().bytes()
