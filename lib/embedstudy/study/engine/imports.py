"""Which files of this library a module or a notebook reaches through its imports.

Read from the source by ``ast``, nothing is imported. A string that is, as a whole, the dotted name
of a module (``"embedstudy.study.tables.run:work"``) counts as an import of it. The closure of a work
function is what the key of a recorded run hashes, that of a chapter what its stage depends on.
"""

import ast
import functools
import hashlib
import importlib.util
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from embedstudy.core.errors import StudyError

PACKAGE = Path(__file__).resolve().parents[2]


# -- reading imports ----------------------------------------------------------------------------
def _code(path: Path) -> str:
    """Python source of a module, or of a notebook's code cells without magics."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".ipynb":
        return text
    cells = [c["source"] for c in json.loads(text)["cells"] if c["cell_type"] == "code"]
    lines = "\n".join(c if isinstance(c, str) else "".join(c) for c in cells).splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith(("%", "!")))


def _absolute(node: ast.ImportFrom, package: str) -> str:
    """The absolute name that ``from <name> import`` stands for in a module of ``package``."""
    if not node.level:
        return node.module or ""
    parents = package.split(".")
    kept = parents[: len(parents) - node.level + 1]
    return ".".join([*kept, *([node.module] if node.module else [])])


@functools.lru_cache(maxsize=4096)
def _names(path: Path, stamp: tuple, package: str, as_main: bool) -> frozenset[str]:
    """Dotted names that ``path``, a module of ``package``, imports; some may be attributes.

    ``as_main``: what follows ``if __name__ == "__main__"`` counts too.
    """
    try:
        tree = ast.parse(_code(path))
    except (SyntaxError, ValueError, KeyError) as error:
        raise StudyError(f"{path} cannot be read as Python code ({error}).") from error
    if not as_main:
        tree.body = [node for node in tree.body if not _is_main_block(node)]
    root = package.split(".")[0]
    quoted = re.compile(rf"{re.escape(root)}(\.\w+)+(:\w+)?")
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, package)
            names.add(base)
            names.update(f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and quoted.fullmatch(str(node.value)):
            names.add(node.value.partition(":")[0])
    return frozenset(name for name in names if name.split(".")[0] == root)


def _is_main_block(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"


def _located(name: str, package: Path) -> Iterator[Path]:
    """The files that importing ``name`` executes, ``__init__`` files of its parents included."""
    folder = package
    yield folder / "__init__.py"
    for part in name.split(".")[1:]:
        if (folder / part / "__init__.py").is_file():
            folder = folder / part
            yield folder / "__init__.py"
        else:
            if (folder / f"{part}.py").is_file():
                yield folder / f"{part}.py"
            return


def _start(what: str | Path, package: Path) -> list[Path]:
    """The files to begin with: a file itself, or what ``python -m name`` executes."""
    if isinstance(what, Path) or str(what).endswith((".py", ".ipynb")):
        path = Path(what).resolve()
        if not path.is_file():
            raise StudyError(f"There is no file {what}, so its imports cannot be read.")
        return [path]
    target = package.parent / what.replace(".", "/")
    if target.with_name(f"{target.name}.py").is_file():
        return list(_located(what, package))
    if (target / "__init__.py").is_file():
        return [*_located(what, package), target / "__main__.py"]
    raise StudyError(f"There is no module {what} beside {package}.")


def _package_of(path: Path, package: Path) -> str:
    if not path.is_relative_to(package):
        return package.name
    return ".".join(path.parent.relative_to(package.parent).parts)


def closure(
    *starts: str | Path,
    package: Path = PACKAGE,
    skip: frozenset[Path] = frozenset(),
    as_main: bool = True,
) -> list[Path]:
    """Files below ``package`` that the modules (dotted names), files or notebooks execute.

    Sorted absolute paths, the starts themselves included where they lie below ``package``. Files
    in ``skip`` are neither listed nor followed. ``as_main``: whether what modules do only when they
    are run as programs counts.
    """
    package = package.resolve()
    todo = [path for what in starts for path in _start(what, package)]
    seen: set[Path] = set()
    while todo:
        path = todo.pop()
        if path in seen or path in skip or not path.is_file():
            continue
        seen.add(path)
        status = path.stat()
        stamp = (status.st_mtime_ns, status.st_size)
        for name in _names(path, stamp, _package_of(path, package), as_main):
            todo.extend(_located(name, package))
        if path.is_relative_to(package):
            todo.append(path.parent / "__init__.py")
    return sorted(path for path in seen if path.is_relative_to(package))


def source_hash(files: Iterable[Path], package: Path = PACKAGE) -> str:
    """SHA-256 over the files' names below ``package`` and their code.

    Comments, docstrings and layout are no code: rewording them changes no result and no hash.
    """
    total = hashlib.sha256()
    for path in sorted(files):
        name = path.relative_to(package) if path.is_relative_to(package) else path.name
        status = path.stat()
        code = _bare(path, (status.st_mtime_ns, status.st_size))
        total.update(f"{name} {len(code)}\n{code}".encode())
    return total.hexdigest()


@functools.lru_cache(maxsize=4096)
def _bare(path: Path, stamp: tuple) -> str:
    """The code of a module as ``ast`` writes it, without docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and _is_text(body[0]):
            node.body = body[1:] or [ast.Pass()]
    return ast.unparse(tree)


def _is_text(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def run_sources(work: str, modules: Iterable[str] = (), package: Path = PACKAGE) -> list[Path]:
    """The files that a run's result depends on.

    ``work``: the module of the work function. ``modules``: those that it loads by name for this
    run (its method, its backbone). The ``__init__`` file of the backbones is a registry that imports
    every sibling, and is left out: editing one must not repeat the others' runs.
    """
    origins = [_origin(name) for name in (work, *modules)]
    skip = frozenset(path.parent / "__init__.py" for path in origins[1:]) - set(origins)
    reached = closure(*origins, package=package, skip=skip, as_main=False)
    return sorted({*origins, *reached})


def _origin(module: str) -> Path:
    try:
        found = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        found = None
    if found is None or found.origin is None:
        raise StudyError(f"There is no module {module}.")
    return Path(found.origin).resolve()
