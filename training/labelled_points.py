"""Labelled pixels of a data set beside what a linear classifier goes by there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from iic_tf.annotations import Tensor
from iic_tf.data.scene import IGNORE, Scene, SceneSet, read_with_valid, with_nan
from iic_tf.data.windows import windows
from iic_tf.errors import InputError
from iic_tf.graphs import as_graph
from iic_tf.models.linear_head import LinearHead, linear_inputs, linear_margin
from iic_tf.models.served import ServedSegmenter
from iic_tf.training.progress import track
from iic_tf.views.draws import generator

if TYPE_CHECKING:
    from iic_tf.models.segmenter import Segmenter

CORE = 256
"""Side of a window's core, in pixels that the network sees."""

MOST_POINTS = 5_000
"""How many labelled pixels are used of all images together."""


@dataclass(frozen=True)
class LabelledPoints:
    """Labelled pixels.

    Attributes:
        inputs: float32 `[points, inputs]` of a `LinearHead`.
        classes: int `[points]`.
        images: int `[points]`, the number of each pixel's image, or of what else is held out as
            a whole.
        notes: what was left out.
    """

    inputs: NDArray[np.float32]
    classes: NDArray[np.int64]
    images: NDArray[np.int64]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.classes)

    def taken(self, which: NDArray[Any]) -> LabelledPoints:
        """Those at indices, or where a mask says so."""
        return LabelledPoints(self.inputs[which], self.classes[which], self.images[which])


def labelled_points(
    model: Segmenter,
    head: LinearHead,
    scenes: SceneSet,
    downscale: int = 1,
    seed: int = 0,
    most: int = MOST_POINTS,
    places: list[NDArray[np.int64]] | None = None,
) -> LabelledPoints:
    """Labelled pixels and a head's inputs there.

    Of more than `most` a sample is drawn, as evenly over the images as their labels allow.

    Args:
        model: a `Segmenter`.
        head: on its trunk's features.
        scenes: with masks, under the value range of the model's training.
        downscale: that of the training.
        seed: of the sample.
        most: how many pixels in all.
        places: rows and columns, `[n, 2]` of each scene, all of them labelled, instead of a sample
            (`labelled_places`). Points come in this order, scene by scene.

    Raises:
        InputError: no pixel is labelled.
    """
    drawn = labelled_places(scenes, seed, most) if places is None else places
    served = ServedSegmenter(model, scenes.low, scenes.high, downscale, scenes.fill)

    @as_graph(  # type: ignore[untyped-decorator]
        input_signature=[tf.TensorSpec((1, None, None, scenes.channels), tf.float32)]
    )
    def inputs(pixels: Tensor) -> Tensor:
        return linear_inputs(model, head, served.prepared(pixels))

    found: list[NDArray[np.float32]] = []
    classes: list[NDArray[np.int64]] = []
    images: list[NDArray[np.int64]] = []
    wanted = [(number, scene) for number, scene in enumerate(scenes.scenes) if len(drawn[number])]
    empty = 0
    for number, scene in track(wanted, "reading labelled pixels"):
        values, labels, lost = _of_scene(scene, drawn[number], inputs, served, head)
        found.append(values)
        classes.append(labels)
        images.append(np.full(len(labels), number, np.int64))
        empty += lost
    if not sum(len(one) for one in classes):
        raise InputError(
            f"Expected labelled pixels in '{scenes.name}'; received none that hold data."
        )
    notes = (f"{empty} labelled pixels hold no data and were left out",) if empty else ()
    return LabelledPoints(
        np.concatenate(found), np.concatenate(classes), np.concatenate(images), notes
    )


def labelled_places(scenes: SceneSet, seed: int, most: int) -> list[NDArray[np.int64]]:
    """Rows and columns `[n, 2]` of labelled pixels of each scene, `most` in all at most."""
    kept = []
    for number, scene in enumerate(track(scenes.scenes, "looking for labels")):
        kept.append(_sample(scene, generator(seed, 0, number, "points"), most))
    shares = even_shares([len(one) for one in kept], most)
    return [places[:share] for places, share in zip(kept, shares, strict=True)]


def even_shares(counts: list[int], most: int) -> list[int]:
    """How many to take of each, `most` in all: all alike, but for those that have fewer."""
    shares = [0] * len(counts)
    left = most
    order = sorted(range(len(counts)), key=counts.__getitem__)
    for position, number in enumerate(order):
        shares[number] = min(counts[number], left // (len(order) - position))
        left -= shares[number]
    return shares


def _sample(scene: Scene, rng: np.random.Generator, most: int) -> NDArray[np.int64]:
    """Labelled pixels of a scene in an order by chance, the first `most` of them."""
    places, keys = np.zeros((0, 2), np.int64), np.zeros(0)
    if not scene.has_mask:
        return places
    for window in windows(scene.height, scene.width, 2048, 0):
        mask = scene.read_mask(window.top, window.left, window.height, window.width)
        found = np.argwhere(mask != IGNORE) + np.asarray([window.top, window.left])
        places = np.concatenate([places, found])
        keys = np.concatenate([keys, rng.random(len(found))])
        first = np.argsort(keys, kind="stable")[:most]
        places, keys = places[first], keys[first]
    return places


def _of_scene(
    scene: Scene,
    places: NDArray[np.int64],
    inputs: Callable[[Tensor], Tensor],
    served: ServedSegmenter,
    head: LinearHead,
) -> tuple[NDArray[np.float32], NDArray[np.int64], int]:
    """Inputs `[n, inputs]` and classes `[n]` at the places that hold data, in their order.

    Beside them how many hold none.
    """
    factor = served.downscale
    margin = max(served.margin, linear_margin(served.model, head) * factor)
    found = np.zeros((len(places), head.inputs), np.float32)
    classes = np.full(len(places), IGNORE, np.int64)
    for window in windows(scene.height, scene.width, CORE * factor, margin, served.align):
        offset = places - np.asarray([window.top, window.left])
        inside = np.flatnonzero(
            ((offset >= 0) & (offset < (window.height, window.width))).all(axis=1)
        )
        if not len(inside):
            continue
        raw, valid = read_with_valid(scene, *window.outer)
        if valid is not None:
            rows, columns = (places[inside] - np.asarray(window.outer[:2])).T
            inside = inside[valid[rows, columns]]
        cells = (places[inside] - np.asarray(window.outer[:2])) // factor
        maps = inputs(tf.constant(with_nan(raw, valid)[None]))[0]
        found[inside] = np.asarray(tf.gather_nd(maps, cells))
        mask = scene.read_mask(window.top, window.left, window.height, window.width)
        classes[inside] = mask[tuple(offset[inside].T)]
    holds = classes != IGNORE
    return found[holds], classes[holds], int((~holds).sum())
