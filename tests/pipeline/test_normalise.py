import nbformat
import pytest
from nbformat import v4

from embedstudy.pipeline.normalise import normalise, to_bytes


def executed(stamp, ident, chunks):
    """A notebook as papermill leaves it: ``stamp`` and ``ident`` differ from run to run, and so
    does how the kernel cuts what is printed."""
    cell = v4.new_code_cell("print(1)\nchart", execution_count=1, id=ident)
    cell.metadata = {"tags": ["keep"], "papermill": {"start": stamp}, "execution": {"at": stamp}}
    cell.outputs = [
        *(v4.new_output("stream", name="stdout", text=text) for text in chunks),
        v4.new_output("stream", name="stderr", text=f"37/120 runs, {stamp}"),
        v4.new_output("stream", name="stdout", text="end\n"),
        v4.new_output("execute_result", {"text/plain": f"<Chart at 0x7f{stamp}ab>"}),
        v4.new_output("display_data", {"text/html": "<div id=chart></div>"}),
    ]
    words = v4.new_markdown_cell("# Title", id=f"m{ident}")
    notebook = v4.new_notebook(cells=[words, cell])
    notebook.metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3"},
        "papermill": {"start_time": stamp},
        "widgets": {"state": stamp},
    }
    return notebook


def test_two_runs_give_the_same_bytes():
    first = normalise(executed("1111", "abc", ["a\n", "b\n"]))
    second = normalise(executed("2222", "def", ["a\nb\n"]))
    assert to_bytes(first) == to_bytes(second)


def test_what_a_reader_needs_is_kept():
    notebook = nbformat.reads(to_bytes(normalise(executed("1111", "abc", ["a\n"]))).decode(), 4)
    nbformat.validate(notebook)
    words, cell = notebook.cells
    assert words.source == "# Title"
    assert (words.id, cell.id) == ("c000", "c001")
    assert cell.metadata == {"tags": ["keep"]}
    assert notebook.metadata.kernelspec.name == "python3"
    printed, result, display = cell.outputs
    assert (printed.name, printed.text) == ("stdout", "a\nend\n")
    assert result.data["text/plain"] == "<Chart at 0x…>"
    assert display.data["text/html"] == "<div id=chart></div>"
    assert cell.execution_count == 1


@pytest.mark.parametrize("kept", ["0x12", "mask 0xffg", "sha 3f0x00ff00ff"])
def test_what_only_looks_like_an_address_is_kept(kept):
    cell = v4.new_code_cell("x", id="a")
    cell.outputs = [v4.new_output("execute_result", {"text/plain": kept})]
    normalise(v4.new_notebook(cells=[cell]))
    assert cell.outputs[0].data["text/plain"] == kept
