"""Chapters run by hand, as a reader of the notebooks would."""

import pytest
from checkouts import needs_data

from embedstudy.core import catalogue

pytestmark = needs_data


@pytest.mark.parametrize("chapter", [one.notebook for one in catalogue.chapters()])
def test_a_chapter_runs_by_hand_from_its_own_folder_and_changes_no_result(checkout, chapter):
    before = checkout.rows()
    notebook = checkout.folder / "notebooks" / f"{chapter}.ipynb"
    command = ["jupyter", "nbconvert", "--to", "notebook", "--execute", "--stdout"]
    checkout.run(*command, notebook.name, folder=notebook.parent)
    assert checkout.rows() == before
    assert checkout.run("git", "status", "--porcelain") == ""
