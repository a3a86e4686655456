"""Your own images: a folder of PNG, JPEG or TIFF files, with or without masks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from iic_tf.data.band_files import group_by_band, parse_bands
from iic_tf.data.classes import load_classes
from iic_tf.data.file_scene import FileScene, build_set
from iic_tf.data.mask_code import MaskCode
from iic_tf.data.mask_survey import check_classes, infer_classes
from iic_tf.data.pairing import looks_like_mask, pair
from iic_tf.data.raster import Raster
from iic_tf.data.registry import SCENES, FileSource, dataset, option
from iic_tf.data.scene import SceneSet
from iic_tf.data.stack import Stack
from iic_tf.errors import DataMissingError, InputError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff"})


def load_folder(
    images: str | Path,
    masks: str | Path | None = None,
    classes: str | Path | None = None,
    stretch: tuple[float, float] | None = None,
    channels: int | None = None,
    image_glob: str | None = None,
    mask_glob: str | None = None,
    bands: str | None = None,
) -> SceneSet:
    """Find images, and masks if asked for, in folders and all folders within them.

    Files that start with a dot, or lie in a folder that does, are left out. A scene's name is its
    path within `images` without extension, `__` in place of separators. Only headers are read,
    besides the sample for `stretch` and the masks: all of them without `classes`, else as far as
    the first pixel of a class.

    Masks are paired by name, see `iic_tf.data.pairing`; images without a mask are unlabelled. Where
    images and masks lie in the same folder, `mask_glob` or `image_glob` tells them apart; without
    either, masks are the files with a folder called masks, labels, ... or a name that ends in
    _mask, _label, _lc, _gt, ... Masks are never taken as images if `masks` or `mask_glob` is given.

    Args:
        images: a folder, or one image file.
        masks: the folder of the masks (may be the same, or within `images`), or one mask file for
            one image file. None with `mask_glob`: the same as `images`. None else: no masks.
        classes: the YAML file described in `iic_tf.data.classes`. Without it masks must hold the
            numbers 0, 1, 2, ..., and 255 is ignored.
        stretch: percentiles such as (2, 98) of each band that become black and white. None: the
            range of the number type, 0 to 255 or 0 to 65535.
        channels: how many bands the images must have; None for any, but all the same.
        image_glob: pattern of the images within `images`, such as "*/images/*.jpg".
        mask_glob: pattern of the masks within `masks`, such as "*/masks/*.png".
        bands: which bands, in this order: "4,1,2" of each file, or "B02,B03,B04,B08" in a file
            each, see `iic_tf.data.band_files`. None: all bands of each file.

    Raises:
        DataMissingError: a folder or file does not exist.
        InputError: no images, none with a mask, unlike bands, sizes or number types, files that
            cannot be read, or a mistake in the classes file.
    """
    image_root = _existing(images)
    mask_root = image_root if masks is None and mask_glob else _existing(masks) if masks else None
    image_files, mask_files = _find(image_root, mask_root, image_glob, mask_glob)
    if not image_files:
        raise InputError(
            f"Expected images ({', '.join(sorted(SUFFIXES))}) in '{images}'"
            f"{f' matching {image_glob!r}' if image_glob else ''}; received none."
        )
    if mask_root is None and classes is not None:
        raise InputError("Expected masks along with a classes file; received classes alone.")
    base = image_root if image_root.is_dir() else image_root.parent
    rasters, notes = _rasters(base, image_files, bands)
    image_files = list(rasters)
    partner: dict[Path, Path] = {}
    if mask_root is not None:
        partner = _pair(base, image_files, mask_root, mask_files)
    code = _code(sorted(set(partner.values())), classes) if partner else None
    scenes = [
        FileScene(
            name,
            rasters[file],
            Raster(partner[file], code.palette) if code and file in partner else None,
            code if file in partner else None,
        )
        for name, file in _named(base, image_files).items()
    ]
    name = Path(os.path.abspath(image_root)).stem
    found = build_set(name, scenes, code, stretch, channels)
    return replace(found, notes=(*found.notes, *notes))


def _rasters(
    base: Path, files: Sequence[Path], bands: str | None
) -> tuple[dict[Path, Raster], list[str]]:
    """The images by their files, or by the one that all their bands would be in; and notes."""
    chosen = None if bands is None else parse_bands(bands)
    if chosen is None or isinstance(chosen[0], int):
        numbers = None if chosen is None else tuple(int(number) for number in chosen)
        return {file: Raster(file, bands=numbers) for file in files}, []
    groups, others = group_by_band([f.relative_to(base) for f in files], [str(b) for b in chosen])
    rasters: dict[Path, Raster] = {
        base / name: Stack([Raster(base / part) for part in parts])
        for name, parts in groups.items()
    }
    if not others:
        return rasters, []
    return rasters, [f"left out: {len(others)} files that are none of {bands}, as '{others[0]}'"]


def _existing(path: str | Path) -> Path:
    path = Path(path)
    if not path.exists():
        raise DataMissingError(f"Expected a folder or an image file at '{path}'; received nothing.")
    if path.is_file() and path.suffix.lower() not in SUFFIXES:
        raise InputError(f"Expected a folder or an image file; received the file '{path}'.")
    return path


def _find(
    image_root: Path, mask_root: Path | None, image_glob: str | None, mask_glob: str | None
) -> tuple[list[Path], list[Path]]:
    images = _files(image_root, image_glob)
    if mask_root is None:
        return images, []
    masks = _files(mask_root, mask_glob)
    if mask_root.is_file():
        return images, masks
    image_folder = image_root if image_root.is_dir() else image_root.parent
    image_top, mask_top = Path(os.path.abspath(image_folder)), Path(os.path.abspath(mask_root))
    if image_top != mask_top and mask_top.is_relative_to(image_top):
        images = [i for i in images if not Path(os.path.abspath(i)).is_relative_to(mask_top)]
    elif mask_glob is None and image_top == mask_top and image_glob is None:
        masks = [m for m in masks if looks_like_mask(m.relative_to(mask_root))]
    elif mask_glob is None:
        masks = _without(masks, images)
    return _without(images, masks), masks


def _without(files: Sequence[Path], others: Sequence[Path]) -> list[Path]:
    taken = {os.path.abspath(f) for f in others}
    return [f for f in files if os.path.abspath(f) not in taken]


def _files(root: Path, glob: str | None) -> list[Path]:
    """Image files under a folder, sorted, without hidden ones; a file stands for itself."""
    if root.is_file():
        return [root]
    try:
        found = list(root.glob(glob or "**/*"))
    except (ValueError, NotImplementedError) as error:
        raise InputError(
            f"Expected a pattern within '{root}', such as '*/images/*.jpg'; received {glob!r}."
        ) from error
    return sorted(
        f
        for f in found
        if f.suffix.lower() in SUFFIXES
        and f.is_file()
        and not any(part.startswith(".") for part in f.relative_to(root).parts)
    )


def _pair(
    base: Path, images: Sequence[Path], mask_root: Path, masks: Sequence[Path]
) -> dict[Path, Path]:
    if mask_root.is_file():
        if len(images) != 1:
            raise InputError(
                f"Expected a folder of masks for a folder of images; received file '{mask_root}'."
            )
        return {images[0]: mask_root}
    within: dict[PurePath, Path] = {i.relative_to(base): i for i in images}
    pairs = pair(list(within), [m.relative_to(mask_root) for m in masks])
    return {within[image]: mask_root / mask for image, mask in pairs.items()}


def _code(masks: Sequence[Path], classes: str | Path | None) -> MaskCode:
    if classes is None:
        return infer_classes([Raster(m, "index") for m in masks])
    code = load_classes(classes)
    check_classes([Raster(m, code.palette) for m in masks], code)
    return code


def _named(base: Path, files: Sequence[Path]) -> dict[str, Path]:
    named: dict[str, Path] = {}
    for file in files:
        name = "__".join(file.relative_to(base).with_suffix("").parts)
        if name in named:
            raise InputError(
                f"Expected images of different names; received '{named[name]}' and '{file}', "
                f"which are both called '{name}'."
            )
        named[name] = file
    return named


@dataset(
    "folder",
    SCENES,
    "your own PNG, JPEG or TIFF images, 1 to 16 channels, 8 or 16 bits; with or without masks",
)
@dataclass(frozen=True, kw_only=True)
class Folder(FileSource):
    """Your own images, with or without masks; see `load_folder`."""

    masks: str | None = option(None, help="folder of masks (scores only)", metavar="DIR", path=True)
    class_file: str | None = option(
        None, help="what the masks' colours or numbers mean", metavar="YAML", path=True
    )
    image_glob: str | None = option(
        None, help="images in --data, as '*/images/*.jpg'", metavar="PATTERN"
    )
    mask_glob: str | None = option(None, help="masks, as '*/masks/*.png'", metavar="PATTERN")
    stretch: tuple[float, float] | None = option(
        None,
        help="percentiles of each band that become black and white, as 2 98",
        metavar=("LOW", "HIGH"),
    )
    bands: str | None = option(
        None, help="numbers from 1, as 4,1,2, or names of files, as B02,B03", metavar="BANDS"
    )

    def load(self) -> SceneSet:
        return load_folder(
            self.folder,
            masks=self.masks,
            classes=self.class_file,
            stretch=self.stretch,
            image_glob=self.image_glob,
            mask_glob=self.mask_glob,
            bands=self.bands,
        )
