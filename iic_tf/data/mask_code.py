"""From the colours or numbers in mask files to class indices."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from iic_tf.data.raster import Palette
from iic_tf.data.scene import IGNORE, ClassTable
from iic_tf.errors import InputError, expected

Colour = tuple[int, int, int]
Codes = NDArray[np.uint32]

_BLOCK_PIXELS = 2**18  # Twice as fast as 2**20: temporary arrays stay in the CPU cache.


@dataclass(frozen=True)
class ClassCode:
    """How one class is drawn in masks.

    Attributes:
        name: the class's name.
        colours: red, green, blue, each 0 to 255; several make a merged class.
        values: numbers 0 to 65535 of index masks.
        show: the colour for pictures; the first of `colours` if None, else chosen automatically.
    """

    name: str
    colours: tuple[Colour, ...] = ()
    values: tuple[int, ...] = ()
    show: Colour | None = None


@dataclass(frozen=True, eq=False)
class MaskCode:
    """Turns masks as stored into class indices; made by `make_mask_code` and `load_classes`.

    Attributes:
        table: names and display colours.
        by_colour, by_value: whether the classes are told by colours, by values (or both).
        colours, values: sorted codes (uint32; colours as 0xRRGGBB) and the class index of each.
    """

    table: ClassTable
    by_colour: bool
    by_value: bool
    colours: tuple[Codes, NDArray[np.int32]]
    values: tuple[Codes, NDArray[np.int32]]

    @property
    def palette(self) -> Palette:
        """How mask files have to be opened for `decode`."""
        return "rgb" if self.by_colour else "index"

    def decode(self, mask: NDArray[np.generic]) -> NDArray[np.int32]:
        """Class indices `[height, width]`; `IGNORE` for whatever is ignored or not listed.

        Args:
            mask: uint8 or uint16, `[height, width]` or `[height, width, channels]`. One or two
                channels are read as values (as grey colours where classes have colours only), the
                first three of more channels as red, green and blue. 16-bit colours count by their
                upper 8 bits.

        Raises:
            InputError: the mask is coloured, but the classes are told by values.
        """
        return self._look_up(mask)[0]

    def unknown(self, mask: NDArray[np.generic]) -> float:
        """The share 0 to 1 of pixels that are listed neither as a class nor as ignored."""
        return 1.0 - float(self._look_up(mask)[1].mean())

    def _look_up(self, mask: NDArray[np.generic]) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        if mask.ndim == 2:
            mask = mask[..., None]
        indices = np.empty(mask.shape[:2], np.int32)
        listed = np.empty(mask.shape[:2], np.bool_)
        step = max(1, _BLOCK_PIXELS // max(1, mask.shape[1]))
        for top in range(0, len(mask), step):  # In blocks, so that temporary arrays stay small.
            rows = slice(top, top + step)
            codes, (keys, targets) = self.codes(mask[rows])
            at = np.minimum(np.searchsorted(keys, codes), len(keys) - 1)
            listed[rows] = keys[at] == codes
            indices[rows] = np.where(listed[rows], targets[at], IGNORE)
        return indices, listed

    def codes(self, mask: NDArray[np.generic]) -> tuple[Codes, tuple[Codes, NDArray[np.int32]]]:
        """The pixels `[..., channels]` as codes `[...]`, and the table to look them up in.

        Returns:
            the codes, and `colours` or `values`, whichever they are found in.

        Raises:
            InputError: the mask is coloured, but the classes are told by values.
        """
        coloured = mask.shape[-1] >= 3
        if self.by_colour and (coloured or not self.by_value):
            return pack_colours(mask), self.colours
        if coloured and (mask[..., :1] != mask[..., 1:3]).any():
            raise InputError(
                "Expected a mask of one channel, as the classes are told by values; "
                "received a mask with colours. List colours in the classes file instead."
            )
        return mask[..., 0].astype(np.uint32), self.values


def pack_colours(mask: NDArray[np.generic]) -> Codes:
    """Colours `[..., channels]` as numbers 0xRRGGBB `[...]`; one or two channels are grey.

    Raises:
        InputError: they are neither uint8 nor uint16.
    """
    if mask.dtype not in (np.uint8, np.uint16):
        raise expected("a mask with colours of uint8 or uint16", mask.dtype)
    if mask.dtype == np.uint16:
        mask = mask.astype(np.uint16) >> 8
    red, green, blue = (0, 1, 2) if mask.shape[-1] >= 3 else (0, 0, 0)
    packed = mask[..., red].astype(np.uint32)
    packed <<= 8
    packed |= mask[..., green].astype(np.uint32)
    packed <<= 8
    packed |= mask[..., blue].astype(np.uint32)
    return packed


def make_mask_code(classes: Sequence[ClassCode], ignore: ClassCode | None = None) -> MaskCode:
    """The code of these classes, whose indices are 0, 1, ... in the order given.

    Args:
        classes: at least two, of different names; all with colours, or all with values.
        ignore: colours and values to ignore. Unlisted ones are ignored as well; listing them tells
            `MaskCode.unknown` that they are meant.

    Raises:
        InputError: fewer than two classes, a name, colour or value twice, or mixed kinds.
    """
    if len(classes) < 2:
        raise expected("at least 2 classes", len(classes))
    names = [c.name for c in classes]
    if len(set(names)) < len(names):
        raise expected("a different name for each class", names, "names")
    by_colour, by_value = all(c.colours for c in classes), all(c.values for c in classes)
    if not by_colour and not by_value:
        raise InputError(
            "Expected colours for every class or values for every class; received "
            + ", ".join(f"'{c.name}' with {_kinds(c)}" for c in classes)
            + "."
        )
    targets = [*enumerate(classes), *([(IGNORE, ignore)] if ignore else [])]
    colours = _sorted_codes(
        [(c, "#{:02X}{:02X}{:02X}".format(*c), i, code.name) for i, code in targets
         for c in code.colours], "colour"
    )  # fmt: skip
    values = _sorted_codes(
        [((0, v >> 8, v & 255), str(v), i, code.name) for i, code in targets for v in code.values],
        "value",
    )
    automatic = distinct_colours(len(classes))
    show = [c.show or (c.colours or (automatic[i],))[0] for i, c in enumerate(classes)]
    table = ClassTable(tuple(c.name for c in classes), np.array(show, np.uint8))
    return MaskCode(table, by_colour, by_value, colours, values)


def _sorted_codes(
    rows: Sequence[tuple[Colour, str, int, str]], kind: str
) -> tuple[Codes, NDArray[np.int32]]:
    owner: dict[str, str] = {}
    for _, text, _, name in rows:
        if text in owner:
            raise InputError(
                f"Expected each {kind} once; received {text} in '{owner[text]}' and '{name}'."
            )
        owner[text] = name
    keys = np.array([(r << 16) | (g << 8) | b for (r, g, b), *_ in rows], np.uint32)
    order = np.argsort(keys)
    return keys[order], np.array([index for _, _, index, _ in rows], np.int32)[order]


def _kinds(code: ClassCode) -> str:
    kinds = [k for k, given in (("colours", code.colours), ("values", code.values)) if given]
    return " and ".join(kinds) or "neither"


def distinct_colours(count: int) -> list[Colour]:
    """Colours that are easily told apart, red, green, blue 0 to 255; the same for each call."""
    # Steps of the golden angle spread any number of hues; brightness varies for neighbours.
    return [
        tuple(  # type: ignore[misc]
            round(255 * part)
            for part in colorsys.hsv_to_rgb(i * 0.618034 % 1, 0.75, (0.95, 0.7)[i % 2])
        )
        for i in range(count)
    ]
