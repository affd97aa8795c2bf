"""README.md and CONTRIBUTING.md say what is true: code runs, commands and paths exist."""

import ast
import importlib.util
import re
import runpy
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import yaml
from dvc.cli.parser import get_main_parser
from sentence_transformers import SentenceTransformer
from tiny_encoder import WORDS, write_encoder

from embedstudy.core import catalogue

ROOT = Path(__file__).parents[1]
LIB = ROOT / "lib"
DOCUMENTS = {name: (ROOT / name).read_text() for name in ("README.md", "CONTRIBUTING.md")}
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
# Where a path in the text may begin; `tables/core/base.py` is short for one below the package.
BASES = (ROOT, LIB / "embedstudy", LIB / "embedstudy" / "study")
WRITTEN = ("results/", "reports/", ".cache/", "data/")  # by the pipeline, so not in git
COMMITTED = ("results/full/", "results/summary/")


def blocks(name):
    """(language, text) of every fenced block of a document; each has a language or is plain."""
    return FENCE.findall(DOCUMENTS[name])


def inline(name):
    """The distinct `code` between single back-ticks."""
    return sorted(set(re.findall(r"`([^`\n]+)`", FENCE.sub("", DOCUMENTS[name]))))


def is_map(text):
    return text.startswith("floor ")


# -- python ---------------------------------------------------------------------------------------
@pytest.fixture
def stand_ins(tmp_path, monkeypatch):
    """What a reader brings to the blocks of the README, in a working directory of its own."""
    monkeypatch.chdir(tmp_path)
    tiny = write_encoder(tmp_path / "tiny", extra=[f"word{number}" for number in range(5000)])
    (tmp_path / "path/of/an").mkdir(parents=True)
    tiny.rename(tmp_path / "path/of/an/encoder")
    rng = np.random.default_rng(0)
    vectors = {
        name: rng.normal(size=(count, 384)).astype(np.float32)
        for name, count in (("training", 300), ("corpus", 40), ("queries", 3))
    }
    texts = [" ".join(WORDS[i:] + WORDS[:i]) for i in range(8)]
    return vectors | {"texts": texts, "summaries": WORDS[:8]}


def test_the_blocks_of_python_run_in_order(stand_ins, tmp_path):
    space = dict(stand_ins)
    for language, text in blocks("README.md"):
        if language == "python":
            exec(compile(text, "README.md", "exec"), space)
    assert space["vectors"].shape == (256, 3, 16)
    assert space["vectors"].equal(space["load"](Path("table.safetensors"))(space["ids"]))
    assert (tmp_path / "table.safetensors").stat().st_size <= 4 * 50_000 * 16 // 100
    assert space["best"].shape == (3, 10)
    assert space["encoded"].shape == (40, 48)
    (snippet,) = [code for code in inline("README.md") if code.startswith("SentenceTransformer(")]
    smaller = eval(snippet, {"SentenceTransformer": SentenceTransformer})
    assert smaller.encode(["the cat"]).shape == (1, 32)


BARE = """
import sys

class Without:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        hidden = name.split(".")[0] in sys.argv[1:]
        return None if hidden else self.finder.find_spec(name, path, target)

sys.meta_path[:] = map(Without, sys.meta_path)
import numpy as np
training, corpus, queries = (np.random.default_rng(0).normal(size=(n, 384)) for n in (300, 40, 3))
exec(compile(sys.stdin.read(), "README.md", "exec"))
"""


