"""An executed notebook without what differs between two runs of it."""

import re

import nbformat
from nbformat import NotebookNode

_ADDRESS = re.compile(r"\b0x[0-9a-f]{6,16}\b")
_TIMED = ("papermill", "execution")  # metadata with time stamps, of the notebook and of each cell


def _outputs(cell: NotebookNode) -> list[NotebookNode]:
    """Outputs without progress (stderr) and memory addresses, neighbouring prints joined."""
    kept: list[NotebookNode] = []
    for output in cell.outputs:
        if output.output_type == "stream":
            if output.name == "stderr":
                continue
            if kept and kept[-1].output_type == "stream":
                kept[-1].text += output.text
                continue
        elif "text/plain" in output.get("data", {}):
            output.data["text/plain"] = _ADDRESS.sub("0x…", output.data["text/plain"])
        kept.append(output)
    return kept


def normalise(notebook: NotebookNode) -> NotebookNode:
    """Drop time stamps, progress and random cell ids, in place; two runs then give equal bytes."""
    for name in (*_TIMED, "widgets"):
        notebook.metadata.pop(name, None)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"c{number:03d}"
        for name in _TIMED:
            cell.metadata.pop(name, None)
        if cell.cell_type == "code":
            cell.outputs = _outputs(cell)
    return notebook


def to_bytes(notebook: NotebookNode) -> bytes:
    """The notebook as the bytes of its file."""
    return (nbformat.writes(notebook) + "\n").encode()
