"""Which files of a folder are images, which are masks, and which belong together."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from iic_tf.data.finding import Found, composed, find
from iic_tf.data.list_file import is_list, read_list
from iic_tf.data.pairing import looks_like_mask, pair
from iic_tf.errors import InputError


@dataclass(frozen=True)
class Layout:
    """Images and masks that were found, and what the user has to know of others.

    Attributes:
        root: the folder by which they are named, which holds them all.
        images: their files.
        masks: theirs; if nobody asked for masks, those of the files that look like it.
        notes: a line each.
    """

    root: Path
    images: list[Path]
    masks: list[Path]
    notes: tuple[str, ...]


def find_layout(
    image_root: Path,
    mask_root: Path | None,
    image_glob: str | None,
    mask_glob: str | None,
    suffixes: Collection[str],
) -> Layout:
    """Tell images and masks apart, as `iic_tf.data.folder.load_folder` describes it.

    Args:
        image_root: the folder of the images, a list of them, or one image.
        mask_root: the folder of the masks, or one mask; None where nobody asked for masks.
        image_glob: pattern of the images.
        mask_glob: pattern of the masks.
        suffixes: of the files that are read.

    Raises:
        InputError: a pattern that leads out of a folder, or a list of something else.
    """
    found = _files(image_root, image_glob, suffixes)
    base, images, notes = found.root, found.files, found.notes
    if mask_root is None:
        if image_glob or image_root.is_file():
            return Layout(base, images, [], notes)
        return _told_apart(image_root, images, notes)
    found = _files(mask_root, mask_glob, suffixes)
    masks, notes = found.files, (*notes, *(n for n in found.notes if n not in notes))
    if mask_root.is_file():
        return Layout(base, images, masks, notes)
    image_top, mask_top = Path(os.path.abspath(base)), Path(os.path.abspath(mask_root))
    if image_top != mask_top and mask_top.is_relative_to(image_top):
        images = [i for i in images if not Path(os.path.abspath(i)).is_relative_to(mask_top)]
    elif mask_glob is None and image_top == mask_top and image_glob is None:
        masks = [m for m in masks if looks_like_mask(m.relative_to(mask_root))]
    elif mask_glob is None:
        masks = _without(masks, images)
    return Layout(base, _without(images, masks), masks, notes)


def _told_apart(root: Path, files: list[Path], notes: tuple[str, ...]) -> Layout:
    """Images and masks of which nobody said which is which."""
    masks = [file for file in files if looks_like_mask(file.relative_to(root))]
    images = _without(files, masks)
    if masks and images:
        return Layout(root, images, masks, notes)
    return Layout(root, files, [], notes)


def pair_unasked(root: Path, files: Layout) -> tuple[dict[Path, Path], str]:
    """The mask of each image where nobody asked for masks, and a line for the user.

    Args:
        root: the folder of all of them.
        files: images, and what looks like masks.

    Raises:
        InputError: there is no image for one that looks like a mask.
    """
    masks = files.masks
    some = f"{len(masks)} files look like masks, such as '{masks[0].relative_to(root)}'"
    try:
        pairs = pair_files(root, files.images, root, masks)
    except InputError:
        pairs = {}
    alone = len(masks) - len(set(pairs.values()))
    if alone:
        raise InputError(
            f"Expected images alone in '{root}', or an image for each mask; received "
            f"{len(files.images)} images, while {some}, and {alone} of these have no image. Say "
            "which are masks (--masks or --mask-glob), or which are images (--image-glob; '**/*' "
            "for all)."
        )
    return pairs, f"{some}, and are not taken as images (--image-glob '**/*' says otherwise)"


def _without(files: Sequence[Path], others: Sequence[Path]) -> list[Path]:
    # By the folder that a file lies in, whatever link led there; what a link to a file leads to may
    # be shared by an image and a mask of the same bytes.
    real = {parent: os.path.realpath(parent) for parent in {f.parent for f in (*files, *others)}}
    taken = {(real[f.parent], f.name) for f in others}
    return [f for f in files if (real[f.parent], f.name) not in taken]


def _files(root: Path, glob: str | None, suffixes: Collection[str]) -> Found:
    """Image files under a folder, or of a list; a file stands for itself."""
    if is_list(root):
        return read_list(root, suffixes)
    if root.is_file():
        return Found(root.parent, [root])
    return find(root, suffixes, glob)


def pair_files(
    base: Path, images: Sequence[Path], mask_root: Path, masks: Sequence[Path]
) -> dict[Path, Path]:
    """The mask of each image that has one, by the rules of `iic_tf.data.pairing`.

    Args:
        base: the folder of the images.
        images: in it.
        mask_root: the folder of the masks, or the one mask of one image.
        masks: in it.

    Raises:
        InputError: no image has a mask, or one has two; or one mask for several images.
    """
    if mask_root.is_file():
        if len(images) != 1:
            raise InputError(
                f"Expected a folder of masks for a folder of images; received file '{mask_root}'."
            )
        return {images[0]: mask_root}
    within: dict[PurePath, Path] = {i.relative_to(base): i for i in images}
    pairs = pair(list(within), [m.relative_to(mask_root) for m in masks])
    return {within[image]: mask_root / mask for image, mask in pairs.items()}


def pair_notes(files: Layout, partner: dict[Path, Path]) -> list[str]:
    """A line on images without a mask, and one on masks without an image."""
    notes = []
    bare = [image for image in files.images if image not in partner]
    if partner and bare:
        notes.append(
            f"{len(partner)} of {len(files.images)} images "
            f"{'has' if len(partner) == 1 else 'have'} a mask: no mask is named like "
            f"'{bare[0].name}'"
        )
    used = set(partner.values())
    alone = [mask for mask in files.masks if mask not in used]
    if partner and alone:
        notes.append(f"{len(alone)} masks have no image, such as '{alone[0].name}'")
    return notes


def named_apart(base: Path, files: Sequence[Path]) -> dict[str, Path]:
    """Images by their scenes' names: paths within `base`, without extension, `__` for separators.

    Raises:
        InputError: two get the same name.
    """
    named: dict[str, Path] = {}
    for file in files:
        name = composed("__".join(file.relative_to(base).with_suffix("").parts))
        if name in named:
            raise InputError(
                f"Expected images of different names; received '{named[name]}' and '{file}', "
                f"which are both called '{name}'."
            )
        named[name] = file
    return named
