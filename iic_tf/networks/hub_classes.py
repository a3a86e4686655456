"""KerasHub, an extra: imported where a network needs it, or its absence told."""

from __future__ import annotations

import importlib
from types import ModuleType

from iic_tf.annotations import Config
from iic_tf.errors import InputError

NAME = "keras_hub"


def keras_hub(what: str) -> ModuleType:
    """The module.

    Args:
        what: needs it.

    Raises:
        InputError: it is not installed.
    """
    try:
        return importlib.import_module(NAME)
    except ImportError as error:
        raise InputError(
            f"Expected KerasHub for {what}, pip install 'iic_tf[hub]'; received {error}."
        ) from error


def with_classes_of(config: str | Config) -> None:
    """Register KerasHub's classes where a network's configuration names them.

    Args:
        config: of a model or layer, serialised by Keras, or its text.

    Raises:
        InputError: it names them, and KerasHub is not installed.
    """
    if f"{NAME}>" in str(config):
        keras_hub("a network of its layers")
