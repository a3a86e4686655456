"""The configuration of a run as it is read again: a file that anybody may have written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from iic_tf.annotations import Facts
from iic_tf.errors import InputError, expected

_BANDS = 16

CONSENSUS = "consensus"
"""What a run made of several others says of them (`consensus.py`)."""


class Config(dict[str, Any]):
    """Values by name, of which one that is asked for and not there is a mistake in the file."""

    def __init__(self, values: Facts, file: Path):
        super().__init__(values)
        self.file = file

    def __missing__(self, name: str) -> Any:
        raise expected(f"'{name}' in {self.file}", "none")


def read_config(file: Path) -> Config:
    """The values of config.json, those of the run's own in the form that they must have.

    What is in `recipe` and `source` is checked by those who read it.

    Raises:
        InputError: no file that can be read, or of another form.
    """
    try:
        text = file.read_text(encoding="utf-8")
        values = json.loads(text)
    except (ValueError, OSError, RecursionError) as error:
        said = "lists too deep in one another" if isinstance(error, RecursionError) else error
        raise InputError(f"Expected a readable configuration; received {file}: {said}.") from error
    if not isinstance(values, dict):
        raise expected(f"names and values in {file}", type(values).__name__)
    for name in ("recipe", "source"):
        if not isinstance(values.get(name, {}), dict):
            raise _wrong(file, name, "names and values", values[name])
    for name, low, high in _WHOLE:
        if name in values and not _is_whole(values[name], low, high):
            raise _wrong(file, name, f"a whole number from {low} to {high}", values[name])
    for name in ("low", "high", "fill"):
        none = name == "fill" and values.get(name) is None
        if name in values and not none and not _are_numbers(values[name]):
            raise _wrong(file, name, f"1 to {_BANDS} numbers", values[name])
    size = values.get("resolution")
    if size is not None and not (_are_numbers([size]) and size > 0):
        raise _wrong(file, "resolution", "metres a pixel, more than 0,", size)
    _check_range(file, values)
    return Config(values, file)


_WHOLE = (
    ("seed", 0, 2**31 - 1),
    ("channels", 1, _BANDS),
    ("height", 1, 65535),
    ("width", 1, 65535),
)


def _is_whole(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _are_numbers(value: Any) -> bool:
    return (
        isinstance(value, list)
        and 1 <= len(value) <= _BANDS
        and all(
            isinstance(one, int | float) and not isinstance(one, bool) and abs(one) < 1e30
            for one in value
        )
    )


def _check_range(file: Path, values: Facts) -> None:
    if "low" not in values or "high" not in values:
        return
    low, high = values["low"], values["high"]
    fits = len(low) == len(high) == values.get("channels", len(low))
    if not fits or not all(a <= b for a, b in zip(low, high, strict=True)):
        raise _wrong(file, "low", "numbers up to those of high, one for each channel", low)


def _wrong(file: Path, name: str, what: str, value: Any) -> InputError:
    return expected(f"{what} in {file}", value, name)
