"""dvc.yaml against the code: a stage depends on all that it reaches, by folder or by file."""

import pytest
from stages import LIB, STAGES, covered, executed, holds_code

from embedstudy.core import catalogue, paths
from embedstudy.study.engine.imports import PACKAGE, closure


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_depends_on_every_module_that_it_reaches(name):
    commands, deps, _ = STAGES[name]
    reached = [path for path in closure(*executed(commands)) if holds_code(path)]
    names = [LIB / path.relative_to(PACKAGE) for path in reached]
    assert [str(path) for path in names if not covered(path, deps)] == []


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_depends_on_no_folder_that_it_does_not_reach(name):
    commands, deps, _ = STAGES[name]
    reached = [LIB / path.relative_to(PACKAGE) for path in closure(*executed(commands))]
    own = [dep for dep in deps if dep.is_relative_to(LIB) and dep.suffix in ("", ".py")]
    assert [str(dep) for dep in own if not any(path.is_relative_to(dep) for path in reached)] == []


@pytest.mark.parametrize("name", STAGES)
def test_what_a_stage_depends_on_is_there_or_made_by_another(name):
    _, deps, _ = STAGES[name]
    made = [out for _, _, outs in STAGES.values() for out in outs]
    for dep in deps:
        if dep.parts[0] in ("results", "reports"):
            assert covered(dep, made) or any(out.is_relative_to(dep) for out in made), dep
        elif dep.parts[0] != "data":
            assert (paths.ROOT / dep).exists(), dep


def test_every_chapter_is_a_stage():
    notebooks = {path for stage in STAGES.values() for path in executed(stage[0])}
    for chapter in catalogue.chapters():
        assert paths.NOTEBOOKS / f"{chapter.notebook}.ipynb" in notebooks, chapter.key


def test_few_lines_tell_the_whole_pipeline():
    lines = (paths.ROOT / "dvc.yaml").read_text().splitlines()
    assert len(lines) <= 400
    assert sum("- lib/" in line for line in lines) <= 220
