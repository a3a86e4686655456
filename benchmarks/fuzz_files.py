"""Damaged and odd image files for `fuzz.py`, of all formats that are read."""

from __future__ import annotations

import random
import shutil
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from fuzz import Case
from PIL import Image


def files(work: Path, seed: int, count: int) -> list[Case]:
    """So many files, each as an image, a mask or a class file."""
    if not count:
        return []
    rng = random.Random(seed)
    good = work / "good"
    good.mkdir()
    cases = list(_cases(work, good, rng))
    rng.shuffle(cases)
    return cases[:count]


def _cases(work: Path, good: Path, rng: random.Random) -> Iterator[Case]:
    for name, stored in {**_images(good), **_absurd()}.items():
        for what, damaged in _damaged(stored, rng):
            for use, load in (("image", _as_image), ("mask", _as_mask), ("whole", _as_whole)):
                yield _case(work, f"{use} {name}: {what}", name, damaged, load)
    text = b"classes:\n  dark: {values: [0]}\n  light: {values: [1], show: '#ffffff'}\n"
    for what, damaged in _damaged(text, rng):
        yield _case(work, f"classes: {what}", "classes.yaml", damaged, _as_classes)
    for value in ("[" * 3000, "{a: " * 1500, "classes: 7", "classes: {a: {values: [1e400]}}", "\0"):
        yield _case(work, f"classes {value[:30]}", "classes.yaml", value.encode(), _as_classes)
    for value in ("classes: {a: {values: [12345678901234567890]}, b: {values: [.nan]}}", "- a"):
        yield _case(work, f"classes {value[:50]}", "classes.yaml", value.encode(), _as_classes)


def _case(work: Path, name: str, file: str, stored: bytes, load: Callable[[Path], Any]) -> Case:
    folder = work / "odd"

    def prepare() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(work / "data" / "images", folder / "images")
        shutil.copytree(work / "data" / "masks", folder / "masks")
        places: dict[Callable[[Path], Any], str] = {_as_mask: "masks", _as_classes: "."}
        where = places.get(load, "images")
        (folder / where / f"0{Path(file).suffix}" if where != "." else folder / file).write_bytes(
            stored
        )
        if where != "." and Path(file).suffix != ".png":
            (folder / where / "0.png").unlink()

    return Case(name, (), prepare, partial(shutil.rmtree, folder, True), partial(load, folder))


def _read(scenes: Any) -> None:
    for scene in scenes.scenes:
        scene.read(0, 0, min(scene.height, 64), min(scene.width, 64))
        if scene.has_mask:
            scene.read_mask(0, 0, min(scene.height, 64), min(scene.width, 64))


def _as_image(folder: Path) -> None:
    from iic_tf.data.folder import load_folder

    _read(load_folder(folder / "images", stretch=(2, 98)))


def _as_mask(folder: Path) -> None:
    from iic_tf.data.folder import load_folder

    _read(load_folder(folder / "images", folder / "masks"))


def _as_classes(folder: Path) -> None:
    from iic_tf.data.folder import load_folder

    _read(load_folder(folder / "images", folder / "masks", folder / "classes.yaml"))


def _as_whole(folder: Path) -> None:
    from iic_tf.data.image_folder import load_image_folder

    load_image_folder(folder / "images", 8)


def _images(good: Path) -> dict[str, bytes]:
    rng = np.random.default_rng(0)
    colour = rng.integers(0, 255, (24, 24, 3)).astype(np.uint8)
    grey = rng.integers(0, 2, (24, 24)).astype(np.uint8)
    Image.fromarray(colour).save(good / "colour.png")
    Image.fromarray(colour).save(good / "colour.jpg")
    Image.fromarray(grey).save(good / "grey.png")
    Image.fromarray(colour).convert("P").save(good / "palette.png")
    tifffile.imwrite(good / "strips.tif", colour, photometric="rgb")
    tifffile.imwrite(good / "tiles.tif", colour, tile=(16, 16), photometric="rgb")
    tifffile.imwrite(good / "deflate.tif", colour, compression="zlib", photometric="rgb")
    return {file.name: file.read_bytes() for file in sorted(good.iterdir())}


def _absurd() -> dict[str, bytes]:
    """Headers that promise more than anybody has."""

    def png(width: int, height: int) -> bytes:
        def chunk(kind: bytes, data: bytes) -> bytes:
            sum_ = struct.pack(">I", zlib.crc32(kind + data))
            return struct.pack(">I", len(data)) + kind + data + sum_

        head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
        return (
            b"\x89PNG\r\n\x1a\n"
            + chunk(b"IHDR", head)
            + chunk(b"IDAT", zlib.compress(b"\0" * 100))
            + chunk(b"IEND", b"")
        )

    def tiff(width: int, height: int, bands: int) -> bytes:
        entries = [(256, width), (257, height), (258, 8), (259, 1), (262, 1), (273, 8)]
        entries += [(277, bands), (278, height), (279, 100)]
        packed = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
        return (
            struct.pack("<2sHI", b"II", 42, 8)
            + struct.pack("<H", len(entries))
            + packed
            + b"\0" * 4
        )

    sizes = ((1, 2**31 - 1), (2**31 - 1, 2**31 - 1), (0, 0), (60000, 60000), (2**31, 5))
    found = {f"absurd-{w}-{h}.png": png(w, h) for w, h in sizes}
    found |= {f"absurd-{w}-{h}.tif": tiff(w, h, 1) for w, h in sizes}
    return found | {"bands.tif": tiff(24, 24, 60000), "nothing.tif": tiff(0, 24, 0)}


def _damaged(stored: bytes, rng: random.Random) -> Iterator[tuple[str, bytes]]:
    yield "as it is", stored
    for place in [rng.randrange(len(stored)) for _ in range(12)]:
        flipped = bytearray(stored)
        flipped[place] ^= 1 << rng.randrange(8)
        yield f"a bit at {place}", bytes(flipped)
    for place in [rng.randrange(min(len(stored), 200)) for _ in range(6)]:
        flipped = bytearray(stored)
        flipped[place] = 255
        yield f"255 at {place}", bytes(flipped)
    for share in (0.0, 0.1, 0.5, 0.9):
        yield f"cut to {share}", stored[: int(len(stored) * share)]
    yield "twice", stored + stored
    yield "junk", bytes(rng.randrange(256) for _ in range(300))
