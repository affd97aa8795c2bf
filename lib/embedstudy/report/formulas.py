"""Markdown of the chapters as HTML, with formulas as MathML, which browsers draw by themselves."""

import re
import xml.etree.ElementTree as ET
from html import escape

from latex2mathml.converter import convert_to_element
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath, MathInlineParser

from embedstudy.core.errors import StudyError

# latex2mathml lays out align* but not aligned, which is what stands between dollar signs.
_ALIGNED = {
    r"\begin{aligned}": r"\begin{align*}",
    r"\end{aligned}": r"\end{align*}",
}
_UNKNOWN = re.compile(r"<mi>(\\[^<]+)<")  # latex2mathml passes on what it does not know
_ENTITY = re.compile(r"&amp;(#x?[0-9A-Fa-f]+|lt|gt|amp);")  # as it writes its symbols


def mathml(formula: str, *, block: bool = False) -> str:
    """A LaTeX formula, without its dollar signs, as MathML.

    Raises ``StudyError`` when the formula is broken or holds an unknown command.
    """
    text = formula.strip()
    for name, equivalent in _ALIGNED.items():
        text = text.replace(name, equivalent)
    try:
        element = convert_to_element(text, display="block" if block else "inline")
    except Exception as error:  # latex2mathml raises a dozen unrelated types
        raise StudyError(f"The formula ${formula}$ cannot be read: correct its LaTeX.") from error
    # Its own text unescapes all that a formula holds, tags in \text{} too.
    drawn = _ENTITY.sub(r"&\1;", ET.tostring(element, encoding="unicode"))
    unknown = _UNKNOWN.search(drawn)
    if unknown:
        raise StudyError(
            f"The formula ${formula}$ uses {unknown[1]}, which the report cannot draw: "
            "write it with another command."
        )
    # HTML implies the name space; naming it confuses the parser that adds anchors.
    return drawn.replace(' xmlns="http://www.w3.org/1998/Math/MathML"', "")


class _Inline(MathInlineParser):
    """Formulas by Pandoc's rule, so that "from $5 to $10" stays text."""

    SPECIFICATION = MathInlineParser.SPECIFICATION | {
        "inline_math_tex": r"(?s:(?<![$\\])\$(?=[^\s$])(?P<math_inline_tex>[^$`]+?)(?<![\s\\])\$(?![\d$]))"
    }


class _Renderer(IPythonRenderer):
    def block_math(self, body: str) -> str:
        return f'<span class="formula" tabindex="0">{mathml(body, block=True)}</span>'

    def inline_math(self, body: str) -> str:
        return mathml(body)

    def latex_environment(self, name: str, body: str) -> str:
        return self.block_math(f"\\begin{{{name}}}{body}\\end{{{name}}}")

    def block_code(self, code: str, info: str | None = None) -> str:
        if info and info.startswith("mermaid"):
            return f"<pre><code>{escape(code)}</code></pre>"  # drawing it takes a large script
        return super().block_code(code, info)

    # What chapters say holds labels, claims and errors: HTML in Markdown is shown, not obeyed.
    def inline_html(self, html: str) -> str:
        return escape(html)

    def block_html(self, html: str) -> str:
        return f"<p>{escape(html.strip())}</p>\n"


def to_html(source: str, attachments: dict | None = None) -> str:
    """HTML of one Markdown cell; formulas in ``$…$``, ``$$…$$`` and LaTeX environments."""
    renderer = _Renderer(
        escape=False,
        allow_harmful_protocols=False,
        attachments=attachments,
        anchor_link_text="#",
    )
    return MarkdownWithMath(renderer, inline=_Inline(hard_wrap=False)).render(source)
