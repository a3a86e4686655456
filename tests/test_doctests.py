"""What docstrings show as examples is what comes out. `np` is NumPy in all of them."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from pathlib import Path

import numpy as np
import pytest

import iic_tf

PROMPT = ">>> "


def with_examples() -> list[str]:
    """All modules of the package whose docstrings hold an example."""
    found = []
    for module in pkgutil.walk_packages(iic_tf.__path__, "iic_tf."):
        spec = module.module_finder.find_spec(module.name, None)  # type: ignore[call-arg]
        if spec and spec.origin and PROMPT in Path(spec.origin).read_text(encoding="utf-8"):
            found.append(module.name)
    return found


@pytest.mark.parametrize("name", with_examples())
def test_examples_are_true(name: str) -> None:
    module = importlib.import_module(name)
    result = doctest.testmod(module, extraglobs={"np": np})
    assert result.attempted
    assert not result.failed
