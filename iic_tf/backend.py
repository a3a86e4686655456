"""Keras as this package needs it: TensorFlow below it, channels last, float32.

A user's keras.json or environment may say otherwise, for other work. Where Keras is not loaded yet
it is told what is needed, for this process alone; where it is, it cannot be changed any more.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import re
import sys
from pathlib import Path
from typing import NoReturn

from iic_tf.errors import InputError
from iic_tf.quiet import load_tensorflow

FLOAT, FORMAT = "float32", "channels_last"

LIMITS = ("KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH")
"""Variables by which Keras cuts short every training."""

WITHOUT = "iic_tf.onnx_predict"
"""The one command that works, and starts, without TensorFlow."""


def is_needed() -> bool:
    """Whether `import iic_tf` is to load TensorFlow and Keras.

    Not where they are not installed, nor for the command that does without: both predict by ONNX
    alone.
    """
    # Options of Python itself may come before.
    if ("-m", WITHOUT) in itertools.pairwise(sys.orig_argv):
        return False
    try:
        return all(importlib.util.find_spec(name) is not None for name in ("tensorflow", "keras"))
    except ImportError:
        return False


def load_keras() -> None:
    """Import TensorFlow and Keras, and have them fit.

    Raises:
        InputError: Keras was loaded before with another backend or other settings, or its
            keras.json is none.
    """
    if "keras" in sys.modules:
        _require_fitting()
        load_tensorflow()
        return
    _check_file()
    for name in LIMITS:
        text = os.environ.get(name)
        if text is not None and re.fullmatch(r"\s*\d{1,18}\s*", text) is None:
            raise InputError(f"Expected a whole number in {name}, or none; received {text!r}.")
    # Goes before keras.json.
    os.environ["KERAS_BACKEND"] = "tensorflow"
    load_tensorflow()
    import keras

    keras.config.set_floatx(FLOAT)
    keras.config.set_image_data_format(FORMAT)


def require_no_limits() -> None:
    """Refuse what would end each `fit` early, as Keras offers it for trying programs out.

    Raises:
        InputError: KERAS_MAX_EPOCHS or KERAS_MAX_STEPS_PER_EPOCH is set, or was by `keras.config`.
    """
    import keras

    found = (keras.config.max_epochs(), keras.config.max_steps_per_epoch())
    said = [f"{name}={value}" for name, value in zip(LIMITS, found, strict=True) if value]
    if said:
        raise InputError(
            "Expected a training without a limit of Keras' own, which would end it early or amid "
            f"an epoch (--epochs and --set steps=… say how long it is); received {', '.join(said)}."
        )


def _require_fitting() -> None:
    import keras

    found = {
        "backend": (keras.config.backend(), "tensorflow"),
        "floatx": (keras.config.floatx(), FLOAT),
        "image_data_format": (keras.config.image_data_format(), FORMAT),
    }
    wrong = [
        f"{name} {came} (not {wanted})" for name, (came, wanted) in found.items() if came != wanted
    ]
    if wrong:
        raise InputError(
            f"Expected Keras with backend tensorflow, floatx {FLOAT} and image_data_format "
            f"{FORMAT}, or iic_tf to be imported before it; received {', '.join(wrong)}."
        )


def _check_file() -> None:
    """Refuse a keras.json that Keras itself cannot be imported with."""
    home = os.environ.get("KERAS_HOME") or os.path.join(os.path.expanduser("~"), ".keras")
    file = Path(home).expanduser() / "keras.json"
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        # Keras passes over these.
        return
    wrong = None if isinstance(found, dict) else found
    if wrong is None:
        for name, allowed in _ALLOWED.items():
            if name in found and found[name] not in allowed:
                wrong = {name: found[name]}
        if not isinstance(found.get("epsilon", 1e-7), float):
            wrong = {"epsilon": found["epsilon"]}
    if wrong is not None:
        raise InputError(
            f"Expected settings of Keras in {file}, such as "
            f'{{"backend": "tensorflow", "floatx": "{FLOAT}"}}; received {str(wrong)[:200]}.'
        )


_ALLOWED = {
    "floatx": ("float16", "float32", "float64"),
    "image_data_format": ("channels_last", "channels_first"),
}


def end_or_raise(error: InputError) -> NoReturn:
    """One line and status 2 where the command is started; in user code the error itself."""
    name = Path(sys.argv[0] if sys.argv else "").name
    if name in ("iic-tf", "iic-tf.exe") or sys.orig_argv[1:3] == ["-m", "iic_tf.cli"]:
        print(f"iic-tf: {error}", file=sys.stderr)
        raise SystemExit(2) from error
    raise error
