"""Whether masks hold the colours and numbers that their classes file lists, told from a sample."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from iic_tf.data.mask_code import Codes, MaskCode
from iic_tf.data.raster import Raster
from iic_tf.data.whole import JPEG_START
from iic_tf.errors import InputError

MOST_MASKS = 64
MOST_PIXELS = 2**27
"""Of whole masks: PNG files are decoded whole, whatever is looked at."""

NEAR = 8
"""How much a part of a colour, 0 to 255, changes at the most where JPEG kept an even area."""

MOST_OFF = 0.01
"""So large a share of pixels may be off by a little: the blurred borders of a mask, say."""

_WINDOW = 128
_SHOWN = 3


def is_jpeg(mask: Raster) -> bool:
    """Whether a mask is a JPEG file, which changes what was drawn."""
    try:
        with mask.path.open("rb") as file:
            return file.read(len(JPEG_START)) == JPEG_START
    except OSError:
        return False  # Told when it is read.


def check_listed(masks: Sequence[Raster], code: MaskCode) -> tuple[str, ...]:
    """Refuse masks whose colours are off by a little; tell of pixels that the file doesn't list.

    Args:
        masks: at least one, opened with `palette=code.palette`; at most 64 of them are looked at,
            spread evenly over all, and 9 windows of 128 x 128 pixels of each.
        code: the classes.

    Returns:
        A line for the user, if there are pixels that are ignored though nobody said so.

    Raises:
        InputError: a coloured mask for classes told by values; more than 1 % of the pixels are near
            a listed colour, but none; or masks are JPEG files and more than 1 % of their pixels are
            not listed, or their numbers lie too close together to be told apart.
    """
    chosen = masks[:: -(-len(masks) // MOST_MASKS)]
    unlisted: Counter[tuple[bool, int]] = Counter()
    jpeg, near, seen, decoded = None, 0, 0, 0
    for mask in chosen:
        pixels = _sample(mask)
        try:
            codes, (keys, _) = code.codes(pixels)
        except InputError as error:
            raise InputError(f"In '{mask.path}': {error}") from error
        coloured = keys is code.colours[0]
        values, counts = np.unique(codes[~np.isin(codes, keys)], return_counts=True)
        if coloured:
            near += int(counts[_near(values, keys)].sum())
        unlisted.update({(coloured, int(v)): int(c) for v, c in zip(values, counts, strict=True)})
        if is_jpeg(mask):
            jpeg = mask
            if not coloured and _too_close(code):
                raise _off(mask, "a JPEG, which changes numbers by more than classes are apart")
        seen += codes.size
        decoded += mask.height * mask.width
        if decoded > MOST_PIXELS:
            break
    share = unlisted.total() / seen
    if near > MOST_OFF * seen or (jpeg is not None and share > MOST_OFF):
        off = near / seen if jpeg is None else share
        raise _off(
            jpeg or chosen[0],
            f"{100 * off:.1f} % of the pixels in colours that are not listed and close to listed "
            f"ones ({_common(unlisted, seen)})",
        )
    if not unlisted:
        return ()
    return (
        f"{100 * share:.1f} % of the masks' pixels have colours or values that the classes file "
        f"doesn't list, and are ignored ({_common(unlisted, seen)})",
    )


def _sample(mask: Raster) -> NDArray[np.generic]:
    """Pixels `[n, channels]` of windows that are spread evenly over the mask."""
    height, width = min(_WINDOW, mask.height), min(_WINDOW, mask.width)
    tops = np.linspace(0, mask.height - height, min(3, mask.height // height)).astype(int)
    lefts = np.linspace(0, mask.width - width, min(3, mask.width // width)).astype(int)
    windows = [mask.read(int(top), int(left), height, width) for top in tops for left in lefts]
    return np.concatenate([w.reshape(-1, w.shape[-1]) for w in windows])


def _near(values: Codes, keys: Codes) -> NDArray[np.bool_]:
    """Of which of some colours there is a listed one that differs by `NEAR` or less."""
    near = np.zeros(len(values), np.bool_)
    for key in _parts(keys):
        near |= np.abs(_parts(values) - key).max(axis=-1, initial=0) <= NEAR
    return near


def _parts(colours: Codes) -> NDArray[np.int32]:
    return np.stack([colours >> 16, colours >> 8 & 255, colours & 255], -1).astype(np.int32)


def _too_close(code: MaskCode) -> bool:
    gaps = np.diff(code.values[0].astype(np.int64))
    return bool(gaps.size) and int(gaps.min()) <= NEAR


def _common(unlisted: Counter[tuple[bool, int]], seen: int) -> str:
    return ", ".join(
        f"{f'#{value:06X}' if coloured else value} {100 * count / seen:.1f} %"
        for (coloured, value), count in unlisted.most_common(_SHOWN)
    )


def _off(mask: Raster, what: str) -> InputError:
    return InputError(
        f"Expected masks of exactly the colours or values in the classes file; received {what} in "
        f"'{mask.path.parent}', such as '{mask.path.name}', as JPEG leaves them. Save the masks as "
        "PNG, from what they were before; if they are meant, list them, perhaps under ignore."
    )
