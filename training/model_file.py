"""A model's file as it is read again: whole, of a size that fits, and never with code in it."""

from __future__ import annotations

import json
import warnings
import zipfile
from pathlib import Path
from typing import Any

from iic_tf.annotations import Facts, Json
from iic_tf.errors import InputError, expected
from iic_tf.networks.hub_classes import with_classes_of
from iic_tf.training.memory_estimate import Estimate, check_memory, model_weights
from iic_tf.training.network_estimate import network_weights

BYTES = 4
"""Of a weight."""


def load_model(file: Path, compiled: bool = True) -> Any:
    """The model in a file that Keras wrote.

    The file is an archive with a checksum of each part: all are looked at first, so that a damaged
    one is never taken for whole. Code in it (a lambda) is refused by Keras.

    Args:
        file: of a run.
        compiled: whether its optimisers are read, too; nobody needs them who trains nothing.

    Raises:
        InputError: damaged, or nothing that this version can read, or of a model that needs far
            more memory than this machine has.
    """
    import keras

    import iic_tf  # noqa: F401 (registers the classes)

    with_classes_of(check_model_file(file))
    try:
        with warnings.catch_warnings():
            # Files of before each part had an optimiser hold another state, which nobody needs of a
            # finished model.
            warnings.filterwarnings("ignore", "Skipping variable loading for optimizer")
            return keras.models.load_model(file, compile=compiled, safe_mode=True)
    except InputError as error:
        raise InputError(f"Expected a readable model in {file}. {error}") from error
    except Exception as error:
        # Whatever Keras and HDF5 come upon in a file that somebody else may have written.
        said = str(error)[:300] or type(error).__name__
        raise expected(f"a readable model in {file}", said) from error


def check_model_file(file: Path) -> Json:
    """Refuse a file that is damaged, or of a model far beyond this machine, before it is built.

    Returns:
        The model's configuration, as Keras wrote it.

    Raises:
        InputError: as said.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            damaged = archive.testzip()
            if damaged is not None:
                raise zipfile.BadZipFile(f"'{damaged}' is not what was written")
            config: Json = json.loads(archive.read("config.json"))
        inner = config["config"]
        estimate = _estimate(inner if isinstance(inner, dict) else {})
        nested = network_estimate(inner)
    except RecursionError as error:
        raise expected(f"a readable model in {file}", "lists too deep in one another") from error
    except Exception as error:
        # zipfile raises whatever zlib, struct and others do.
        said = str(error)[:300] or type(error).__name__
        raise expected(f"a readable model in {file}", said) from error
    check_memory(estimate, "a model")
    check_memory(nested, "a network")
    return config


def _estimate(config: Facts) -> Estimate:
    """The weights of a model, or of the members that it was made of."""
    members = config.get("members")
    if not isinstance(members, list):
        return model_weights(config)
    parts = [model_weights(one["config"]).parts for one in members]
    names = {f"{name} of {len(parts)} members": name for own in parts for name in own}
    return Estimate({told: sum(own.get(n, 0.0) for own in parts) for told, n in names.items()})


def network_estimate(config: Any) -> Estimate:
    """Bytes of the weights in all layers of a serialised network.

    Raises:
        RecursionError: nested too deep.
    """
    return Estimate({"weights of its layers": BYTES * network_weights(config)})
