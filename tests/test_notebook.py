import pytest
from bs4 import BeautifulSoup

from embedstudy import notebook
from embedstudy.report.formulas import to_html

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[click](javascript:alert(1))",
    "![x](https://example.org/x.png)",
    "`code` *stars* **more** _under_ ~~gone~~ a|b a\\*b",
    "# heading",
    "- item",
    "$x^2$ and $$y$$ and \\(z\\) and \\[w\\] and \\begin{equation}v\\end{equation}",
    "\\<script>alert(1)\\</script>",
    "&lt;script&gt;alert(1)&lt;/script&gt; &amp; p < 0.001",
    "first\n\n<div onclick=alert(1)>second</div>\n\n- third",
]


@pytest.mark.parametrize("sentence", HOSTILE)
def test_a_sentence_is_shown_to_the_letter_and_nothing_in_it_is_obeyed(sentence):
    html = to_html(notebook.sentences([sentence, "another"]).data)
    soup = BeautifulSoup(html, "html.parser")
    assert {tag.name for tag in soup.find_all(True)} - {"a"} == {"ul", "li"}
    # A bare address may be followed; nothing is fetched for it.
    assert all(tag["href"].startswith("https://example.org") for tag in soup.find_all("a"))
    assert [item.text for item in soup.find_all("li")] == [" ".join(sentence.split()), "another"]


def test_temporary_files_of_a_notebook_lie_below_the_root_that_is_swept():
    assert notebook.scratch() == notebook.scratch()
    assert notebook.scratch().parent.name.startswith("embedstudy-")
