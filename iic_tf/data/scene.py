"""What a data set hands on: scenes that are read window by window, and the set that holds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from iic_tf.errors import InputError, expected

IGNORE = -1
"""The class index of pixels that are neither trained on (with a mask) nor scored."""


@runtime_checkable
class Scene(Protocol):
    """One image of any size, with or without a mask, of which windows are read.

    Attributes:
        name: unique within its set; used for file names (no folder separators, no extension).
        height, width: size in pixels of the image as stored.
        channels: number of bands.
        has_mask: whether `read_mask` may be called.
    """

    @property
    def name(self) -> str: ...
    @property
    def height(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def channels(self) -> int: ...
    @property
    def has_mask(self) -> bool: ...

    def read(self, top: int, left: int, height: int, width: int) -> NDArray[np.generic]:
        """Raw pixel values `[height, width, channels]` of a window inside the image."""
        ...

    def read_mask(self, top: int, left: int, height: int, width: int) -> NDArray[np.int32]:
        """Class indices `[height, width]` of the window: 0 to classes − 1, or `IGNORE`."""
        ...


Valid = NDArray[np.bool_] | None
"""Which pixels hold data, `[height, width]`; None where all do."""


def has_nodata(scene: Scene) -> bool:
    """Whether some pixel of a scene may hold no data, as far as its headers tell.

    A scene says so in an attribute `has_nodata`; one without it may have any.
    """
    return bool(getattr(scene, "has_nodata", True))


def read_with_valid(
    scene: Scene, top: int, left: int, height: int, width: int
) -> tuple[NDArray[np.generic], Valid]:
    """A window's raw pixels `[height, width, channels]`, all finite, and which of them hold data.

    A scene that knows has a method `read_with_valid`. Of others, pixels with NaN or an infinity in
    any band hold none.
    """
    if hasattr(scene, "read_with_valid"):
        found: tuple[NDArray[np.generic], Valid] = scene.read_with_valid(top, left, height, width)
        return found
    return finite(scene.read(top, left, height, width))


def finite(pixels: NDArray[np.generic]) -> tuple[NDArray[np.generic], Valid]:
    """Pixels `[height, width, channels]` with 0 in place of those that are not finite in all bands.

    Returns:
        The pixels, as they are where all are finite, and which of them hold data.
    """
    if pixels.dtype.kind != "f":
        return pixels, None
    valid = np.isfinite(pixels).all(axis=-1)
    if valid.all():
        return pixels, None
    return np.where(valid[..., None], pixels, np.zeros((), pixels.dtype)), valid


def with_nan(pixels: NDArray[np.generic], valid: Valid) -> NDArray[np.float32]:
    """Pixels `[height, width, channels]` as a served model takes them: NaN where there is no data.

    Returns:
        float32, an array of its own.
    """
    raw = pixels.astype(np.float32)
    if valid is not None:
        raw[~valid] = np.nan
    return raw


def nodata_notes(share: float) -> tuple[str, ...]:
    """A line for the user on the share of a set's pixels that hold no data; none where all do."""
    if not share:
        return ()
    percent = 100 * max(share, 0.0001)
    return (
        f"about {percent:.{2 if percent < 99.5 else 3}g} % of the pixels hold no data (nodata "
        "value, mask, alpha or NaN); they have no part in training, statistics, scores and labels",
    )


@dataclass(frozen=True)
class ClassTable:
    """The classes of a set: names and display colours, in the order of their indices.

    Attributes:
        names: one name for each class.
        colours: uint8 `[classes, 3]`, red, green, blue.
    """

    names: tuple[str, ...]
    colours: NDArray[np.uint8]

    def __post_init__(self) -> None:
        if self.colours.shape != (len(self.names), 3):
            raise expected(
                f"one RGB colour for each of the {len(self.names)} classes",
                self.colours.shape,
                "colours.shape",
            )

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class SceneSet:
    """Scenes of one data set that share channels, classes and value range.

    Attributes:
        name: the data set's name, as on the command line.
        scenes: at least one scene; all have `channels` bands.
        channels: number of bands.
        low, high: float32 `[channels]`; raw values are mapped linearly so that `low` becomes 0 and
            `high` becomes 1, and clipped. The mapping travels into the exported model.
        classes: names and colours where there are masks, else None.
        rgb: which three bands show as red, green and blue in pictures.
        notes: what the user has to know of the data, a line each: what was left out or converted.
        range_notes: likewise of `low` and `high`, where nobody gave them.
        fill: float32 `[channels]` in 0 to 1, what is seen where there is no data; None for zeros.
            It travels into the exported model, too.
    """

    name: str
    scenes: tuple[Scene, ...]
    channels: int
    low: NDArray[np.float32]
    high: NDArray[np.float32]
    classes: ClassTable | None = None
    rgb: tuple[int, int, int] = field(default=(0, 1, 2))
    notes: tuple[str, ...] = ()
    fill: NDArray[np.float32] | None = None
    range_notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.scenes:
            raise InputError(f"Expected at least one image in data set '{self.name}'; received 0.")
        for scene in self.scenes:
            if scene.channels != self.channels:
                raise InputError(
                    f"Expected {self.channels} channels in every image of '{self.name}'; "
                    f"received {scene.channels} in '{scene.name}'."
                )

    def __repr__(self) -> str:
        images = f"{len(self.scenes)} image{'s' * (len(self.scenes) > 1)}"
        masks = sum(scene.has_mask for scene in self.scenes)
        classes = f", {len(self.classes)} classes" if self.classes else ""
        return (
            f"<SceneSet '{self.name}': {images} of {self.channels} channels, {masks} with masks"
            f"{classes}>"
        )

    @property
    def has_nodata(self) -> bool:
        """Whether some pixel of some scene may hold no data, as far as headers tell."""
        return any(has_nodata(scene) for scene in self.scenes)

    @property
    def labelled(self) -> SceneSet | None:
        """The scenes that have masks, or None where there are none."""
        scenes = tuple(s for s in self.scenes if s.has_mask)
        return replace(self, scenes=scenes) if scenes else None

    def pick(self, names: Sequence[str]) -> SceneSet:
        """The scenes of these names, in this order.

        Raises:
            InputError: a name is not in the set.
        """
        by_name = {s.name: s for s in self.scenes}
        missing = [n for n in names if n not in by_name]
        if missing:
            raise expected(f"names of images in '{self.name}'", missing, "names")
        return replace(self, scenes=tuple(by_name[n] for n in names))

    def normalise(self, raw: NDArray[np.generic]) -> NDArray[np.float32]:
        """Map raw values `[..., channels]` to float32 in 0 to 1 by `low` and `high`."""
        span = np.maximum(self.high - self.low, np.float32(1e-12))
        scaled = (raw.astype(np.float32) - self.low) / span
        np.clip(scaled, 0.0, 1.0, out=scaled)
        return np.asarray(scaled)

    def seen(
        self, scene: Scene, top: int, left: int, height: int, width: int
    ) -> tuple[NDArray[np.float32], Valid]:
        """A window as the network sees it, before it is scaled down.

        Returns:
            float32 `[height, width, channels]` in 0 to 1, `fill` where there is no data; and which
            pixels hold data.
        """
        raw, valid = read_with_valid(scene, top, left, height, width)
        shown = self.normalise(raw)
        if valid is not None:
            shown[~valid] = 0.0 if self.fill is None else self.fill
        return shown, valid
