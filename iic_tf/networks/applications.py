"""Networks of keras.applications, with what they are to be shown."""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from iic_tf.annotations import Config, Network, Tensor
from iic_tf.errors import InputError, expected
from iic_tf.networks.keras_weights import weights_from
from iic_tf.networks.one_input import of_images

IMAGENET, NONE = "imagenet", "none"

UNEVEN = ("InceptionResNetV2", "InceptionV3", "NASNetLarge", "NASNetMobile")
"""Those whose convolutions without padding make maps that are no whole fraction of the image."""


def application(name: str, weights: str = IMAGENET) -> tuple[Network, Config]:
    """A network of keras.applications without its classifier, for images of any size.

    Args:
        name: a class's, such as MobileNetV2.
        weights: `imagenet`, `none`, or a file of this network's weights (`.weights.h5`, Keras' own
            `…_notop.h5`, `.keras`).

    Returns:
        The network, which takes red, green and blue, and `low` and `high` of `KerasTrunk`.

    Raises:
        InputError: an unknown name, one of `UNEVEN`, weights that cannot be had or do not fit.
    """
    build = getattr(keras.applications, name, None)
    if not callable(build) or not name[:1].isupper():
        names = [n for n in dir(keras.applications) if n[0].isupper() and n not in UNEVEN]
        raise expected(f"keras:NAME of keras.applications, one of {', '.join(names)}", name)
    if name in UNEVEN:
        raise expected(
            "a network whose maps are whole fractions of its image",
            f"keras:{name}, whose convolutions without padding make others",
        )
    file = None if weights in (IMAGENET, NONE) else Path(weights)
    if file is not None and not file.is_file():
        raise expected(f"trunk weights {IMAGENET}, {NONE} or a file", weights)
    # Weights of a file go the way of the published ones: some networks differ without them.
    given = None if weights == NONE else IMAGENET
    shown, blue_first = _shown(sys.modules[build.__module__].preprocess_input)
    image = keras.Input((None, None, 3))
    if blue_first:
        image = keras.ops.take(image, [2, 1, 0], axis=-1)
    try:
        with warnings.catch_warnings(), weights_from(file):
            # MobileNets tell those whose images have no fixed size that weights of 224 are taken.
            warnings.filterwarnings("ignore", "`input_shape` is undefined", UserWarning)
            network = build(include_top=False, weights=given, input_tensor=image)
    except InputError:
        raise
    except Exception as error:
        # Whatever Keras and HDF5 come upon.
        said = " ".join(str(error).split()).rstrip(".")
        raise expected(f"weights of {name} in {weights}, without its classifier", said) from error
    return of_images(network), shown


def _shown(prepare: Callable[..., Tensor]) -> tuple[Config, bool]:
    """What a network is to be shown for 0 and 1, red first, and whether it wants blue first.

    Told by what is done to 0, to 255 and to red.
    """
    low, high = (np.asarray(prepare(np.full((1, 1, 3), v, np.float32)))[0, 0] for v in (0.0, 255.0))
    red = np.asarray(prepare(np.array([[[255, 0, 0]]], np.float32)))[0, 0]
    blue_first = math.isclose(float(red[2]), float(high[2]))
    order = slice(None, None, -1 if blue_first else 1)
    return {"low": low[order].tolist(), "high": high[order].tolist()}, blue_first
