"""The page that ``dvc plots show`` and ``dvc plots diff`` fill, without the network.

DVC's own page loads Vega from a content network; this one holds it. Written by
``python -m embedstudy.report.plots_page`` to ``.cache/plots-page.html``, which ``.dvc/config``
names as ``plots.html_template``. DVC replaces ``{plot_divs}``; a place for ``{scripts}``, which
would load from the network, is left out on purpose.
"""

import sys
from pathlib import Path

from embedstudy.core import files, paths
from embedstudy.core.errors import StudyError
from embedstudy.report.charts import TEMPLATES, bundle

PLACE = paths.ROOT / ".cache" / "plots-page.html"
GLOBALS = "window.vega=vega;window.vegaLite=vegaLite;window.vegaEmbed=vegaEmbed;"


def write(path: Path = PLACE) -> Path:
    """Write the page to ``path`` as a whole and return ``path``."""
    page = (TEMPLATES / "plots-page.html").read_text(encoding="utf-8")
    files.write_bytes(path, page.replace("@BUNDLE@", bundle(GLOBALS)).encode())
    return path


if __name__ == "__main__":
    try:
        print(write())
    except StudyError as error:
        sys.exit(f"error: {error}")
