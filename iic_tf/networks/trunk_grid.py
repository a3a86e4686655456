"""The cells that a trunk makes of a network's maps: how large, how far they see, where they lie."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from iic_tf.errors import expected
from iic_tf.networks.levels import Level

FINEST = 8
"""A trunk of one level of a larger stride whose cells are moved has maps of a quarter of it."""

WINDOW = 256
"""Side, in pixels, of the windows of a network that sees all of them, unless it says another."""


@dataclass(frozen=True)
class TrunkGrid:
    """Maps of several strides brought to one.

    Attributes:
        levels: the network's maps, of the smallest stride first; none of vectors.
        finest: the stride that maps are brought to first, where cells are moved back best.
        stride: pixels to a cell of what the trunk makes.
        window: side, in pixels, of the windows in which larger images are taken; None: as a whole.
    """

    levels: tuple[Level, ...]
    finest: int = 1
    stride: int = 1
    window: int | None = None

    @classmethod
    def of(
        cls,
        levels: Sequence[Level],
        stride: int | None = None,
        window: int | None = None,
        side: int | None = None,
        vector: bool = False,
    ) -> TrunkGrid:
        """The grid of a network's maps.

        Args:
            levels: its maps, in any order.
            stride: pixels to a cell that are wanted; None: 8 of several maps around it, else the
                finest one's.
            window: as wanted, of a network that sees its window as a whole; None: 256.
            side: of the images that the network takes, if it takes those of one size alone.
            vector: whether maps are averaged over the image.

        Raises:
            InputError: a stride that the maps' do not fit, or such a side.
        """
        own = tuple(sorted(levels, key=lambda level: level.stride))
        if not own:
            return cls(own)
        finest = _first_finest(own[0])
        several = finest <= FINEST <= own[-1].stride and not FINEST % finest
        wanted = (FINEST if several else finest) if stride is None else stride
        finest = min(finest, wanted)
        steps = [level.stride for level in own]
        if wanted % finest or any(step % finest for step in steps):
            raise expected(
                f"a stride that {', '.join(map(str, steps))} are multiples of, or a multiple of "
                f"{finest}",
                stride,
                "stride",
            )
        whole = cls(own, finest, wanted)
        if vector or (side is None and all(level.radius is not None for level in own)):
            return whole
        step = 2 * whole.align
        if side is not None and side % step:
            raise expected(
                f"a network of images of a multiple of {step} pixels, or of any size", side, "side"
            )
        return cls(own, finest, wanted, side or -(-(window or WINDOW) // step) * step)

    @property
    def deepest(self) -> int:
        """What an image is a multiple of for its maps: the largest stride, as a rule."""
        return math.lcm(*(level.period for level in self.levels))

    @property
    def align(self) -> int:
        """Parts of an image that begin at multiples of so many pixels have the same cells."""
        return self.window // 2 if self.window else math.lcm(self.deepest, self.stride)

    @property
    def radius(self) -> int:
        """How far, in pixels, a pixel of the enlarged map sees."""
        if self.window:
            return self.window
        # Beside what cells see: neighbours that enlarging mixes in, and what moved back.
        moved = 2 * self.stride + self.finest
        return max(
            (level.radius or 0) + level.stride + moved + abs(int(level.shift))
            for level in self.levels
        )

    @property
    def border(self) -> int:
        """How many pixels of images are mirrored around it, beyond the network's own pads.

        Pretrained networks know the pads of their convolutions, but cells in an image's very
        corner see little else. A network that sees all of its window gets no more than that.
        """
        return 0 if self.window else 2 * self.deepest


def _first_finest(level: Level) -> int:
    # What is off by cells at a coarse stride can be put right at a finer one.
    coarse = level.stride > FINEST and level.stride % 4 == 0 and abs(level.shift) >= 2
    return level.stride // 4 if coarse else level.stride
