"""JSON of values that may be NumPy's or paths, and files of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from iic_tf.training.atomic import replacing


def write_json(path: Path, values: Any) -> None:
    """Write JSON, whole or not at all.

    Raises:
        TypeError: a value that has no place in JSON.
        OSError: as `replacing` has it.
    """
    with replacing(path) as temporary:
        temporary.write_text(plain_json(values), encoding="utf-8")


def plain_json(values: Any) -> str:
    """JSON of values that may be NumPy's or paths."""
    return json.dumps(values, indent=2, default=_plain) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no place in JSON")
