"""Your own images: a folder of PNG, JPEG or TIFF files, with or without masks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from iic_tf.data.band_files import group_by_band, parse_bands
from iic_tf.data.classes import load_classes
from iic_tf.data.converted import Channels, alike
from iic_tf.data.file_scene import FileScene, build_set
from iic_tf.data.layout import find_layout, named_apart, pair_files, pair_notes, pair_unasked
from iic_tf.data.list_file import is_list
from iic_tf.data.mask_code import MaskCode
from iic_tf.data.mask_sample import check_listed
from iic_tf.data.mask_survey import check_classes, infer_classes
from iic_tf.data.raster import Raster
from iic_tf.data.reading import SUFFIXES
from iic_tf.data.registry import SCENES, FileSource, dataset, option
from iic_tf.data.scene import SceneSet
from iic_tf.data.stack import Stack
from iic_tf.data.vrt import sources_of
from iic_tf.errors import DataMissingError, InputError


def load_folder(
    images: str | Path,
    masks: str | Path | None = None,
    classes: str | Path | None = None,
    stretch: tuple[float, float] | None = None,
    channels: int | None = None,
    image_glob: str | None = None,
    mask_glob: str | None = None,
    convert: Channels = "auto",
    bands: str | None = None,
) -> SceneSet:
    """Find images, and masks if asked for, in folders and all folders within them.

    Files that start with a dot, or lie in a folder that does, are left out, and so is what this
    program wrote, see `iic_tf.data.outputs`; the set's notes say what was. A scene's name is its
    path within `images` without extension, `__` in place of separators. Only headers are read,
    besides the sample for `stretch` and the masks: all of them without `classes`, else as far as
    the first pixel of a class.

    Masks are paired by name, see `iic_tf.data.pairing`; images without a mask are unlabelled. Where
    images and masks lie in the same folder, `mask_glob` or `image_glob` tells them apart; without
    either, masks are the files with a folder called masks, labels, ... or a name that ends in
    _mask, _label, _lc, _gt, ... Masks are never taken as images if `masks` or `mask_glob` is given.
    If none of the three is, and each of the files that look like masks has an image, they are taken
    as masks all the same, for scores only, or left out where their classes cannot be told.

    Args:
        images: a folder, one image file, or a list of images, see `iic_tf.data.list_file`; what is
            listed is taken as images, whatever it looks like.
        masks: the folder of the masks (may be the same, or within `images`), or one mask file for
            one image file. None with `mask_glob`: the same as `images`. None else: no masks but
            those that look like it and have an image each.
        classes: the YAML file described in `iic_tf.data.classes`. Without it masks must hold the
            numbers 0, 1, 2, ..., and 255 is ignored.
        stretch: percentiles such as (2, 98) of each band that become black and white. None: the
            range of the number type, 0 to 255 or 0 to 65535.
        channels: how many bands the images must have; None for any, but all the same.
        image_glob: pattern of the images within `images`, such as "*/images/*.jpg".
        mask_glob: pattern of the masks within `masks`, such as "*/masks/*.png".
        convert: how many bands grey and colour images become, see `iic_tf.data.converted`.
        bands: which bands, in this order: "4,1,2" of each file, or "B02,B03,B04,B08" in a file
            each, see `iic_tf.data.band_files`. None: all bands of each file.

    Raises:
        DataMissingError: a folder or file does not exist.
        InputError: no images, none with a mask, unlike bands, sizes or number types, files that
            cannot be read, a mistake in the classes file, or some files that look like masks and
            have no image.
    """
    image_root = _existing(images)
    if is_list(image_root) and masks is None and mask_glob:
        raise InputError(f"Expected the folder of the masks beside the list '{images}'.")
    mask_root = image_root if masks is None and mask_glob else _existing(masks) if masks else None
    files = find_layout(image_root, mask_root, image_glob, mask_glob, SUFFIXES)
    if not files.images:
        matching = f" matching {image_glob!r}" if image_glob else ""
        left_out = "".join(f" ({note})" for note in files.notes)
        raise InputError(
            f"Expected images ({', '.join(sorted(SUFFIXES))}) in '{images}'{matching}; "
            f"received none.{left_out}"
        )
    if not files.masks and mask_root is None and classes is not None:
        raise InputError("Expected masks along with a classes file; received classes alone.")
    base = files.root
    by_file, told_of_bands = _rasters(base, files.images, bands)
    by_file, told_of_doubles = _once(by_file)
    files = replace(files, images=list(by_file))
    partner: dict[Path, Path] = {}
    notes = [*files.notes, *told_of_bands, *told_of_doubles]
    if mask_root is not None:
        partner = pair_files(base, files.images, mask_root, files.masks)
    elif files.masks:
        partner, note = pair_unasked(image_root, files)
        notes.append(note)
    code, told = _usable(by_file, partner, classes, asked_for=mask_root is not None)
    if code is None:
        partner = {}
    notes += [*told, *pair_notes(files, partner)]
    named = named_apart(base, files.images)
    rasters, converted = alike([by_file[file] for file in named.values()], convert)
    notes += converted
    scenes = [
        FileScene(
            name,
            raster,
            Raster(partner[file], code.palette) if code and file in partner else None,
            code if file in partner else None,
        )
        for (name, file), raster in zip(named.items(), rasters, strict=True)
    ]
    name = Path(os.path.abspath(image_root)).stem
    built = build_set(name, scenes, code, stretch, channels)
    return replace(built, notes=(*built.notes, *notes))


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


def _once(rasters: dict[Path, Raster]) -> tuple[dict[Path, Raster], list[str]]:
    """Without files that are in the set twice, by themselves and as part of a VRT; and notes.

    A VRT of more bands than its parts have, as of a file for each band, stays, and its parts go; of
    others, as of a mosaic, the parts stay.
    """
    places = {file.resolve(): file for file in rasters}
    gone: list[Path] = []
    for file, raster in rasters.items():
        if file.suffix.lower() == ".vrt":
            parts = sorted(places[source] for source in sources_of(file) if source in places)
            if parts and raster.channels > max(rasters[part].channels for part in parts):
                gone += parts
            elif parts:
                gone.append(file)
    if not gone:
        return rasters, []
    kept = {file: raster for file, raster in rasters.items() if file not in gone}
    count = len(rasters) - len(kept)
    return kept, [f"left out: {count} files that a VRT has in the set as well, as '{gone[0].name}'"]


def _existing(path: str | Path) -> Path:
    path = Path(path)
    if not path.exists():
        raise DataMissingError(f"Expected a folder or an image file at '{path}'; received nothing.")
    if path.is_file() and path.suffix.lower() not in SUFFIXES and not is_list(path):
        raise InputError(
            f"Expected a folder, an image file or a list of images (.txt); received '{path}'."
        )
    return path


def _usable(
    by_file: dict[Path, Raster],
    partner: dict[Path, Path],
    classes: str | Path | None,
    asked_for: bool,
) -> tuple[MaskCode | None, tuple[str, ...]]:
    """What the masks mean, if it can be told or was asked for, and notes."""
    if not partner:
        return None, ()
    try:
        code, notes = _code(sorted(set(partner.values())), classes)
        if not asked_for:
            for image, mask in partner.items():  # Masks of another size.
                FileScene("", by_file[image], Raster(mask, code.palette), code)
    except InputError as error:
        if asked_for or classes is not None:
            raise
        return None, (f"the masks are left out, as nobody asked for them (--masks): {error}",)
    return code, notes


def _code(masks: Sequence[Path], classes: str | Path | None) -> tuple[MaskCode, tuple[str, ...]]:
    if classes is None:
        return infer_classes([Raster(m, "index") for m in masks]), ()
    code = load_classes(classes)
    rasters = [Raster(m, code.palette) for m in masks]
    notes = check_listed(rasters, code)
    check_classes(rasters, code)
    return code, notes


@dataset(
    "folder",
    SCENES,
    "your own images (TIFF, JPEG 2000, VRT, PNG, JPEG, ...), 1 to 16 channels of integers or "
    "floats; with or without masks",
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
    channels: Channels = option(
        "auto", help="bands of grey and colour images: 1, 3, or as most have (auto)"
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
            convert=self.channels,
            bands=self.bands,
        )
