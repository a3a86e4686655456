"""Trunks: by name, any Keras model, or a layer that is one."""

from __future__ import annotations

from collections.abc import Callable

import keras

from iic_tf.annotations import Config, Layer, Trunk
from iic_tf.errors import expected
from iic_tf.networks.fixed_features import HOG, Pixels
from iic_tf.networks.four_convolutions import FourConvolutions
from iic_tf.networks.fully_connected import FullyConnected
from iic_tf.networks.keras_trunk import KerasTrunk
from iic_tf.networks.network_a import NetworkA
from iic_tf.networks.network_b import NetworkB
from iic_tf.networks.network_c import NetworkC
from iic_tf.networks.network_vgg11 import NetworkVGG11
from iic_tf.networks.patch_network import PatchNetwork

MAPS: dict[str, Callable[..., Layer]] = {
    "c": NetworkC,
    "vgg11": NetworkVGG11,
    "patches": PatchNetwork,
}
"""Those that make maps, for segmentation."""

VECTORS: dict[str, Callable[..., Layer]] = {
    "a": NetworkA,
    "b": NetworkB,
    "four": FourConvolutions,
    "dense": FullyConnected,
    "pixels": Pixels,
    "hog": HOG,
}
"""Those that make a vector of an image, for clustering."""

PLACE = "trunk"


def learns(name: str) -> bool:
    """Whether a trunk of this package, by its name, has weights at all."""
    return bool(getattr({**MAPS, **VECTORS}[name.lower()], "learns", True))


def trunk_of(
    trunk: Trunk,
    width: float = 1.0,
    vector: bool = False,
    dtype: str | keras.DTypePolicy | None = None,
) -> Layer:
    """The trunk that a model is to have.

    Args:
        trunk: a name of `MAPS` (or `VECTORS`, if a vector is wanted), in small letters or capitals;
            a `keras.Model`, which is frozen, sees 0 to 1 and has as many channels as images bands;
            a `KerasTrunk`, which says more; or what `trunk_config` made of one.
        width: factor of the channel counts of those by name.
        vector: whether one vector of an image is wanted.
        dtype: precision policy of those by name.

    Raises:
        InputError: an unknown name, or another kind of trunk than is wanted.
    """
    named = VECTORS if vector else MAPS
    if isinstance(trunk, str):
        if trunk.lower() not in named:
            wanted = f"a trunk, one of {', '.join(named)}, a keras.Model or a KerasTrunk"
            raise expected(wanted, trunk, "trunk")
        return named[trunk.lower()](width, name=PLACE, dtype=dtype)
    if isinstance(trunk, dict):
        trunk = keras.saving.deserialize_keras_object(trunk)
    if isinstance(trunk, keras.Model):
        trunk = KerasTrunk(trunk, vector=vector)
    if not isinstance(trunk, KerasTrunk):
        wanted = f"a trunk, one of {', '.join(named)}, a keras.Model or a KerasTrunk"
        raise expected(wanted, type(trunk).__name__, "trunk")
    if dtype is not None:
        trunk.set_policy(dtype)
    if trunk.vector != vector:
        kinds = ("maps", "a vector of each image")
        raise expected(f"a trunk that makes {kinds[vector]}", kinds[trunk.vector], "trunk")
    return trunk


def trunk_config(trunk: Layer) -> Config:
    """What a model's configuration keeps of its trunk, beside its name: a plain value."""
    found: Config = keras.saving.serialize_keras_object(trunk)
    return found
