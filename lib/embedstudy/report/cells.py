"""Executed notebook cells as HTML: prose with formulas, highlighted code, outputs."""

import re
from html import escape

from markupsafe import Markup
from nbformat import NotebookNode
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from embedstudy.report.charts import MIMES, Charts
from embedstudy.report.formulas import to_html

STYLES = HtmlFormatter(style="default").get_style_defs(".highlight")
_STYLE_TAGS = re.compile(r"<style.*?</style>", re.DOTALL)
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


def prose(text: str) -> Markup:
    """Markdown with ``$...$`` and ``$$...$$`` as HTML with MathML."""
    html = to_html(text)
    return Markup(
        html.replace("<table>", '<div class="wide"><table>').replace("</table>", "</table></div>")
    )


def code(source: str) -> Markup:
    """Python source, highlighted."""
    return Markup(highlight(source, PythonLexer(), HtmlFormatter()))


def output(item: NotebookNode, charts: Charts) -> Markup:
    """One output of a cell in its richest form that needs no network."""
    if item.output_type == "stream":
        return Markup(f"<pre>{escape(item.text)}</pre>")
    if item.output_type == "error":
        return Markup(
            f'<pre class="error">{escape(_ANSI.sub("", chr(10).join(item.traceback)))}</pre>'
        )
    for mime in MIMES:
        if mime in item.data:
            return charts(item.data[mime])
    if "text/markdown" in item.data:
        return prose(item.data["text/markdown"])
    if "text/html" in item.data:
        return Markup(f'<div class="wide">{_STYLE_TAGS.sub("", item.data["text/html"])}</div>')
    return Markup(f"<pre>{escape(item.data.get('text/plain', ''))}</pre>")


def body(notebook: NotebookNode, charts: Charts) -> Markup:
    """All cells of an executed notebook, in order."""
    parts = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            parts.append(Markup('<section class="prose">{}</section>').format(prose(cell.source)))
        elif cell.cell_type == "code":
            shown = [output(item, charts) for item in cell.outputs]
            parts.append(
                Markup('<div class="code">{}</div>{}').format(
                    code(cell.source),
                    Markup('<div class="output">{}</div>').format(Markup("").join(shown))
                    if shown
                    else "",
                )
            )
    return Markup("\n").join(parts)
