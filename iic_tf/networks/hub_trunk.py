"""Backbones of KerasHub as networks of feature maps, with what they are to be shown."""

from __future__ import annotations

import difflib
import json
import math
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import keras
import numpy as np

from iic_tf.annotations import Batch, Config, Json, Network, Tensor
from iic_tf.errors import InputError, expected
from iic_tf.networks.applications import IMAGENET, NONE
from iic_tf.networks.hub_classes import keras_hub
from iic_tf.networks.reached import not_reached

KAGGLE, HUGGING_FACE = "kaggle://", "hf://"
CONFIG, WEIGHTS = "config.json", "model*.*"

ANY_SIDE = ("DINOV2Backbone", "DINOV3Backbone")
"""Transformers for images of any side: position embeddings are interpolated, or rotary."""

TOKENS = 16
"""Tokens along a side of the window of these, where nobody says how large it is."""

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's colours: what networks want whose preset does not say."""


def hub_network(
    preset: str, weights: str = IMAGENET, window: int | None = None
) -> tuple[Network, Config]:
    """A backbone of KerasHub that makes feature maps.

    A convolutional one has the maps of its pyramid. Of a transformer, the last layer's tokens are
    one map, without class and register tokens; it takes images of one side.

    Args:
        preset: a name that KerasHub knows, `kaggle://…`, `hf://…`, or a folder that
            `save_to_preset` wrote.
        weights: `imagenet` for the preset's own, `none`, or a file of the backbone's weights.
        window: side in pixels of a transformer's images, rounded up to two patches; None: 16
            patches, or what the backbone takes. Of those that take any.

    Returns:
        The network, and `low` and `high` of `KerasTrunk`.

    Raises:
        InputError: KerasHub is not installed; an unknown preset, or none of images; weights that
            cannot be had or do not fit.
    """
    hub = keras_hub(f"the trunk hub:{preset}")
    if weights not in (IMAGENET, NONE) and not Path(weights).is_file():
        raise expected(f"trunk weights {IMAGENET}, {NONE} or a file", weights)
    _require(hub, preset, weights == IMAGENET)
    try:
        shown = _shown(hub, preset)
        backbone = _backbone(hub, preset, weights, window)
    except InputError:
        raise
    except Exception as error:
        # Whatever KerasHub, its servers' clients and HDF5 come upon.
        said = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        wanted = f"a preset of a backbone of images, and its weights, in {preset}"
        raise expected(wanted, said) from error
    return _maps(backbone, preset), shown


def _require(hub: ModuleType, preset: str, with_weights: bool) -> None:
    """Refuse a preset that is unknown, or neither here nor to be fetched.

    Asked before KerasHub is: its servers' clients try again for minutes.
    """
    if Path(preset).is_dir():
        if not Path(preset, CONFIG).is_file():
            raise expected(f"a folder of a KerasHub preset, with its {CONFIG}", preset, "trunk")
        return
    known = hub.models.Backbone.presets
    handle = known[preset]["kaggle_handle"] if preset in known else preset
    if handle.startswith(KAGGLE):
        # Kaggle's own client writes there; a version's folder may be below.
        root = os.environ.get("KAGGLEHUB_CACHE") or Path("~/.cache/kagglehub").expanduser()
        place, server = Path(root, "models", handle.removeprefix(KAGGLE)), "https://api.kaggle.com"
    elif handle.startswith(HUGGING_FACE):
        from huggingface_hub.constants import HF_HUB_CACHE

        name = handle.removeprefix(HUGGING_FACE).replace("/", "--")
        place, server = Path(HF_HUB_CACHE, f"models--{name}"), "https://huggingface.co"
    else:
        near = difflib.get_close_matches(preset, known, n=3)
        told = f" (close: {', '.join(near)})" if near else ""
        raise expected(
            f"a preset of KerasHub{told}, {KAGGLE}…, {HUGGING_FACE}OWNER/NAME or a folder", preset
        )
    wanted = [CONFIG, *([WEIGHTS] if with_weights else [])]
    if all(any(place.glob(f"**/{pattern}")) for pattern in wanted):
        return
    reason = not_reached(server)
    if reason:
        raise expected(
            f"the preset {handle}: fetch it to {place}, or to a folder given as hub:FOLDER", reason
        )


