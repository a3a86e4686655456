"""Which mask belongs to which image, told by their names.

One rule serves a whole folder: the first of these under which at least one image finds a mask.
(Trying rules image by image would give an image without a mask that of another image.)

1. The same path within their folders, without extension: `a/7.jpg` and `a/7.png`.
2. As 1, after leaving out one folder called images, image, img, img_dir, masks, mask, labels,
   label, ann, ann_dir or annotations: `Tile 1/images/7.jpg` and `Tile 1/masks/7.png`.
3. As 1 or 2, after leaving out a last word of letters from the mask's name: `7` and `7_label`;
   else from the image's name: `7_RGB` and `7`; else from both: `7_RGBIR` and `7_label`.
4. As 3, leaving out all last words of both: `7_naip-new_RGBIR` and `7_lc`.

Names are compared in Unicode's composed form (NFC): file systems store `ü` in two ways.

Several images may share a mask (two dates of one place, under rules 3 and 4); an image for which
two masks fit is refused.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import PurePath

from iic_tf.data.finding import composed
from iic_tf.errors import InputError

MASK_FOLDERS = frozenset({"masks", "mask", "labels", "label", "ann", "ann_dir", "annotations"})
_FOLDERS = MASK_FOLDERS | {"images", "image", "img", "img_dir"}
_MASK_WORDS = MASK_FOLDERS | {"lc", "gt", "seg", "noboundary", "annotation"}

_Change = Callable[[str], str]


def looks_like_mask(path: PurePath) -> bool:
    """Whether a folder or the last word of the name says mask (masks, labels, ..., `7_label`)."""
    folders = {part.lower() for part in path.parent.parts}
    word = path.stem.rpartition("_")[2].lower() if "_" in path.stem else ""
    return bool(folders & MASK_FOLDERS) or word in _MASK_WORDS


def pair(images: Sequence[PurePath], masks: Sequence[PurePath]) -> dict[PurePath, PurePath]:
    """The mask of each image that has one, by the rules above.

    Args:
        images: paths within the folder of the images.
        masks: paths within the folder of the masks.

    Raises:
        InputError: no image has a mask, or one has two; the message shows names.
    """
    for of_image, of_mask in _RULES:
        by_key: dict[str, list[PurePath]] = defaultdict(list)
        for mask in masks:
            by_key[of_mask(mask)].append(mask)
        found = {image: by_key[of_image(image)] for image in images if of_image(image) in by_key}
        for image, fitting in found.items():
            if len(fitting) > 1:
                raise InputError(
                    f"Expected one mask for image '{image}'; received {_names(fitting)}. "
                    "Choose the masks by a pattern (mask_glob)."
                )
        if found:
            return {image: fitting[0] for image, fitting in found.items()}
    raise InputError(
        "Expected masks that are named like their images (7.jpg and 7.png, or 7_RGB.tif and "
        f"7_label.png); received {len(images)} images such as {_names(images)} and {len(masks)} "
        f"masks such as {_names(masks)}."
    )


def _names(paths: Sequence[PurePath]) -> str:
    return ", ".join(f"'{p}'" for p in paths[:3]) or "none"


def _as_it_is(stem: str) -> str:
    return stem


def _less_a_word(stem: str) -> str:
    return re.sub(r"(?<=.)_[A-Za-z-]+$", "", stem)


def _less_all_words(stem: str) -> str:
    return re.sub(r"(?<=.)(_[A-Za-z-]+)+$", "", stem)


def _key(path: PurePath, change: _Change, leave_out_folder: bool) -> str:
    path = PurePath(composed(str(path)))
    folders = list(path.parent.parts)
    if leave_out_folder:
        at = [i for i, part in enumerate(folders) if part.lower() in _FOLDERS]
        if at:
            del folders[at[-1]]
    return "/".join([*folders, change(path.stem)])


def _rule(
    image: _Change, mask: _Change, folder: bool
) -> tuple[Callable[[PurePath], str], Callable[[PurePath], str]]:
    return (lambda p: _key(p, image, folder)), (lambda p: _key(p, mask, folder))


_RULES = [
    _rule(image, mask, folder)
    for image, mask in [
        (_as_it_is, _as_it_is),
        (_as_it_is, _less_a_word),
        (_less_a_word, _as_it_is),
        (_less_a_word, _less_a_word),
        (_less_all_words, _less_all_words),
    ]
    for folder in (False, True)
]
