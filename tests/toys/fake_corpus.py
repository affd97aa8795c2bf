"""A small Python API corpus: wheels of made-up packages, for the tests of what is parsed from it."""

import numpy as np
from fake_wheels import make_wheel, write_lock

from embedstudy.sources import apicorpus
from embedstudy.sources.core import manifest

VERBS = ["load", "save", "merge", "split", "count", "rank", "trim", "pack", "scale", "check"]


def function(random, name):
    """A documented function with random calls, unlike any other."""
    words = random.choice(VERBS, 6)
    lines = [
        f"def {name}(x, *rest):",
        f'    """{" ".join(words)} {name}.',
        "",
        f"    Longer words about {name}.",
        '    """',
    ]
    lines += [
        f"    x = {random.choice(['np', 'x.part', 'self.tool'])}.{verb}_{random.integers(20)}"
        f"(x, {random.integers(9)}{random.choice(['', ', axis=0', ', *rest'])})"
        for verb in random.choice(VERBS, random.integers(4, 9))
    ]
    return "\n".join([*lines, "    return x", ""])


def make_corpus(folder, packages=6, modules=8, functions=12, seed=0):
    """Pin and write wheels; every package also holds tests and a copy of one common function."""
    random = np.random.default_rng(seed)
    common = function(random, "common")
    wheels = []
    for package in (f"pack{number}" for number in range(packages)):
        members = {
            f"{package}/m{module}.py": "\n".join(
                [*(function(random, f"f{module}_{one}") for one in range(functions)), common]
            )
            for module in range(modules)
        }
        members[f"{package}/__init__.py"] = f"import os\nos.register({package!r})\n"
        members[f"{package}/tests/test_m0.py"] = "never.parsed()\n"
        members[f"{package}/api_pb2.py"] = "never.parsed()\n"
        members[f"{package}/broken.py"] = "def (:\n"
        members[f"{package}-1.0.dist-info/METADATA"] = "Name: x\n"
        wheels.append(make_wheel(folder, package, "1.0", members))
    return write_lock(folder.parent / "wheels.lock", wheels)


def parse_corpus(tmp_path, monkeypatch, **options):
    """Make a corpus, parse it in this process and return the folder."""
    monkeypatch.setattr(manifest, "LOCK", make_corpus(tmp_path / "data", **options))
    apicorpus.prepare(tmp_path / "data", tmp_path / "corpus", workers=1)
    return tmp_path / "corpus"
