"""Trunks by what users call them: of keras.applications, of KerasHub, from a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import keras

from iic_tf.annotations import Config, Network
from iic_tf.errors import InputError, expected
from iic_tf.networks.applications import IMAGENET, NONE, application
from iic_tf.networks.chosen_maps import STRIDES, maps_at, strides_of
from iic_tf.networks.hub_trunk import hub_network
from iic_tf.networks.keras_trunk import BATCH, KerasTrunk
from iic_tf.networks.patch_dictionary import dictionary_network
from iic_tf.networks.shown_bands import LEARNED
from iic_tf.networks.side_by_side import side_by_side
from iic_tf.networks.texture_network import texture_network
from iic_tf.networks.trunk_from_file import trunk_from_file
from iic_tf.networks.trunks import MAPS, VECTORS

KERAS, HUB, FILE = "keras:", "hub:", ".keras"
TEXTURES, DICTIONARY = "textures", "dictionary"
UNTRAINED = (TEXTURES, DICTIONARY)
"""Those that no gradient trains."""


def is_named(name: str) -> bool:
    """Whether a name is one of this package's own trunks."""
    return name.lower() in {**MAPS, **VECTORS}


def parts_of(name: str) -> list[str]:
    """The trunks of a name of several with commas between them; a file's name is one."""
    if "," not in name or Path(name).is_file():
        return [name]
    return [part.strip() for part in name.split(",")]


def trunk_named(
    name: str,
    weights: str = IMAGENET,
    strides: Sequence[int] = (),
    bands: Sequence[int] | str | None = None,
    frozen: bool = True,
    window: int | None = None,
    vector: bool = False,
    stride: int | None = None,
    channels: int = 3,
) -> str | KerasTrunk:
    """A trunk for `trunk=` of any model.

    Args:
        name: one of this package's own (`networks.trunks`), which is returned as it is;
            `keras:NAME` of `keras.applications`; `hub:PRESET` of KerasHub's backbones, or
            `hub:FOLDER` of a preset's files; `textures`, statistics of windows that nobody learned
            (`networks.texture_network`); `dictionary`, how near patches lie to those that are often
            seen, found by `fit` before the first step (`networks.patch_dictionary`); or the path
            of a `.keras` file: of a network of feature maps that sees 0 to 1, or of a model of this
            package, whose trunk is taken.
            Several of these but the first kind with commas between them: their features side by
            side, of the same bands.
        weights: `imagenet`, those published; `none` for a network that begins from nothing; or a
            file of weights. Of `keras:` and `hub:`.
        strides: which feature maps, by their strides; none: those of 4, 8 and 16 that there are.
        bands: see `KerasTrunk`.
        frozen: whether its weights stay; those that begin from nothing are always trained.
        window: see `KerasTrunk`.
        vector: whether one vector of an image is wanted.
        stride: pixels to a cell of what it makes, see `KerasTrunk`.
        channels: bands of the images, of `textures` and `dictionary`.

    Raises:
        InputError: an unknown name, weights that cannot be had, a stride that the network lacks,
            trunks beside each other of other numbers of channels.

    Examples:
        `IICSegmenter(3, 15, 3, trunk=trunk_named("keras:MobileNetV2"))`
    """
    if is_named(name):
        return name.lower()
    options: Config = {"window": window, "vector": vector, "frozen": frozen}
    options["stride"] = stride
    names = parts_of(name)
    never = [one.lower() for one in names if one.lower() in UNTRAINED]
    if never and not frozen:
        raise InputError(f"Expected a frozen trunk of {never[0]}, which no gradient trains.")
    # Of a choice of bands those alone, in its order.
    seen = len(bands) if isinstance(bands, Sequence) and bands != LEARNED else channels
    found = [_network(one, weights, strides, window, stride, seen) for one in names]
    if len(names) == 1:
        network, shown = found[0]
        if isinstance(network, KerasTrunk):
            return _again(network, frozen, bands, window, vector, stride)
        options |= shown
    else:
        networks = [_of_images(network, seen) for network, _ in found]
        network = side_by_side(networks, [shown for _, shown in found])
    if weights == NONE:
        options |= {"frozen": False, "statistics": BATCH}
    if bands is not None:
        options["bands"] = bands
    return KerasTrunk(network, **options)


def _network(
    name: str,
    weights: str,
    strides: Sequence[int],
    window: int | None,
    stride: int | None,
    channels: int,
) -> tuple[Network | KerasTrunk, Config]:
    """One trunk's network with the maps that are wanted of it, and what it is shown."""
    if (own := name.lower()) in UNTRAINED:
        if weights != IMAGENET or strides:
            raise InputError(f"Expected no weights and no strides of {own}; received some.")
        make = texture_network if own == TEXTURES else dictionary_network
        return make(channels, stride or 4), {}
    if name.startswith(KERAS):
        network, shown = application(name.removeprefix(KERAS), weights)
    elif name.startswith(HUB):
        network, shown = hub_network(name.removeprefix(HUB), weights, window)
        strides = strides or [s for s in STRIDES if s in strides_of(network)]
    elif name.endswith(FILE):
        if weights != IMAGENET:
            raise expected(f"trunk weights of {KERAS} and {HUB} trunks alone", weights)
        network, shown = trunk_from_file(Path(name)), {}
        if isinstance(network, KerasTrunk):
            return network, shown
    else:
        raise expected(
            f"a trunk: one of {', '.join([*MAPS, *VECTORS, *UNTRAINED])}, {KERAS}NAME, {HUB}PRESET "
            f"or a {FILE} file, or several of the last five with commas between them",
            name,
            "trunk",
        )
    return maps_at(network, strides), shown


def _of_images(network: Network | KerasTrunk, channels: int) -> Network:
    """A trunk of somebody's run as a network; a network as it is."""
    if not isinstance(network, KerasTrunk):
        return network
    image = keras.Input((None, None, channels))
    return keras.Model(image, network(image), name="of_a_run")


def _again(
    trunk: KerasTrunk,
    frozen: bool,
    bands: str | Sequence[int] | None,
    window: int | None,
    vector: bool,
    stride: int | None,
) -> KerasTrunk:
    config = trunk.get_config()
    config |= {"network": trunk.network, "frozen": frozen, "vector": vector, "name": "trunk"}
    config |= {"bands": bands} if bands is not None else {}
    config |= {"window": window} if window is not None else {}
    config |= {"stride": stride} if stride is not None else {}
    return KerasTrunk(**config)
