"""The choice of bands of a set: numbers within each file, or names of bands in a file each.

`4,1,2` are bands of one file, from 1, in that order. `B02,B03,B04,B08` are files that belong
together by their names: the last word of a name, after `_`, `-` or `.`, or all of it, is the band,
and what goes before it, with the folder, is the image's name: `T32_B02.tif` and `T32_B03.tif` are
`T32`, `tile/B02.tif` and `tile/B03.tif` are `tile`. A resolution may follow the band, as in
`T32_B02_10m.jp2`. Capitals make no difference.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import PurePath

from iic_tf.data.reading import MAX_CHANNELS
from iic_tf.errors import InputError, expected

Bands = tuple[int, ...] | tuple[str, ...]


def parse_bands(text: str) -> Bands:
    """Numbers from 1, or names, as given on a command line: `4,1,2` or `B02,B03`.

    Raises:
        InputError: nothing, an empty part, numbers among names or below 1, a name twice, or more
            than 16.
    """
    parts = [part.strip() for part in text.split(",")]
    numbers = [part for part in parts if re.fullmatch(r"[0-9]{1,9}", part)]
    wrong = not all(parts) or len(parts) > MAX_CHANNELS or len(numbers) not in (0, len(parts))
    if numbers and not wrong:
        chosen = tuple(int(part) for part in parts)
        if min(chosen) >= 1:
            return chosen
        wrong = True
    names = [part.lower() for part in parts]
    if wrong or len(set(names)) < len(names):
        raise expected(
            f"up to {MAX_CHANNELS} bands, numbers from 1 as '4,1,2' or names of files as "
            "'B02,B03,B04,B08'",
            text,
            "bands",
        )
    return tuple(parts)


def group_by_band(
    files: Iterable[PurePath], bands: Sequence[str]
) -> tuple[dict[PurePath, tuple[PurePath, ...]], list[PurePath]]:
    """The files of each image, in the order of its bands.

    Args:
        files: paths within the data folder.
        bands: names of bands.

    Returns:
        By image, named as if all its bands were in one file, the path of each band; and the files
        that are none of these bands.

    Raises:
        InputError: no file of these bands, an image that lacks one, or two files for one band of an
            image; names them.
    """
    found: dict[PurePath, dict[str, list[PurePath]]] = defaultdict(lambda: defaultdict(list))
    others = []
    for file in files:
        key = _split(file, bands)
        if key is None:
            others.append(file)
        else:
            found[key[0]][key[1]].append(file)
    if not found:
        raise InputError(
            f"Expected files of bands {', '.join(bands)}, such as 'tile_{bands[0]}.tif'; received "
            f"{_names(others)}."
        )
    groups: dict[PurePath, tuple[PurePath, ...]] = {}
    for image, by_band in sorted(found.items()):
        missing = [band for band in bands if band not in by_band]
        if missing:
            raise InputError(
                f"Expected bands {', '.join(bands)} of image '{image}'; received none for "
                f"{', '.join(missing)}."
            )
        for band, same in by_band.items():
            if len(same) > 1:
                raise InputError(
                    f"Expected one file for band {band} of image '{image}'; received "
                    f"{_names(same)}. Choose the images by a pattern (image_glob)."
                )
        chosen = tuple(by_band[band][0] for band in bands)
        groups[image.with_name(image.name + chosen[0].suffix)] = chosen
    return groups, others


def _split(file: PurePath, bands: Sequence[str]) -> tuple[PurePath, str] | None:
    """The image that a file belongs to, and its band; None where it is none of the bands."""
    stem = file.stem
    match = re.fullmatch(r"(.+)[_.-](\d+m)", stem, re.IGNORECASE)
    words = match[1] if match else stem
    for band in bands:
        if words.lower() == band.lower():
            # A folder of bands is the image; the data folder itself has no name of its own.
            return (file.parent if file.parent.name else PurePath("image")), band
        if re.fullmatch(rf".+[_.-]{re.escape(band)}", words, re.IGNORECASE):
            return file.with_name(words[: -len(band) - 1]), band
    return None


def _names(files: Sequence[PurePath]) -> str:
    more = f" and {len(files) - 3} more" if len(files) > 3 else ""
    return (", ".join(f"'{file}'" for file in sorted(files)[:3]) or "no files") + more
