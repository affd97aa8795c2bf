import pytest
import yaml

from embedstudy.core import catalogue, paths
from embedstudy.core.errors import StudyError


def write(project, text):
    (project / "notebooks" / "chapters.yaml").write_text(text)


def test_chapters_come_in_reading_order_whatever_their_group(project):
    chapters = {
        "reading": {"claims": {"notebook": "91-claims"}, "start": {"notebook": "00-start"}},
        "tables": {"b": {"notebook": "tables/12-b"}, "a": {"notebook": "tables/11-a"}},
        "codes": {"few_bits": {"notebook": "codes/30-few-bits"}},
    }
    write(project, yaml.safe_dump({"chapters": chapters}, sort_keys=False))
    keys = [one.key for one in catalogue.chapters()]
    assert keys == ["start", "tables/a", "tables/b", "codes/few_bits", "claims"]
    assert [one.key for one in catalogue.of_place("tables")] == ["tables/a", "tables/b"]
    assert catalogue.find("codes/few_bits") == catalogue.find("codes/30-few-bits")


def test_an_unknown_chapter_is_named_with_the_nearest(project):
    with pytest.raises(StudyError, match="no chapter 'tables/10-dmo': did you mean 'tables/10-d"):
        catalogue.find("tables/10-dmo")


@pytest.mark.parametrize(
    "text", ["", "chapters: [a]", "chapters: {tables: {a: {}}}", "a: [", "a: 1"]
)
def test_a_file_that_is_no_catalogue_is_refused(project, text):
    write(project, text)
    with pytest.raises(
        StudyError,
        match=r"chapters.yaml is not (a catalogue|valid YAML)",
    ):
        catalogue.chapters()


def test_a_missing_catalogue_is_one_sentence(project):
    (project / "notebooks" / "chapters.yaml").unlink()
    with pytest.raises(StudyError, match=r"chapters.yaml cannot be read"):
        catalogue.chapters()


def test_every_notebook_is_a_chapter_and_every_chapter_a_notebook():
    found = [path for path in paths.NOTEBOOKS.rglob("*.ipynb") if ".ipynb_" not in str(path)]
    on_disk = {p.relative_to(paths.NOTEBOOKS).with_suffix("").as_posix() for p in found}
    assert {one.notebook for one in catalogue.chapters()} == on_disk