def test_compressors_and_codecs_run_without_any_extra(tmp_path):
    extras = tomllib.loads((LIB / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    hidden = {
        re.match(r"[\w-]+", one)[0].replace("-", "_") for some in extras.values() for one in some
    }
    python = [text for language, text in blocks("README.md") if language == "python"]
    text = "\n".join(one for one in python if "encoder" not in one)
    command = [sys.executable, "-c", BARE, *(hidden - {"embedstudy"}), "yaml", "sklearn"]
    subprocess.run(command, input=text, text=True, check=True, cwd=tmp_path)
    assert (tmp_path / "table.safetensors").is_file()


def test_every_other_block_is_of_a_kind_that_is_checked():
    kinds = {language for name in DOCUMENTS for language, text in blocks(name) if not is_map(text)}
    assert kinds <= {"", "python", "yaml"}
    examples = [text for language, text in blocks("CONTRIBUTING.md") if language]
    # They are files, or lines of files, that test_contributing adds.
    assert [text for text in examples if not re.match(r"# [\w/.-]+\n", text)] == []


# -- commands -------------------------------------------------------------------------------------
def commands(name):
    """The commands of a document, as words: lines of plain blocks, and those in the text."""
    lines = [line for lang, text in blocks(name) if not lang for line in text.splitlines()]
    if not lines:
        return
    lines = [line for line in lines if not re.match(r"floor |\d ", line)]
    starts = ("make ", "python -m ", "dvc ", "pip ", ". ")
    lines += [code for code in inline(name) if code.startswith(starts)]
    for line in lines:
        words = shlex.split(line, comments=True)
        while "&&" in words:
            yield words[: words.index("&&")]
            words = words[words.index("&&") + 1 :]
        if words:
            yield words


def check_make(arguments):
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    (target,) = [word for word in arguments if "=" not in word]
    assert target in targets


def module_file(name):
    path = LIB / name.replace(".", "/")
    return path / "__main__.py" if path.is_dir() else path.with_suffix(".py")


def check_python(arguments):
    assert arguments[0] == "-m"
    if not arguments[1].startswith("embedstudy."):
        assert importlib.util.find_spec(arguments[1]), arguments[1]
        return
    path = module_file(arguments[1])
    assert path.is_file(), f"there is no module {arguments[1]}"
    source = path.read_text()
    ran = [node for node in ast.parse(source).body if isinstance(node, ast.If)]
    assert path.name == "__main__.py" or "__main__" in ast.unparse(ran[-1].test)
    options = [word for word in arguments[2:] if word.startswith("--")]
    assert [option for option in options if f'"{option}"' not in source] == []


def check_dvc(arguments):
    parsed = get_main_parser().parse_args(arguments)
    if parsed.cmd == "repro":
        described = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
        assert [name for name in parsed.targets if name.partition("@")[0] not in described] == []
    for change in getattr(parsed, "set_param", None) or []:
        key, _, value = change.partition("=")
        node = yaml.safe_load((ROOT / "params.yaml").read_text())
        for part in key.split("."):
            assert part in node, f"params.yaml has no {key}"
            node = node[part]
        assert type(node) is type(yaml.safe_load(value))


def check_pip(arguments):
    project = tomllib.loads((LIB / "pyproject.toml").read_text())["project"]
    assert arguments[0] == "install"
    (target,) = [word for word in arguments[1:] if not word.startswith("-")]
    path, _, extras = target.partition("[")
    assert (ROOT / path / "pyproject.toml").is_file()
    named = [extra for extra in extras.rstrip("]").split(",") if extra]
    assert set(named) <= set(project["optional-dependencies"])


def check_conda(arguments):
    described = yaml.safe_load((ROOT / "environment.yml").read_text())
    if arguments[0] == "activate":
        assert arguments[1] == described["name"]
    else:
        assert (ROOT / arguments[arguments.index("-f") + 1]).is_file()


def check_source(arguments):
    assert arguments == [".venv/bin/activate"]  # made by `make env`


KINDS = {
    "make": check_make,
    "python": check_python,
    "dvc": check_dvc,
    "pip": check_pip,
    "conda": check_conda,
    ".": check_source,
}
COMMANDS = [words for name in DOCUMENTS for words in commands(name)]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_command_names_what_exists(words):
    KINDS[words[0]](words[1:])


def test_a_command_that_names_nothing_is_noticed():
    for words in (
        "make tea",
        "python -m embedstudy.gone",
        "dvc exp run -S quick.tables.train.lr=1",
    ):
        first, *rest = words.split()
        with pytest.raises(AssertionError):
            KINDS[first](rest)


# -- names ----------------------------------------------------------------------------------------
def links(name):
    every = re.findall(r"\]\(([^)#]+)\)", FENCE.sub("", DOCUMENTS[name]))
    return sorted({link for link in every if "://" not in link})


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name):
    assert [link for link in links(name) if not (ROOT / link).exists()] == []


def spelled_paths(name):
    """Paths between back-ticks: with a slash, or a file name; `<x>` stands for any name."""
    shape = re.compile(r"[\w.<>-]+(/[\w.<>*-]*)+|[\w<>-]+\.(py|yaml|yml|md|ini|toml|lock|ipynb)")
    return [code for code in inline(name) if shape.fullmatch(code)]


def exists(path):
    if path.startswith(WRITTEN) and not path.startswith(COMMITTED):
        return True
    pattern = re.sub(r"<[^>]*>", "*", path).strip("/")
    return any(next(base.glob(pattern), None) for base in BASES)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_paths_in_the_text_exist(name):
    encoders = ("path/of/",)  # what a reader brings
    spelled = [path for path in spelled_paths(name) if not path.startswith(encoders)]
    keys = {chapter.key for chapter in catalogue.chapters()}
    assert [path for path in spelled if path not in keys and not exists(path)] == []


def test_the_readme_asks_the_question_of_every_chapter():
    listed = re.findall(
        r"^\| \[[\w/-]+\]\(notebooks/([\w/-]+)\.ipynb\)", DOCUMENTS["README.md"], re.M
    )
    assert listed == [chapter.notebook for chapter in catalogue.chapters()]


def test_the_map_of_the_house_is_the_one_that_is_enforced():
    (text,) = [text for _, text in blocks("README.md") if is_map(text)]
    lines = text.splitlines()
    assert len(lines) <= 10
    floors = runpy.run_path(str(ROOT / "tests" / "test_rooms.py"))["FLOORS"]
    rooms = {room for floor in floors for room in floor}
    drawn = {}
    for line in lines[1:]:
        number, *words = re.findall(r"\w+", line)
        named = [word for word in words[:2] if word in rooms]
        drawn |= dict.fromkeys(named, int(number))
    assert drawn == {room: level for level, names in enumerate(floors, 1) for room in names}
