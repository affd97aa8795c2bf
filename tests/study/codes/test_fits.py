"""Slow fits are made once for all runs that share them, and only for those."""

from dataclasses import replace

import numpy as np
import pytest

from embedstudy import codes
from embedstudy.codes.quantisers import PQ
from embedstudy.codes.rotation import ITQ
from embedstudy.core import paths
from embedstudy.study.codes import fits
from embedstudy.study.codes import run as codes_run
from embedstudy.study.codes.types import CodecRun

DIM = 32
VECTORS = np.random.default_rng(0).normal(size=(300, DIM)).astype(np.float32)


def run(codec, **others):
    spec = codes.spec(codec)
    values = {
        "backbone": "mini", "family": "codecs", "method": spec["method"], "label": codec.name,
        "options": spec["options"], "budget": 0.1, "seed": 0, "dim": DIM,
        "tasks": {"docs": {"documents": 60}, "reviews": {}}, "training": {"docs": 9, "reviews": 8},
    }  # fmt: skip
    return CodecRun(**values | others)


def identities(codec, **others):
    return {name: identity for name, (identity, _) in fits.shares(run(codec, **others)).items()}


def test_codecs_that_only_score_otherwise_share_a_fit():
    plain, hamming = identities(ITQ()), identities(ITQ(queries="codes"))
    assert list(plain) == ["docs.0", "reviews.0"]
    assert plain == hamming == identities(codes.Rescored(ITQ(queries="codes"), codes.Integer()))
    both = identities(codes.Rescored(PQ(4), ITQ()))
    assert (both["docs.0"], both["docs.1"]) == (identities(PQ(4))["docs.0"], plain["docs.0"])


@pytest.mark.parametrize(
    ("codec", "others"),
    [
        (ITQ(iterations=5), {}),
        (ITQ(), {"seed": 1}),
        (ITQ(), {"fitted_on": "corpus"}),
        (ITQ(), {"training": {"docs": 10, "reviews": 8}}),
        (ITQ(16), {}),
    ],
)
def test_whatever_changes_a_fit_is_in_its_identity(codec, others):
    assert identities(codec, **others)["docs.0"] != identities(ITQ())["docs.0"]


def test_quick_fits_are_not_kept():
    assert fits.shares(run(codes.Integer())) == {}
    assert fits.shares(run(codes.build("projected", {"reduction": "pca", "dims": 4}))) == {}


def test_a_fit_that_was_kept_is_the_same_and_takes_no_time(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    shared = {"docs.0": "k1"}
    first, seconds = fits.fitted(run(ITQ(), shared=shared), "docs", VECTORS)
    fresh, _ = fits.fitted(run(ITQ()), "docs", VECTORS)
    monkeypatch.setattr(ITQ, "_fit", lambda *_: pytest.fail("it was kept"))
    rescored = codes.Rescored(ITQ(queries="codes"), codes.Integer())
    kept, told = fits.fitted(run(rescored, shared=shared), "docs", VECTORS)
    assert told >= seconds > 0, "the seconds are those of the fit"
    assert kept.trained_on == kept.first.trained_on == len(VECTORS)
    encoded = fresh.encode(VECTORS)
    assert np.array_equal(first.encode(VECTORS), encoded)
    assert np.array_equal(kept.encode(VECTORS)[:, :4], encoded)
    assert kept.search(VECTORS[:3], kept.encode(VECTORS), 5).shape == (3, 5)


def test_a_run_depends_on_every_codec_inside_it_and_on_the_texts_it_is_fitted_on():
    inside = codes.Rescored(PQ(4), codes.build("projected", {"reduction": "pca", "dims": 4}))
    names = codes_run.sources(run(inside))
    for module in ("binary", "quantisers", "projection", "scalar"):
        assert f"embedstudy.codes.{module}" in names
    foreign = run(PQ(4), tasks={"scifact": {}})
    assert codes_run.prepared(foreign) == ["docs", "reviews", "scifact"]
    assert codes_run.prepared(replace(foreign, fitted_on="corpus")) == ["scifact"]
