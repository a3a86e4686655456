"""Reading pickles that hold nothing but plain values and NumPy arrays.

A pickle is a program: loading one can run any code. The CIFAR files are pickles, so that they are
read by a machine that knows only the few functions NumPy arrays are made with.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from iic_tf.errors import InputError


def _array(kind: object, shape: object, code: object) -> Any:
    """NumPy's `_reconstruct` for empty plain arrays, which pickles fill by `__setstate__`."""
    if kind is not np.ndarray or shape != (0,) or code not in (b"b", "b"):
        raise pickle.UnpicklingError("an array of an unusual kind")
    return np.ndarray((0,), np.uint8)


def _bytes(text: object, encoding: object = "latin1") -> bytes:
    """How Python 3 stores bytes in the pickles of Python 2."""
    if not isinstance(text, str) or encoding != "latin1":
        raise pickle.UnpicklingError("bytes of an unusual form")
    return text.encode("latin1")


def _buffer(values: object, dtype: object, shape: object, order: object) -> Any:
    """How pickles of protocol 5 store contiguous arrays."""
    if not isinstance(values, bytes | bytearray) or not isinstance(dtype, np.dtype):
        raise pickle.UnpicklingError("an array of an unusual kind")
    array: Any = np.frombuffer(values, dtype)
    return array.reshape(shape, order=order)


# NumPy called its inner package `core` up to version 1, and `_core` since.
_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _bytes,
    **{(f"numpy.{c}.multiarray", "_reconstruct"): _array for c in ("core", "_core")},
    **{(f"numpy.{c}.numeric", "_frombuffer"): _buffer for c in ("core", "_core")},
}


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(
                f"it asks for {module}.{name}, which is refused: a pickle could run any code"
            )
        return _ALLOWED[module, name]


def read_pickle(path: Path) -> dict[str, Any]:
    """The dict in a pickle file, of Python 2 or 3, with its names as str.

    Raises:
        InputError: the file is damaged, holds something else than a dict, or anything but numbers,
            text, lists, tuples, dicts and NumPy arrays.
    """
    try:
        with path.open("rb") as file:
            # By latin1 the bytes of Python 2's strings, which may be pixels, stay what they are.
            values = _PlainUnpickler(file, encoding="latin1").load()
    except Exception as error:
        # A damaged pickle may raise almost anything.
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"Expected a pickle of plain values and arrays; received '{path}' ({reason})."
        ) from error
    if not isinstance(values, dict):
        raise InputError(
            f"Expected a pickle of a dict; received a {type(values).__name__} in '{path}'."
        )
    return {k.decode("latin1") if isinstance(k, bytes) else str(k): v for k, v in values.items()}
