"""YAML files that people write: read as DVC reads them, and refused in one sentence."""

import re
from pathlib import Path
from typing import Any

import yaml

from embedstudy.core.errors import StudyError


class _Loader(yaml.SafeLoader):
    """YAML as DVC reads it: 1e-3 is a number, and a key may not occur twice."""

    def get_single_node(self) -> yaml.Node:
        node = super().get_single_node()
        _refuse_repeated_keys(node, set())
        return node


def _refuse_repeated_keys(node: yaml.Node | None, seen: set[int]) -> None:
    if not isinstance(node, yaml.CollectionNode) or id(node) in seen:
        return
    seen.add(id(node))
    names = set()
    for entry in node.value:
        key, value = entry if isinstance(node, yaml.MappingNode) else (None, entry)
        if isinstance(key, yaml.ScalarNode):
            if key.value in names:
                line = key.start_mark.line + 1
                raise yaml.YAMLError(f"line {line}: '{key.value}' occurs a second time in its map")
            names.add(key.value)
        _refuse_repeated_keys(value, seen)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def read(path: Path) -> Any:
    """What the file holds. Raises ``StudyError`` if it cannot be read or is no YAML in UTF-8."""
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except OSError as error:
        raise StudyError(f"{path} cannot be read ({error.strerror}).") from error
    except RecursionError:
        raise StudyError(f"{path} is not valid YAML: it is nested too deep.") from None
    except (yaml.YAMLError, ValueError, TypeError) as error:  # values may be no date, keys no text
        raise StudyError(f"{path} is not valid YAML: {' '.join(str(error).split())}.") from error
