"""Small networks of somebody else's, to be trunks."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers

from iic_tf.networks.keras_trunk import KerasTrunk


def conv(filters: int = 4, size: int = 3, stride: int = 1, **options: Any) -> Any:
    return layers.Conv2D(
        filters, size, stride, **{"padding": "same", "activation": "relu"} | options
    )


def chain(*steps: Any, channels: int = 3, side: int | None = None) -> Any:
    """A network of layers one behind another."""
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((side, side, channels)), *steps])


def pyramid(normalised: bool = False, channels: int = 3, side: int | None = None) -> Any:
    """Maps of strides 2, 4 and 8, of 4, 5 and 6 features, padded on one side."""
    keras.utils.set_random_seed(0)
    image = keras.Input((side, side, channels))
    found, x = [], image
    for filters in (4, 5, 6):
        x = conv(filters, 3, 2, activation="elu")(x)
        x = layers.BatchNormalization()(x) if normalised else x
        found.append(x)
    # In no order.
    return keras.Model(image, [found[1], found[0], found[2]])


def u_net(side: int | None = None) -> Any:
    """A map of stride 1 whose inner maps have strides up to 8."""
    keras.utils.set_random_seed(0)
    x = image = keras.Input((side, side, 3))
    for _ in range(3):
        x = conv(4, 3, 2, activation="elu")(x)
    x = layers.Concatenate()([layers.UpSampling2D(8)(x), image])
    return keras.Model(image, conv(4)(x))


def excited() -> Any:
    """A map of stride 4 whose features are scaled by means over the whole of it."""
    keras.utils.set_random_seed(0)
    image = keras.Input((None, None, 3))
    x = conv(6, 3, 4, activation="elu")(image)
    mean = layers.GlobalAveragePooling2D(keepdims=True)(x)
    scale = layers.Dense(6, "sigmoid", kernel_initializer="random_normal")(8 * mean)
    return keras.Model(image, x * scale)


def vectors(side: int | None = 16, channels: int = 3, features: int = 5) -> Any:
    """A vector of an image."""
    steps = [conv(4, 3, 2), layers.GlobalAveragePooling2D(), layers.Dense(features)]
    return chain(*steps, channels=channels, side=side)


def trunk(network: Any = None, **options: Any) -> KerasTrunk:
    """Of `pyramid`, not standardised unless told."""
    return KerasTrunk(
        pyramid() if network is None else network, **{"standardised": False} | options
    )


def drawn(model: Any, seed: int = 0) -> Any:
    """A model whose heads are far from uniform, and statistics of normalisation mean something."""
    rng = np.random.default_rng(seed)
    for variable in model.variables:
        shape = tuple(variable.shape)
        if variable.name == "moving_mean":
            variable.assign(rng.normal(0, 0.3, shape))
        elif variable.name == "moving_variance":
            variable.assign(rng.uniform(0.3, 2.0, shape))
    for head in model.heads.values():
        for variable in head.trainable_variables:
            variable.assign(rng.normal(0, 1, tuple(variable.shape)))
    return model
