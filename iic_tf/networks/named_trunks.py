"""Trunks by what users call them: of keras.applications, of KerasHub, from a file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import keras
import numpy as np

from iic_tf.errors import InputError, expected
from iic_tf.networks.keras_trunk import BATCH, KerasTrunk
from iic_tf.networks.levels import PROBE, input_side
from iic_tf.networks.trunks import MAPS, VECTORS
from iic_tf.views.inputs import BANDS

KERAS, HUB, FILE = "keras:", "hub:", ".keras"
IMAGENET, NONE = "imagenet", "none"
STRIDES = (4, 8, 16)
"""What is taken of a network's strides where nobody says which."""


def is_named(name: str) -> bool:
    """Whether a name is one of this package's own trunks."""
    return name.lower() in {**MAPS, **VECTORS}


def trunk_named(
    name: str,
    weights: str = IMAGENET,
    strides: Sequence[int] = (),
    bands: Sequence[int] | str | None = None,
    frozen: bool = True,
    window: int | None = None,
    vector: bool = False,
) -> str | KerasTrunk:
    """A trunk for `trunk=` of any model.

    Args:
        name: one of this package's own (`networks.trunks`), which is returned as it is;
            `keras:NAME` of `keras.applications`; `hub:PRESET` of KerasHub's backbones; or the path
            of a `.keras` file: of a network of feature maps that sees 0 to 1, or of a model of
            this package, whose trunk is taken.
        weights: `imagenet`; `none` for a network that begins from nothing; or a file of weights.
            Of `keras:` and `hub:`.
        strides: which feature maps, by their strides; none: those of 4, 8 and 16 that there are.
        bands: see `KerasTrunk`.
        frozen: whether its weights stay; those that begin from nothing are always trained.
        window: see `KerasTrunk`.
        vector: whether one vector of an image is wanted.

    Raises:
        InputError: an unknown name, weights that cannot be had, a stride that the network lacks.

    Example:
        `IICSegmenter(3, 15, 3, trunk=trunk_named("keras:MobileNetV2"))`
    """
    if is_named(name):
        return name.lower()
    options: dict[str, Any] = {"window": window, "vector": vector}
    if name.startswith(KERAS):
        network, shown = _application(name.removeprefix(KERAS), weights)
        if bands is not None:
            shown.pop("bands", None)
        if weights == NONE:
            frozen = False
            options["statistics"] = BATCH
        options |= shown
    elif name.endswith(FILE):
        found = _from_file(Path(name))
        if isinstance(found, KerasTrunk):
            return _again(found, frozen, bands, window, vector)
        network = found
    else:
        raise expected(
            f"a trunk: one of {', '.join([*MAPS, *VECTORS])}, {KERAS}NAME, {HUB}PRESET or a "
            f"{FILE} file",
            name,
            "trunk",
        )
    if bands is not None:
        options["bands"] = bands
    return KerasTrunk(maps_at(network, strides), frozen=frozen, **options)


def maps_at(network: Any, strides: Sequence[int] = ()) -> Any:
    """A network whose outputs are its last feature maps of some strides.

    Args:
        network: a functional `keras.Model`.
        strides: which; none: those of 4, 8 and 16 that there are, or its outputs as they are where
            it has several, or no map of these.

    Raises:
        InputError: it has no map of such a stride.
    """
    if not strides and len(network.outputs) > 1:
        return network
    side = input_side(network) or PROBE
    every = [
        one
        for layer in network.layers
        for one in (layer.output if isinstance(layer.output, list) else [layer.output])
        if len(one.shape) == 4
    ]
    if not every and not strides:
        # Of vectors alone.
        return network
    if not every:
        raise expected("strides of a network that has feature maps", tuple(strides), "strides")
    shapes = keras.Model(network.inputs, every).compute_output_shape(
        (1, side, side, network.input_shape[-1])
    )
    shapes = shapes if isinstance(shapes, list) else [shapes]
    last = {
        side // shape[1]: one
        for one, shape in zip(every, shapes, strict=True)
        if shape[1] == shape[2] and side % shape[1] == 0 and shape[1] > 1
    }
    wanted = [s for s in strides or STRIDES if s in last]
    if strides and len(wanted) < len(strides):
        there = ", ".join(map(str, sorted(last)))
        raise expected(f"strides of feature maps that the network has ({there})", tuple(strides))
    if not wanted:
        return network
    return keras.Model(network.inputs, [last[s] for s in wanted], name=network.name)


def _application(name: str, weights: str) -> tuple[Any, dict[str, Any]]:
    """A network of keras.applications, and what it is to be shown."""
    build = getattr(keras.applications, name, None)
    if not callable(build) or not name[:1].isupper():
        names = [n for n in dir(keras.applications) if n[0].isupper()]
        raise expected(f"{KERAS}NAME of keras.applications, one of {', '.join(names)}", name)
    given = {IMAGENET: IMAGENET, NONE: None}.get(weights, weights)
    try:
        network = build(include_top=False, weights=given, input_shape=(None, None, 3))
    except Exception as error:
        raise InputError(
            f"Expected the weights {weights} of {name}, from the network or in "
            f"{Path(keras.config.keras_home(), 'models')}; received {str(error)[:200]}."
        ) from error
    return network, _shown(_module_of(name).preprocess_input)


def _module_of(name: str) -> ModuleType:
    modules = [m for m in vars(keras.applications).values() if isinstance(m, ModuleType)]
    return next(m for m in modules if hasattr(m, name) and hasattr(m, "preprocess_input"))


def _shown(prepare: Any) -> dict[str, Any]:
    """What a network is to be shown for 0 and 1, told by what is done to 0 and to 255."""
    low, high = (np.asarray(prepare(np.full((1, 1, 3), v, np.float32)))[0, 0] for v in (0.0, 255.0))
    red = np.asarray(prepare(np.array([[[255, 0, 0]]], np.float32)))[0, 0]
    shown: dict[str, Any] = {"low": low.tolist(), "high": high.tolist()}
    # The older ones want blue first.
    if math.isclose(float(red[2]), float(high[2])) and not math.isclose(
        float(red[0]), float(high[0])
    ):
        shown["bands"] = (2, 1, 0)
    return shown


def _from_file(path: Path) -> Any:
    """The network in a file, or the trunk of the model in it."""
    if not path.is_file():
        raise expected("the path of a .keras file", str(path), "trunk")
    try:
        model = keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        said = str(error)[:300] or type(error).__name__
        raise expected(f"a readable model in {path}", said) from error
    trunk = getattr(model, "trunk", None)
    if trunk is None:
        only = model.layers[-1] if len(model.layers) <= 2 and model.layers else None
        return only if isinstance(only, KerasTrunk) else model
    if isinstance(trunk, KerasTrunk):
        return trunk
    # A model of this package says by it what its network sees.
    if model.inputs != BANDS:
        raise expected(f"a model that sees {BANDS}, to take its trunk", model.inputs, "inputs")
    image = keras.Input((None, None, model.channels))
    return keras.Model(image, trunk(image))


def _again(
    trunk: KerasTrunk, frozen: bool, bands: Any, window: int | None, vector: bool
) -> KerasTrunk:
    config = trunk.get_config()
    config |= {"network": trunk.network, "frozen": frozen, "vector": vector, "name": "trunk"}
    config |= {"bands": bands} if bands is not None else {}
    config |= {"window": window} if window is not None else {}
    return KerasTrunk(**config)