def _shown(hub: ModuleType, preset: str) -> Config:
    """What the backbone is to be shown for 0 and 1, by the preset's converter of images.

    It also refuses presets of other things than images before their weights are fetched.
    """
    try:
        converter = hub.layers.ImageConverter.from_preset(preset)
    except FileNotFoundError:
        scale, offset = (1 / (255 * np.array(DEVIATION)), -np.array(MEAN) / np.array(DEVIATION))
    else:
        scale, offset = (
            np.broadcast_to(default if value is None else value, 3).astype(float)
            for value, default in ((converter.scale, 1.0), (converter.offset, 0.0))
        )
    return {"low": offset.tolist(), "high": (255 * scale + offset).tolist()}


def _backbone(hub: ModuleType, preset: str, weights: str, window: int | None) -> Network:
    def load(**options: Any) -> Network:
        return hub.models.Backbone.from_preset(
            preset, load_weights=weights == IMAGENET, dtype="float32", **options
        )

    backbone = load()
    if type(backbone).__name__ in ANY_SIDE:
        step = 2 * int(backbone.patch_size)
        side = -(-(window or TOKENS // 2 * step) // step) * step
        if tuple(backbone.image_shape) != (side, side, 3):
            backbone = load(image_shape=(side, side, 3))
    if weights not in (IMAGENET, NONE):
        backbone.load_weights(weights)
    return _without_mask_token(backbone)


def _without_mask_token(backbone: Network) -> Network:
    """The same without the token that stands for hidden patches: no image has a gradient of it."""
    config = backbone.get_config()
    if not config.get("use_mask_token"):
        return backbone
    again = type(backbone).from_config({**config, "use_mask_token": False})
    kept = [w for w in backbone.weights if not w.path.endswith("/mask_token")]
    again.set_weights([w.numpy() for w in kept])
    return again


def _maps(backbone: Network, preset: str) -> Network:
    """A functional model of feature maps."""
    kind = type(backbone).__name__
    images = backbone.inputs[0]
    if len(backbone.inputs) != 1 or len(images.shape) != 4 or images.shape[-1] != 3:
        raise expected("a backbone of colour images alone", kind)
    out = keras.tree.flatten(backbone.output)
    if len(out) != 1 or len(out[0].shape) not in (3, 4):
        raise expected("a backbone with one output of maps or tokens", kind)
    if len(out[0].shape) == 4:
        pyramid = getattr(backbone, "pyramid_outputs", None)
        maps = list(pyramid.values()) if pyramid else backbone.outputs
        return keras.Model(images, maps, name=backbone.name)
    side = images.shape[1]
    count, features = out[0].shape[1:]
    cells = _cells(backbone, side)
    if not side or not cells or count is None or count < cells**2 or side % cells:
        raise expected("a transformer with a token for each square patch", kind)
    image = keras.Input((side, side, 3))
    tokens = backbone(_as_asked(backbone, image))
    # Class and register tokens come first.
    tokens = keras.layers.Cropping1D((count - cells**2, 0), name="patches")(tokens)
    return keras.Model(image, keras.layers.Reshape((cells, cells, features), name="map")(tokens))


def _cells(backbone: Network, side: int | None) -> int:
    """Patches along a side of the image."""
    patch = getattr(backbone, "patch_size", None)
    first = patch[0] if isinstance(patch, (list, tuple)) else patch
    if not side or not isinstance(first, int):
        return math.isqrt(backbone.outputs[0].shape[1] or 0)
    return side // first


def _as_asked(backbone: Network, image: Tensor) -> Tensor | Batch:
    """An image in the form, a dictionary or not, that a backbone takes."""
    form = backbone.input
    return {name: image for name in form} if isinstance(form, dict) else image


def preset_config(preset: str) -> Json:
    """The configuration in a folder of a preset; empty where it is no folder.

    Raises:
        InputError: damaged.
    """
    file = Path(preset, CONFIG)
    if not file.is_file():
        return {}
    try:
        found: Json = json.loads(file.read_text(encoding="utf-8"))
        return found
    except (ValueError, OSError, RecursionError) as error:
        raise expected(f"a readable configuration in {file}", str(error)) from error
