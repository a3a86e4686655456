"""What a run keeps of its data: names, sizes and times, by which other data are told from them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from iic_tf.annotations import Facts, Json
from iic_tf.data.finding import composed
from iic_tf.data.image_set import ImageSet
from iic_tf.data.list_file import is_list, read_list
from iic_tf.data.raster import Raster
from iic_tf.data.reading import SUFFIXES
from iic_tf.data.scene import SceneSet
from iic_tf.data.source import absolute

MOST_FILES = 2000
"""Of larger sets only the digests are kept."""

IMAGES, MASKS = "images", "masks"

_SAMPLE = 64
_NAMED = 3


def fingerprint(data: SceneSet | ImageSet, folder: str | Path | None = None) -> Json:
    """Names, sizes and times of a data set's images and masks, as plain values.

    Args:
        data: the set.
        folder: the data set's; names of files within it are relative to it.

    Returns:
        `images` and, where there are masks in files, `masks`, each with `count`, `sha256` of names
        and sizes, `times`, the same of the times, and, up to 2000 of them, `files`: by name a text
        of bytes, height × width and the time of the last change in seconds. What lies in memory
        has a digest of a sample of its values in place of bytes, and no time.
    """
    root = None if folder is None else Path(os.path.abspath(Path(folder).expanduser()))
    if root is not None and is_list(root):
        root = read_list(root, SUFFIXES).root
    if isinstance(data, ImageSet):
        return {IMAGES: _kept(dict(_of_images(data, root)))}
    images: dict[str, str] = {}
    masks: dict[str, str] = {}
    for scene in data.scenes:
        size = f"{scene.height}×{scene.width}"
        image, mask = getattr(scene, "image", None), getattr(scene, "mask", None)
        if isinstance(image, Raster):
            images |= {_name(path, root): _of_file(path, size) for path in image.paths}
        else:
            images[composed(scene.name)] = f"{_digest(image)} {size} 0"
        if isinstance(mask, Raster):
            masks |= {_name(path, root): _of_file(path, size) for path in mask.paths}
    return {IMAGES: _kept(images), **({MASKS: _kept(masks)} if masks else {})}


def differences(old: Facts, new: Facts, part: str = IMAGES) -> list[str]:
    """In what the data of two fingerprints differ, in words; their times say nothing.

    Args:
        old: the fingerprint kept.
        new: that of now.
        part: `IMAGES` or `MASKS`.
    """
    before, now = old.get(part) or _kept({}), new.get(part) or _kept({})
    if before["sha256"] == now["sha256"]:
        return []
    if before.get("files") is None or now.get("files") is None:
        if before["count"] != now["count"]:
            return [f"{now['count']} {part} in place of {before['count']}"]
        return [f"{now['count']} {part}, some of other names or sizes"]
    was, is_now = (
        {name: text.rpartition(" ")[0] for name, text in one["files"].items()}
        for one in (before, now)
    )
    return [
        *_told([n for n in is_now if n not in was], part, "new"),
        *_told([n for n in was if n not in is_now], part, "gone"),
        *_told([n for n in was if is_now.get(n, was[n]) != was[n]], part, "changed"),
    ]


def touched(old: Facts, new: Facts, part: str = IMAGES) -> list[str]:
    """Which files have the same names and sizes, but other times; see `differences`."""
    before, now = old.get(part), new.get(part)
    if not before or not now or before["times"] == now["times"]:
        return []
    if before["sha256"] != now["sha256"]:
        return []
    was, is_now = before.get("files"), now.get("files")
    if was is None or is_now is None:
        return [f"some of the {now['count']} {part} are newer or older"]
    return _told([n for n in was if is_now[n] != was[n]], part, "newer or older")


def said(config: Facts, data: SceneSet | ImageSet, folder: str | None) -> tuple[str, ...]:
    """A line where a run's own data have changed since its training, else none.

    Args:
        config: the run's; where it keeps no fingerprint, as older ones do, nothing is said.
        data: the data of now.
        folder: theirs; where it is another one than the run's, nothing is said.
    """
    old = config.get("data")
    if not isinstance(old, Mapping):
        return ()
    if folder is not None and absolute(folder) != config.get("source", {}).get("data"):
        return ()
    different = differences(old, fingerprint(data, folder))
    if not different:
        return ()
    return (f"these are not quite the data of the training: {'; '.join(different)}",)


def _of_images(data: ImageSet, root: Path | None) -> Iterator[tuple[str, str]]:
    size = f"{data.height}×{data.width}"
    if data.files is not None and root is not None:
        for file in data.files:
            yield composed(file), _of_file(root / file, size)
        return
    for name, images in (("images", data.images), ("extra", data.extra)):
        if images is not None:
            yield name, f"{_digest(images)} {len(images)}×{size} 0"


def _kept(files: dict[str, str]) -> Json:
    names, times = hashlib.sha256(), hashlib.sha256()
    for name in sorted(files):
        text, _, time = files[name].rpartition(" ")
        names.update(f"{name}\n{text}\n".encode(errors="surrogateescape"))
        times.update(f"{name}\n{time}\n".encode(errors="surrogateescape"))
    return {
        "count": len(files),
        "sha256": names.hexdigest(),
        "times": times.hexdigest(),
        "files": dict(sorted(files.items())) if len(files) <= MOST_FILES else None,
    }


def _name(path: Path, root: Path | None) -> str:
    place = Path(os.path.abspath(path))
    if root is not None and root != place and place.is_relative_to(root):
        return composed(place.relative_to(root).as_posix())
    # Of masks in another folder: which folder, says the run's source.
    return composed("/".join(place.parts[-2:]))


def _of_file(path: Path, size: str) -> str:
    try:
        status = path.stat()
    except OSError:
        return f"0 {size} 0"  # Told when it is read.
    return f"{status.st_size} {size} {int(status.st_mtime)}"


def _digest(values: object) -> str:
    """Of values in memory: their type, shape and a sample."""
    if not isinstance(values, np.ndarray):
        return "0"
    sample = values[:: max(1, len(values) // _SAMPLE)]
    found = hashlib.sha256(f"{values.dtype} {values.shape}".encode())
    found.update(np.ascontiguousarray(sample[:, :: max(1, values.shape[1] // _SAMPLE)]).tobytes())
    return found.hexdigest()[:16]


def _told(names: list[str], part: str, what: str) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    which = f"1 {part[:-1]} is" if len(names) == 1 else f"{len(names)} {part} are"
    return [f"{which} {what}: {', '.join(names[:_NAMED])}{more}"]
