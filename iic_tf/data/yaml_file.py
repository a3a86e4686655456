"""YAML that users write: plain values only, and no key twice."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from iic_tf.errors import DataMissingError, InputError


class _Loader(yaml.SafeLoader):
    """The safe loader, which also refuses a key that comes twice (YAML itself takes the last)."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.YAMLError(f"'{key.value}' comes twice, again{key.start_mark}")
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else "")
        return super().construct_mapping(node, deep)


def read_yaml(path: Path, what: str, example: str) -> Any:
    """The values of a file.

    Args:
        path: the file.
        what: what it should be, for messages.
        example: of what stands in it, for messages.

    Raises:
        DataMissingError: there is no such file.
        InputError: it is no YAML.
    """
    if not path.is_file():
        raise DataMissingError(f"Expected {what} at '{path}'; received no file.")
    try:
        # The loader is a SafeLoader: it builds plain values only.
        return yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except (yaml.YAMLError, ValueError, OSError, RecursionError, OverflowError) as error:
        # ValueError: no UTF-8, a date of a month 13. RecursionError: lists too deep.
        raise InputError(
            f"In '{path}': Expected YAML with colours in quotes, such as {example}; "
            f"received {' '.join(str(error).split())}"
        ) from error
