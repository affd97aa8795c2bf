"""The page that ``dvc plots show`` and ``dvc plots diff`` fill, without the network.

DVC's own page loads Vega from a content network; this one holds it. Written by
``python -m embedstudy.report.plots_page`` to ``.cache/plots-page.html``, which ``.dvc/config``
names as ``plots.html_template``. DVC replaces ``{plot_divs}``; a place for ``{scripts}``, which
would load from the network, is left out on purpose.
"""

import hashlib
import sys
from importlib import metadata
from pathlib import Path

from embedstudy.core import files, paths
from embedstudy.core.errors import StudyError
from embedstudy.report import TEMPLATES

PLACE = paths.ROOT / ".cache" / "plots-page.html"
GLOBALS = "window.vega=vega;window.vegaLite=vegaLite;window.vegaEmbed=vegaEmbed;"


def _stamp(template: str) -> str:
    """Names what the page is made of: the template and the Vega that vl-convert brings."""
    version = metadata.version("vl-convert-python")
    return f"vl-convert {version}, {hashlib.sha256((template + GLOBALS).encode()).hexdigest()[:16]}"


def write(path: Path = PLACE) -> Path:
    """Write the page to ``path`` as a whole, unless it is there already; return ``path``."""
    template = (TEMPLATES / "plots-page.html").read_text(encoding="utf-8")
    head, _, rest = template.replace("@STAMP@", _stamp(template)).partition("@BUNDLE@")
    if not _begins_with(path, head.encode()):
        from embedstudy.report.charts import bundle  # a second, which most calls can save

        files.write_bytes(path, (head + bundle(GLOBALS) + rest).encode())
    return path


def _begins_with(path: Path, head: bytes) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as page:
        return page.read(len(head)) == head


if __name__ == "__main__":
    try:
        print(write())
    except StudyError as error:
        sys.exit(f"error: {error}")
