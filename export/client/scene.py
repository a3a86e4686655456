"""Cutting a scene into tiles so that its labels do not depend on how it is cut."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

TILE = 512
"""Side of a tile, pixels, surroundings included: 4 MiB of four bands of floats."""

NO_DATA = -1
SIGNATURE, WINDOW = "serving_default", "window"

Arrays = dict[str, Any]
Ask = Callable[[str, Arrays, list[str]], Arrays]
"""Signature, inputs by name and the outputs wanted → outputs by name."""


def label_scene(
    ask: Ask, card: Mapping[str, Any], pixels: Any, tile: int = TILE, at_once: int = 2
) -> Any:
    """Labels of a scene, the same however it is cut into tiles.

    Args:
        ask: a `grpc_model` or `rest_model`.
        card: the model's `model.json`.
        pixels: raw values `[height, width, bands]`; NaN or an infinity where there is no data.
        tile: side of the tiles that are sent, pixels; larger where their margin asks for it.
        at_once: requests on their way at the same time.

    Returns:
        int32 `[height, width]`: numbers of classes, −1 where there is no data.

    Raises:
        ServingError: no answer, or a refusal.
        ValueError: other bands than the model's.
    """
    if pixels.ndim != 3 or pixels.shape[2] != len(card["bands"]):
        raise ValueError(
            f"Expected pixels [height, width, {len(card['bands'])}]; received {pixels.shape}."
        )
    height, width = pixels.shape[:2]
    places = list(windows(height, width, tile, card["margin"], card["align"]))
    whole = bool(card["whole_scene"])
    sums = np.zeros((1, card.get("scene_features") or 0), np.float32)

    def seen(place: Place) -> tuple[Any, Any]:
        rows, columns = place.outer
        return as_sent(pixels[rows, columns], card["input"]["pixels"])

    def sums_of(place: Place) -> Any:
        inputs = {"pixels": seen(place)[0], "sums": np.zeros_like(sums), "core": place.core}
        return ask(WINDOW, inputs, ["own_sums"])["own_sums"]

    def labels_of(place: Place) -> Any:
        sent, holds = seen(place)
        if whole:
            inputs = {"pixels": sent, "sums": sums, "core": place.core}
            found = ask(WINDOW, inputs, ["labels"])
        else:
            found = ask(SIGNATURE, {"pixels": sent}, ["labels"])
        return np.where(holds, found["labels"][0], NO_DATA)[place.inner]

    labels = np.empty((height, width), np.int32)
    with ThreadPoolExecutor(at_once) as threads:
        if whole:
            sums = sum(threads.map(sums_of, places), sums)
        for place, found in zip(places, threads.map(labels_of, places), strict=True):
            labels[place.kept] = found
    return labels


def label_image(ask: Ask, card: Mapping[str, Any], pixels: Any) -> int:
    """The label of a whole image, raw values `[height, width, bands]`."""
    sent, _ = as_sent(pixels, card["input"]["pixels"])
    return int(ask(SIGNATURE, {"pixels": sent}, ["labels"])["labels"][0])


class Place:
    """A tile: what it shows, `outer`; what is kept of it, in the scene and within the tile."""

    def __init__(self, first: tuple[int, int], last: tuple[int, int], margin: int, sides: Any):
        begin = [max(0, at - margin) for at in first]
        end = [min(side, at + margin) for at, side in zip(last, sides, strict=True)]
        self.outer = tuple(slice(a, b) for a, b in zip(begin, end, strict=True))
        self.kept = tuple(slice(a, b) for a, b in zip(first, last, strict=True))
        self.inner = tuple(slice(a - o, b - o) for a, b, o in zip(first, last, begin, strict=True))
        inside = [at - o for at, o in zip(first, begin, strict=True)]
        size = [b - a for a, b in zip(first, last, strict=True)]
        self.core = np.array(inside + size, np.int32)


def windows(height: int, width: int, tile: int, margin: int, align: int) -> Iterator[Place]:
    """Tiles that begin at multiples of `align` and show `margin` around what is kept of them."""
    margin = -(-margin // align) * align
    # No less is kept than is thrown away on a side.
    core = max(tile - 2 * margin, margin, 1)
    core = max(core // align, 1) * align
    for top in range(0, height, core):
        for left in range(0, width, core):
            last = min(top + core, height), min(left + core, width)
            yield Place((top, left), last, margin, (height, width))


def as_sent(pixels: Any, kind: str) -> tuple[Any, Any]:
    """A tile as the model takes it, `[1, h, w, bands]`, and which of its pixels hold data."""
    holds = np.isfinite(pixels).all(-1)
    if kind == "float32":
        return np.ascontiguousarray(pixels, np.float32)[None], holds
    # Whole numbers cannot say that there is none.
    whole = np.rint(np.where(holds[..., None], pixels, 0)).clip(0, np.iinfo(kind).max)
    return whole.astype(kind)[None], holds
