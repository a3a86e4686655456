"""What docstrings show as examples is what comes out. `np` is NumPy in all of them."""

from __future__ import annotations

import doctest
import importlib.util
import pkgutil
from pathlib import Path

import numpy as np
import pytest

import iic_tf.export
import iic_tf.training

PROMPT = ">>> "


def with_examples() -> list[str]:
    """All modules of the package whose docstrings hold an example."""
    found = set()
    # In a checkout two of its folders stand beside it.
    for room in (iic_tf, iic_tf.training, iic_tf.export):
        for module in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
            spec = importlib.util.find_spec(module.name)
            assert spec is not None
            if PROMPT in Path(spec.origin or "").read_text(encoding="utf-8"):
                found.add(module.name)
    return sorted(found)


@pytest.mark.parametrize("name", with_examples())
def test_examples_are_true(name: str) -> None:
    module = importlib.import_module(name)
    result = doctest.testmod(module, extraglobs={"np": np})
    assert result.attempted
    assert not result.failed
