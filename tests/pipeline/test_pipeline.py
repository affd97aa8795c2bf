"""The whole pipeline, end to end, on the smoke profile: a fresh checkout, real data, DVC."""

import json
import shutil

import polars as pl
import pytest
from checkouts import CHAPTERS, TABLES, needs_data
from stages import LIB, STAGES, covered, holds_code

from embedstudy.core import catalogue
from embedstudy.study.engine.imports import PACKAGE, run_sources
from embedstudy.study.tables import run

pytestmark = needs_data


def test_every_chapter_ran_and_the_report_is_there(checkout):
    reports = checkout.folder / "reports"
    for notebook in (checkout.folder / "notebooks").rglob("*.ipynb"):
        page = notebook.relative_to(checkout.folder / "notebooks").with_suffix(".html")
        assert (reports / "pages" / page).is_file(), page
    assert "The frontier" in (reports / "index.html").read_text()


def test_every_run_succeeded_or_was_honestly_not_feasible(checkout):
    for chapter in CHAPTERS:
        rows = pl.read_parquet(checkout.folder / "results" / chapter / "rows.parquet")
        assert set(rows["status"]) <= {"ok", "infeasible"}
        if chapter not in TABLES:
            continue
        ok = rows.filter((pl.col("status") == "ok") & (pl.col("family") != "reference"))
        assert (ok["serve_bytes"] <= ok["budget_bytes"]).all()
        for row in ok.to_dicts():
            file = checkout.folder / "results" / chapter / "artefacts" / f"{row['key']}.safetensors"
            assert file.stat().st_size == row["serve_bytes"]


def test_a_second_repro_does_nothing(checkout):
    assert "up to date" in checkout.run("dvc", "repro")
    assert checkout.run("git", "status", "--porcelain") == ""


def test_an_edited_method_concerns_its_chapter_and_what_is_drawn_from_it(checkout):
    method = checkout.folder / "lib" / "embedstudy" / "tables" / "fewer_bits" / "alpt.py"
    before = method.read_text()
    method.write_text(before + "\n# edited\n")
    changed = set(json.loads(checkout.run("dvc", "status", "--json")))
    method.write_text(before)
    assert changed == {"tables@fewer_bits", "report"}


def test_a_reworded_message_and_a_comment_repeat_no_run(checkout):
    """Stages that depend on the folder show themselves anew; what was trained stays."""
    edited = {
        "core/params.py": ('"""The parameters', '"""All parameters'),
        "core/errors.py": ("class StudyError", "# the base of all\nclass StudyError"),
        "core/schema.py": ("is not a parameter", "is no parameter"),
        "tables/fewer_bits/alpt.py": ("class ALPT", "# learned steps\nclass ALPT"),
    }
    lib, before = checkout.folder / "lib" / "embedstudy", {}
    recorded = sorted(path.name for path in (checkout.folder / ".cache" / "runs").iterdir())
    for name, (old, new) in edited.items():
        before[name] = (lib / name).read_text()
        assert old in before[name], name
        (lib / name).write_text(before[name].replace(old, new, 1))
    stages = ("tables@fewer_bits", "encoders-matryoshka", "codes@codecs")
    checkout.run("dvc", "repro", "--single-item", *stages)
    for name, text in before.items():
        (lib / name).write_text(text)
    after = sorted(path.name for path in (checkout.folder / ".cache" / "runs").iterdir())
    assert after == recorded
    checkout.run("git", "checkout", "--", ".")


def test_a_run_without_any_record_gives_the_same_bytes(checkout):
    before = checkout.rows()
    for record in ("runs", "trained"):
        shutil.rmtree(checkout.folder / ".cache" / record)
    stages = ("tables@baselines", "tables@fewer_bits", "tables@fewer_nonzeros")
    checkout.run("dvc", "repro", "--force", "--single-item", *stages)
    assert checkout.rows() == before
    assert checkout.run("git", "status", "--porcelain") == ""


def test_every_run_executed_only_what_its_stage_depends_on(checkout):
    """Methods and backbones are loaded by name: their files are among the dependencies too."""
    for chapter in catalogue.of_place("tables"):
        _, deps, _ = STAGES[f"tables@{chapter.name}"]
        rows = pl.read_parquet(checkout.folder / "results" / chapter.key / "rows.parquet")
        for line in rows.select("family", "method", "backbone").unique().to_dicts():
            method = run.method_class(line["family"], line["method"]).__module__
            backbone = run.backbone_class(line["backbone"]).__module__
            for path in run_sources(run.__name__, [method, backbone]):
                assert not holds_code(path) or covered(LIB / path.relative_to(PACKAGE), deps), path


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            "profile: smoke",
            "profile: somke",
            "profile is 'somke': it must be one of full, quick, smoke",
        ),
        ("epochs: 2", "epochs: two", "whole number"),
        ("budgets: [0.5, 0.1]", "budgets: [0.5, 2]", "above 0 and at most 1"),
        ("backbone_options", "backbone_option", "did you mean 'backbone_options'"),
        ("device: auto", "device: cuda", "CUDA"),
    ],
)
def test_wrong_parameters_are_refused_in_one_sentence_before_any_work(checkout, old, new, sentence):
    path = checkout.folder / "params.yaml"
    before = path.read_text()
    assert old in before
    path.write_text(before.replace(old, new, 1))
    try:
        said = checkout.run("python", "-m", "embedstudy.pipeline.chapters", code=1)
    finally:
        path.write_text(before)
    assert said.startswith("error: ")
    assert sentence in said
    assert "Traceback" not in said
