"""What masks hold: classes for masks of numbers, and advice where a classes file is needed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from iic_tf.data.mask_code import ClassCode, MaskCode, make_mask_code, pack_colours
from iic_tf.data.raster import Raster
from iic_tf.errors import InputError

IGNORED_VALUE = 255
_LISTED = 12
_TOO_MANY = 4096


def infer_classes(masks: Sequence[Raster]) -> MaskCode:
    """Classes 0 to the largest number in masks of one channel; 255 is ignored.

    All masks are read, in blocks. The names are "class 0", "class 1", ...

    Args:
        masks: opened with `palette="index"`, so that palette masks give their indices.

    Raises:
        InputError: masks have colours, fewer than 2 classes, or numbers above 254. The message
            carries a classes file to start from.
    """
    coloured = [m for m in masks if m.channels >= 3]
    if coloured:
        raise InputError(
            "Expected a classes file that says what the colours of the masks mean; received none, "
            f"but colours in '{coloured[0].path}'. {colour_advice(masks)}"
        )
    seen = np.zeros(2**16, np.bool_)
    for mask in masks:
        for block in mask.row_blocks():
            seen[block[..., 0]] = True
    found = [int(v) for v in np.flatnonzero(seen)]
    classes = [v for v in found if v != IGNORED_VALUE]
    if not classes or not 1 <= max(classes) < IGNORED_VALUE:
        lines = [f"  class {i}: {{values: [{v}]}}" for i, v in enumerate(found[:_LISTED])]
        raise InputError(
            "Expected masks with classes 0, 1, 2, ... up to 254 (255 is ignored); received masks "
            f"in '{masks[0].path.parent}' with {_some(found)}. Say what they mean in a classes "
            "file, for example:\n" + "\n".join(["classes:", *lines])
        )
    return make_mask_code(
        [ClassCode(f"class {i}", values=(i,)) for i in range(max(classes) + 1)],
        ClassCode("ignore", values=(IGNORED_VALUE,)),
    )


def check_classes(masks: Sequence[Raster], code: MaskCode) -> None:
    """Raise `InputError` if no pixel of any mask belongs to a class; stops at the first that does.

    Args:
        masks: opened with `palette=code.palette`.
        code: the classes to look for.
    """
    for mask in masks:
        for block in mask.row_blocks():
            try:
                if (code.decode(block) >= 0).any():
                    return
            except InputError as error:
                raise InputError(f"In '{mask.path}': {error}") from error
    advice = colour_advice(masks) if code.by_colour else ""
    raise InputError(
        "Expected masks with the colours or values of the classes file; received masks in "
        f"'{masks[0].path.parent}' in which no pixel belongs to a class. {advice}".rstrip()
    )


def colour_advice(masks: Sequence[Raster]) -> str:
    """The masks' colours, most frequent first, as a classes file to copy and complete."""
    counts: Counter[int] = Counter()
    for mask in (Raster(m.path, "rgb") for m in masks):
        for block in mask.row_blocks():
            counts.update(_count_colours(block))
            if len(counts) > _TOO_MANY:
                return (
                    f"There are more than {_TOO_MANY} different colours, as in photographs or "
                    "masks saved as JPEG; masks need a few exact colours (save them as PNG)."
                )
    total = counts.total()
    lines = [
        f'  class {i}: {{colours: ["#{colour:06X}"]}}  # {100 * count / total:.1f} % of all pixels'
        for i, (colour, count) in enumerate(counts.most_common(_LISTED), 1)
    ]
    more = f"\n# and {len(counts) - _LISTED} colours more" if len(counts) > _LISTED else ""
    return "Start from this file, give names and leave out what is to be ignored:\n" + (
        "\n".join(["classes:", *lines]) + more
    )


def _count_colours(block: np.ndarray) -> Counter[int]:  # type: ignore[type-arg]
    # Masks are long runs of one colour: counting runs is much faster than sorting all pixels.
    flat = pack_colours(block).ravel()
    starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])
    lengths = np.diff(np.append(starts, flat.size))
    colours, which = np.unique(flat[starts], return_inverse=True)
    counts = np.bincount(which, lengths).astype(np.int64)
    return Counter(dict(zip(colours.tolist(), counts.tolist(), strict=True)))


def _some(values: Sequence[int]) -> str:
    dots = ", ..." if len(values) > _LISTED else ""
    return f"the values {', '.join(map(str, values[:_LISTED]))}{dots}"
