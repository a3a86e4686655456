"""The network in a `.keras` file, or the trunk of the model in it."""

from __future__ import annotations

import zipfile
from pathlib import Path

import keras

from iic_tf.annotations import Network
from iic_tf.errors import InputError, expected
from iic_tf.networks.hub_classes import with_classes_of
from iic_tf.networks.keras_trunk import KerasTrunk
from iic_tf.networks.one_input import of_images
from iic_tf.views.inputs import BANDS


def trunk_from_file(path: Path) -> Network:
    """A network of feature maps, or a `KerasTrunk`.

    Args:
        path: of a functional model that sees 0 to 1; of a `KerasTrunk` in a model of its own; or of
            a model of this package, whose trunk is taken.

    Raises:
        InputError: no such file; damaged; with code in it (a lambda); or of another kind of model.
    """
    if not path.is_file():
        raise expected("the path of a .keras file", str(path), "trunk")
    try:
        with zipfile.ZipFile(path) as archive:
            with_classes_of(archive.read("config.json").decode())
        model = keras.models.load_model(path, compile=False, safe_mode=True)
    except InputError as error:
        raise InputError(f"Expected a readable model in {path}. {error}") from error
    except Exception as error:
        # Whatever Keras and HDF5 come upon in a file that somebody else may have written.
        said = " ".join(str(error).split())[:300] or type(error).__name__
        raise expected(f"a readable model in {path}", said) from error
    trunk = getattr(model, "trunk", None)
    if isinstance(trunk, KerasTrunk):
        return trunk
    if trunk is not None:
        # A model of this package says by `inputs` what its network sees.
        if model.inputs != BANDS:
            raise expected(f"a model that sees {BANDS}, to take its trunk", model.inputs, "inputs")
        image = keras.Input((None, None, model.channels))
        return keras.Model(image, trunk(image))
    inner = [layer for layer in model.layers if isinstance(layer, KerasTrunk)]
    if inner:
        return inner[-1]
    if not getattr(model, "inputs", None) or len(model.inputs) != 1:
        raise expected(f"a functional model of images in {path}", type(model).__name__)
    return of_images(model)
