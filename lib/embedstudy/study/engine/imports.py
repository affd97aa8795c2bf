"""Which files of this library a module or a notebook reaches through its imports.

Read from the source by ``ast``, nothing is imported. A string that is, as a whole, the dotted name
of a module (``"embedstudy.study.tables.run:work"``) counts as an import of it. The closure is what
a DVC stage must depend on, no more and no less, and what the key of a recorded run hashes.

    python -m embedstudy.study.engine.imports --check dvc.yaml    compare, exit 1 on a difference
    python -m embedstudy.study.engine.imports --write dvc.yaml    rewrite the lib entries of ``deps``
"""

import argparse
import ast
import functools
import hashlib
import importlib.util
import itertools
import json
import re
import shlex
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

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
def _names(path: Path, stamp: tuple, package: str) -> frozenset[str]:
    """Dotted names that ``path``, a module of ``package``, imports; some may be attributes."""
    try:
        tree = ast.parse(_code(path))
    except (SyntaxError, ValueError, KeyError) as error:
        raise StudyError(f"{path} cannot be read as Python code ({error}).") from error
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
    *starts: str | Path, package: Path = PACKAGE, skip: frozenset[Path] = frozenset()
) -> list[Path]:
    """Files below ``package`` that the modules (dotted names), files or notebooks execute.

    Sorted absolute paths, the starts themselves included where they lie below ``package``. Files
    in ``skip`` are neither listed nor followed.
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
        for name in _names(path, stamp, _package_of(path, package)):
            todo.extend(_located(name, package))
        if path.is_relative_to(package):
            todo.append(path.parent / "__init__.py")
    return sorted(path for path in seen if path.is_relative_to(package))


def source_hash(files: Iterable[Path], package: Path = PACKAGE) -> str:
    """SHA-256 over the files' names below ``package`` and their contents."""
    total = hashlib.sha256()
    for path in sorted(files):
        name = path.relative_to(package) if path.is_relative_to(package) else path.name
        content = path.read_bytes()
        total.update(f"{name} {len(content)}\n".encode() + content)
    return total.hexdigest()


def run_sources(work: str, modules: Iterable[str] = (), package: Path = PACKAGE) -> list[Path]:
    """The files that a run's result depends on.

    ``work``: the module of the work function. ``modules``: those that it loads by name for this
    run (its method, its backbone). The ``__init__`` files of their packages are registries that
    import every sibling, and are left out: editing one method must not repeat the others' runs.
    """
    origins = [_origin(name) for name in (work, *modules)]
    skip = frozenset(path.parent / "__init__.py" for path in origins[1:]) - set(origins)
    return sorted({*origins, *closure(*origins, package=package, skip=skip)})


def _origin(module: str) -> Path:
    try:
        found = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        found = None
    if found is None or found.origin is None:
        raise StudyError(f"There is no module {module}.")
    return Path(found.origin).resolve()


# -- dvc.yaml -------------------------------------------------------------------------------------
def _child(node: yaml.MappingNode, name: str) -> yaml.Node | None:
    return next((value for key, value in node.value if key.value == name), None)


def _commands(node: yaml.Node | None) -> list[str]:
    if isinstance(node, yaml.SequenceNode):
        return [item.value for item in node.value]
    return [node.value] if node is not None else []


def _executed(command: str, root: Path) -> list[str | Path]:
    """The module of this library and the notebook that a stage's command executes."""
    words = shlex.split(command)
    modules = [b for a, b in itertools.pairwise(words) if a == "-m"]
    modules = [name for name in modules if name.split(".")[0] == "embedstudy"]
    if modules and "${" in command[: command.find(modules[0]) + len(modules[0])]:
        raise StudyError(f"dvc.yaml: the module in '{command}' must be named, not a template.")
    found: list[str | Path] = list(modules)
    if "embedstudy.pipeline.execute" in modules:
        chapter = words[words.index("embedstudy.pipeline.execute") + 1]
        found.append(root / "notebooks" / f"{chapter}.ipynb")
    return found


def _expected(commands: list[str], root: Path) -> list[str]:
    """Entries of ``deps`` that follow from the stage's commands, as written in dvc.yaml."""
    starts = [what for command in commands for what in _executed(command, root)]
    if not starts:
        return []
    package = root / "lib" / "embedstudy"
    notebooks = [what for what in starts if isinstance(what, Path)]
    files = notebooks + closure(*starts, package=package)
    return [path.resolve().relative_to(root).as_posix() for path in files]


def _stages(text: str, file: Path) -> Iterator[tuple[str, list[str], yaml.SequenceNode]]:
    """(name, commands, node of ``deps``) of each stage that executes something of this library."""
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise StudyError(f"{file} is not valid YAML: {' '.join(str(error).split())}.") from error
    stages = _child(tree, "stages") if isinstance(tree, yaml.MappingNode) else None
    for name, stage in stages.value if stages is not None else []:
        body = _child(stage, "do") or stage
        expected = _expected(_commands(_child(body, "cmd")), file.parent)
        if not expected:
            continue
        deps = _child(body, "deps")
        if not isinstance(deps, yaml.SequenceNode) or deps.flow_style:
            raise StudyError(
                f"{file}: stage '{name.value}' needs a list 'deps:', one entry a line."
            )
        yield name.value, expected, deps


def _managed(path: str) -> bool:
    return path.startswith("lib/embedstudy/") and path.endswith(".py")


def differences(file: Path) -> list[str]:
    """One line for each entry that a stage's ``deps`` lacks or holds without need."""
    found = []
    for name, expected, deps in _stages(file.read_text(), file.resolve()):
        written = {item.value for item in deps.value if isinstance(item, yaml.ScalarNode)}
        found += [f"{name}: missing {path}" for path in expected if path not in written]
        surplus = sorted(path for path in written - set(expected) if _managed(path))
        found += [f"{name}: not imported {path}" for path in surplus]
    return found


def rewrite(file: Path) -> None:
    """Replace the lib entries of every stage's ``deps``; all other lines stay as they are."""
    text = file.read_text()
    lines = text.splitlines()
    for _, expected, deps in reversed(list(_stages(text, file.resolve()))):
        at = {item.value: item.start_mark.line for item in deps.value}
        old = sorted(line for path, line in at.items() if _managed(path))
        first = deps.value[0].start_mark
        dash = lines[first.line][: first.column]
        new = [
            lines[at[path]] if path in at else f"{dash}{path}"
            for path in expected
            if _managed(path) or path not in at
        ]
        place = old[0] if old else deps.value[-1].end_mark.line + 1
        for line in reversed(old):
            del lines[line]
        lines[place:place] = new
    file.write_text("\n".join(lines) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--check", metavar="dvc.yaml", type=Path)
    action.add_argument("--write", metavar="dvc.yaml", type=Path)
    arguments = parser.parse_args()
    if arguments.write:
        rewrite(arguments.write)
        return 0
    found = differences(arguments.check)
    if found:
        print("\n".join(found), file=sys.stderr)
        print(
            f"{len(found)} differences between {arguments.check} and the imports: "
            f"python -m embedstudy.study.engine.imports --write {arguments.check}",
            file=sys.stderr,
        )
    return bool(found)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except StudyError as error:
        sys.exit(f"error: {error}")
