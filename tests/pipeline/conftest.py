"""The pipeline runs once; each module works in a copy of its own."""

import pytest
from checkouts import Checkout
from filelock import FileLock


@pytest.fixture(scope="session")
def finished(tmp_path_factory, worker_id):
    """The folder of a checkout in which ``dvc repro`` has run, one for all workers."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "finished"
    with FileLock(folder.with_suffix(".lock")):
        if not folder.with_suffix(".done").exists():
            made = Checkout.of_working_tree(folder)
            made.run("dvc", "repro")
            made.commit("run")
            folder.with_suffix(".done").touch()
    return folder


@pytest.fixture(scope="module")
def checkout(finished, tmp_path_factory):
    """A checkout in which ``dvc repro`` has run once."""
    return Checkout.copy_of(finished, tmp_path_factory.mktemp("checkout") / "repo")
