"""One run of the Matryoshka chapter, with a tiny encoder in MiniLM's place."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from tiny_encoder import write_encoder

from embedstudy.core import paths
from embedstudy.core.errors import StudyError
from embedstudy.core.schema import read
from embedstudy.encoders.core import pretrained
from embedstudy.encoders.core.encode import encode
from embedstudy.encoders.matryoshka.submodels import pooled_model
from embedstudy.study.engine.result import GridResult
from embedstudy.study.engine.store import digest
from embedstudy.study.evidence.text_evidence import TextEvidence
from embedstudy.study.matryoshka import findings as matryoshka_findings
from embedstudy.study.matryoshka import run as matryoshka_run
from embedstudy.study.matryoshka.cuts import cut
from embedstudy.study.matryoshka.data import docs_pairs, training_sets
from embedstudy.study.matryoshka.grid import matryoshka_runs, size_budget
from embedstudy.study.matryoshka.settings import MatryoshkaSettings

WORDS = ["the", "cat", "dog", "sat", "on", "mat", "wing", "flow"]
SETTINGS = {
    "sizes": [[1, 8], [2, 32]],
    "judged": [[1, 8], [2, 32]],
    "seeds": [0],
    "tasks": {"docs": {"queries": 10, "documents": 20}},
    "train": {
        "data": ["docs"],
        "steps": 2,
        "seconds": 0,
        "batch": 4,
        "lr": 1e-3,
        "pairs": 20,
        "principal": 20,
        "pretrain": 2,
    },
    "length": 12,
}
METHODS = {name: name for name in matryoshka_run.METHODS if name != "full"}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return write_encoder(tmp_path_factory.mktemp("tiny") / "made")


@pytest.fixture(autouse=True)
def prepared(tmp_path, monkeypatch, tiny):
    monkeypatch.setattr(paths, "PREPARED", tmp_path / "prepared")
    monkeypatch.setattr(paths, "RUNS", tmp_path / ".cache" / "runs")
    monkeypatch.setattr(pretrained, "minilm", lambda: pretrained.load_encoder(tiny))
    rng = np.random.default_rng(0)
    (tmp_path / "prepared" / "docs").mkdir(parents=True)
    for split in ("train", "test"):
        texts = [" ".join(rng.choice(WORDS, 4)) for _ in range(60)]
        frame = {"query": [text[:8] for text in texts], "document": texts}
        pl.DataFrame(frame).write_parquet(tmp_path / "prepared" / "docs" / f"{split}.parquet")


def outcome(run):
    matryoshka_run.check(run)
    shared = {name: digest(what) for name, (what, _) in matryoshka_run.shares(run).items()}
    return matryoshka_run.work(replace(run, shared=shared), lambda *_: None)


def test_every_method_is_judged_at_every_size_and_trains_once(tmp_path):
    grid = matryoshka_runs(METHODS, read(MatryoshkaSettings, SETTINGS))
    assert [run.size for run in grid][:2] == [(2, 32), (2, 32)]
    ends = [outcome(run) for run in grid]
    for run, end in zip(grid, ends, strict=True):
        assert end.arrays["docs"].shape == (10,)
        assert end.result["layers"] == run.size[0]
    trained = list((tmp_path / ".cache" / "trained").glob("*.safetensors"))
    assert len(trained) == len(matryoshka_run.LOSSES), "one training a loss, whatever the sizes"
    rows = pl.DataFrame(
        [
            {"key": f"k{i}", "status": "ok"} | run.identity() | end.result
            for i, (run, end) in enumerate(zip(grid, ends, strict=True))
        ],
        infer_schema_length=None,
    )
    scores = {f"k{i}.docs": end.arrays["docs"].astype(np.float32) for i, end in enumerate(ends)}
    gathered = TextEvidence.of(
        GridResult(rows, pl.DataFrame(scores), pl.DataFrame(), pl.DataFrame())
    )
    table = matryoshka_findings.primary(gathered, [[1, 8]], "2dmse")
    assert table.filter(pl.col("label") == "2dmse")["delta"].to_list() == [0]
    assert len(table) == len(METHODS)
    assert "(" in matryoshka_findings.findings(table, "2dmse")[0]
    wide = matryoshka_findings.by_size(gathered.ok)
    assert wide.columns == ["dataset", "label", "1 × 8", "2 × 32"]


def test_budgets_are_the_parameters_of_minilm():
    blocks = 22_713_216 - 5 * 1_774_464 + 48 * 384
    assert size_budget((1, 48)) == round(blocks / 22_713_216, 4)
    assert size_budget((6, 384)) == 1


def test_each_training_set_has_the_loss_that_fits_it(tmp_path, tiny):
    pairs = {"sentence1": ["a", "the"], "sentence2": ["cat", "dog"], "score": [1.0, 5.0]}
    inference = {
        "premise": ["the cat", "the cat", "the cat", "a dog"],
        "hypothesis": ["cat", "mat", "dog", "dog"],
        "label": ["entailment", "neutral", "contradiction", "entailment"],
    }
    for name, frame in (("sick", pairs), ("snli", inference)):
        (tmp_path / "prepared" / name).mkdir()
        for split in ("train", "valid", "test"):
            pl.DataFrame(frame).write_parquet(tmp_path / "prepared" / name / f"{split}.parquet")
    model = pretrained.load_encoder(tiny)
    made = training_sets(["docs", "sick", "snli"], 5, [], model, lambda base: base)
    losses = [type(one.loss).__name__ for one in made]
    ranking = "MultipleNegativesRankingLoss"
    assert losses == [ranking, "CoSENTLoss", ranking]
    assert made[1].labels == [0.0, 1.0]
    assert made[2].columns == [["the cat"], ["cat"], ["dog"]]
    assert len(made[0].columns[0]) == 5


def grid_run(method, size=(1, 8)):
    grid = matryoshka_runs(METHODS, read(MatryoshkaSettings, SETTINGS))
    return next(run for run in grid if (run.method, run.size) == (method, size))


@pytest.mark.parametrize("method", ["centred", "plain_centred", "pca", "plain_pca", "map"])
def test_a_cut_takes_off_the_mean_of_training_documents(tiny, method):
    run, model = grid_run(method), pretrained.load_encoder(tiny)
    pooled = pooled_model(model, 1)
    texts = docs_pairs(20)[1]
    mean = encode(pooled, texts).mean(0)
    centred = encode(pooled, WORDS) - mean
    rotated = method.endswith(("pca", "map"))  # no step: a map starts as the principal axes
    if rotated:
        _, _, axes = np.linalg.svd(encode(pooled, texts) - mean)
        expected = abs(centred @ axes[:8].T)  # an axis has no sign
    else:
        expected = centred[:, :8]
    expected = expected / np.linalg.norm(expected, axis=1, keepdims=True)
    found = encode(cut(run, model), WORDS)
    found = abs(found) if rotated else found
    assert found == pytest.approx(expected, abs=1e-3)


def test_a_trained_model_is_cut_in_two_ways_after_one_training():
    shares = [matryoshka_run.shares(grid_run(method)) for method in ("plain", "plain_pca")]
    assert shares[0] == shares[1]
    assert shares[0] != matryoshka_run.shares(grid_run("mrl"))
    assert not matryoshka_run.shares(grid_run("centred"))


def test_a_training_depends_on_which_tasks_there_are_not_on_their_size():
    run = grid_run("plain")
    fewer = replace(run, tasks={"docs": {"queries": 5, "documents": 20}})
    other = replace(run, tasks={"docs": {}, "STS-B": {}})
    key, same, changed = (matryoshka_run.shares(one)["training"] for one in (run, fewer, other))
    assert key == same
    assert changed != key
    assert "embedstudy.sources.text.stsb" in changed[1]


def test_two_methods_are_compared_in_a_sentence_a_task():
    scores = {f"k{i}.docs": np.array(v) for i, v in enumerate([[0.5, 0.7], [0.4, 0.6]])}
    rows = pl.DataFrame(
        {"key": ["k0", "k1"], "status": "ok", "label": ["SRL", "PCA"], "method": ["srl", "pca"]}
        | {"seed": 0, "budget": size_budget((2, 96)), "family": "f", "backbone": "b"}
    )
    frames = rows, pl.DataFrame(scores), pl.DataFrame(), pl.DataFrame()
    gathered = TextEvidence.of(GridResult(*frames))
    said = matryoshka_findings.versus(gathered, [[2, 96]], [("SRL", "PCA"), ("SRL", "MRL")])
    assert said == ["docs: SRL minus PCA: +10.00 points (+10.00 to +10.00)."]


def test_mistakes_are_one_sentence():
    run = matryoshka_runs(METHODS, read(MatryoshkaSettings, SETTINGS))[1]
    with pytest.raises(StudyError, match="Unknown method 'zip': choose from full, truncate"):
        matryoshka_run.check(replace(run, method="zip"))
    with pytest.raises(StudyError, match="name some of docs, stsb, sick, snli"):
        matryoshka_run.check(replace(run, train=replace(run.train, data=["wikipedia"])))
    with pytest.raises(StudyError, match="9 layers and 8 dimensions is asked"):
        matryoshka_run.check(replace(run, size=(9, 8)))
