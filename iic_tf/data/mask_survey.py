"""What masks hold: classes for masks of numbers, and advice where a classes file is needed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from iic_tf.data.mask_code import ClassCode, MaskCode, make_mask_code, pack_colours
from iic_tf.data.mask_sample import is_jpeg
from iic_tf.data.raster import Raster
from iic_tf.data.scene import SceneSet
from iic_tf.errors import InputError

IGNORED_VALUE = 255
_LISTED = 12
_LISTED_VALUES = 256
_TOO_MANY = 4096


def infer_classes(masks: Sequence[Raster]) -> MaskCode:
    """Classes 0 to the largest number in masks of one channel; 255 is ignored.

    All masks are read, in blocks. The names are "class 0", "class 1", ... At least half of the
    numbers up to the largest must be there: those of 0, 100 and 200 are no numbers of classes.

    Args:
        masks: opened with `palette="index"`, so that palette masks give their indices.

    Raises:
        InputError: masks are JPEG files, or have colours, fewer than 2 classes, numbers above 254
            or large gaps between them. The message carries a classes file to start from.
    """
    jpeg = next((m for m in masks if is_jpeg(m)), None)
    if jpeg is not None:
        raise InputError(
            f"Expected masks as they were drawn, such as PNG files; received '{jpeg.path}', a "
            "JPEG, which changes colours and numbers. Save the masks as PNG, from what they were "
            "before."
        )
    coloured = [m for m in masks if m.channels >= 3]
    if coloured:
        raise InputError(
            "Expected a classes file that says what the colours of the masks mean; received none, "
            f"but colours in '{coloured[0].path}'. {colour_advice(masks)}"
        )
    counts = _count_values(masks)
    classes = [v for v in sorted(counts) if v != IGNORED_VALUE]
    if not classes or not 1 <= max(classes) < IGNORED_VALUE or 2 * len(classes) < max(classes) + 1:
        raise InputError(
            "Expected masks with classes 0, 1, 2, ... up to 254 (255 is ignored), at least half "
            f"of them present; received masks in '{masks[0].path.parent}' with "
            f"{_some(sorted(counts))}. Say what they mean in a classes file (--class-file): "
            f"{value_advice(counts)}"
        )
    return make_mask_code(
        [ClassCode(f"class {i}", values=(i,)) for i in range(max(classes) + 1)],
        ClassCode("ignore", values=(IGNORED_VALUE,)),
    )


def check_class_count(scenes: SceneSet, wanted: int, asked_for: bool) -> SceneSet:
    """A set whose masks have as many classes as are to be found, or that says they have not.

    Args:
        scenes: with or without masks.
        wanted: how many classes the run finds.
        asked_for: whether the user named the masks or what they mean.

    Returns:
        The set, with a note where the masks have other numbers of classes.

    Raises:
        InputError: they have, and were asked for.
    """
    if scenes.classes is None or scenes.labelled is None or len(scenes.classes) == wanted:
        return scenes
    names = scenes.classes.names
    message = (
        f"the masks have {len(names)} classes ({_listed(names)}), the run finds {wanted}: "
        "iic-tf evaluate will score it many to one"
    )
    if not asked_for:
        return replace(scenes, notes=(*scenes.notes, message))
    numbers = all(name == f"class {i}" for i, name in enumerate(names))
    file = "".join(f"\n  class {i}: {{values: [{i}]}}" for i in range(len(names)))
    raise InputError(
        f"Expected masks of {wanted} classes, as many as the run finds; received masks of "
        f"{len(names)}: {_listed(names)}. Find as many (--classes {len(names)}), or merge classes "
        "in the classes file (--class-file), where one class may list several colours or values"
        + (f":\nclasses:{file}" if numbers else ".")
    )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


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
    return _file(lines, len(counts) - _LISTED, "colours")


def value_advice(counts: Counter[int]) -> str:
    """The numbers in masks, in order, as a classes file to copy and complete."""
    total = counts.total()
    lines = [
        f"  class {i}: {{values: [{value}]}}  # {100 * counts[value] / total:.1f} % of all pixels"
        for i, value in enumerate(sorted(counts)[:_LISTED_VALUES])
    ]
    return _file(lines, len(counts) - _LISTED_VALUES, "values")


def _file(lines: Sequence[str], left: int, what: str) -> str:
    more = f"\n# and {left} {what} more" if left > 0 else ""
    return "Start from this file, give names and leave out what is to be ignored:\n" + (
        "\n".join(["classes:", *lines]) + more
    )


def _count_values(masks: Sequence[Raster]) -> Counter[int]:
    counts = np.zeros(2**16, np.int64)
    for mask in masks:
        for block in mask.row_blocks():
            found = np.bincount(block[..., 0].ravel())
            counts[: len(found)] += found
    return Counter({int(v): int(counts[v]) for v in np.flatnonzero(counts)})


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
