"""Windows of a large scene that are done, kept in a file until all of it is.

The file grows by a record for each window. What a kill or a full disk leaves half-written at its
end is told by its length and checksum, and computed anew; so is what a power cut takes back.
"""

from __future__ import annotations

import io
import json
import struct
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from iic_tf.annotations import Facts, Json
from iic_tf.data.scene import Scene, Valid
from iic_tf.data.windows import Window
from iic_tf.export.window_maps import Maps, WindowMaps

SUFFIX = ".windows"

_START = b"iic-tf windows 1\n"
_LENGTH = struct.Struct(">Q")

Arrays = dict[str, NDArray[Any]]


def kept_path(folder: Path, scene: str) -> Path:
    """Where the windows of a scene are kept: hidden, beside its label map."""
    return folder / f".{scene}{SUFFIX}"


def clear_kept(folder: Path) -> None:
    """Delete what calls that did not end have kept in a folder."""
    for path in folder.glob(f".*{SUFFIX}"):
        with path.open("rb") as file:
            ours = file.read(len(_START)) == _START
        if ours:
            path.unlink()


class KeptMaps:
    """Maps of windows, those of an earlier call among them; a context, which closes the file.

    Args:
        maps: makes those that are not there yet.
        path: the file, which may hold windows of an earlier call.
        about: what the scene was labelled with, and itself; windows of anything else are dropped.
        confidence: whether anybody asks for the largest probability; else it is not kept, and 0.
    """

    def __init__(self, maps: WindowMaps, path: Path, about: Facts, confidence: bool = False):
        self._maps = maps
        self._path = path
        self._about = np.frombuffer(json.dumps(about, sort_keys=True).encode(), np.uint8)
        self._confidence = confidence
        self._places: dict[str, int] = {}
        self.kept = 0

    def __enter__(self) -> KeptMaps:
        self._file: BinaryIO = self._path.open("a+b")
        self._file.seek(0)
        if self._file.read(len(_START)) == _START:
            end = self._file.tell()
            while (found := self._record(end)) is not None:
                name = str(found["name"])
                if name == "about" and not np.array_equal(found["about"], self._about):
                    self._places.clear()
                    break
                self._places[name] = end
                end = self._file.tell()
        if "about" in self._places:
            self._file.truncate(end)
        else:
            self._places.clear()
            self._file.truncate(0)
            self._file.write(_START)
            self._append("about", {"about": self._about})
        self.kept = len([name for name in self._places if name.startswith("window")])
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def sums(self, scene: Scene) -> NDArray[np.float32]:
        """What sums up the scene, which may take as long as all its windows."""
        if (found := self._found("sums")) is not None:
            return np.asarray(found["sums"])
        sums = self._maps.sums(scene)
        self._append("sums", {"sums": sums})
        return sums

    def core(
        self,
        window: Window,
        pixels: NDArray[np.generic],
        valid: Valid,
        sums: NDArray[np.float32] | None,
    ) -> Maps:
        """The maps of a window's core."""
        name = f"window {window.top} {window.left} {window.height} {window.width}"
        if (found := self._found(name)) is not None:
            labels = found["labels"]
            best = found.get("confidence", np.zeros(labels.shape, np.float32))
            return Maps(labels, best, found.get("percent"))
        maps = self._maps.core(window, pixels, valid, sums)
        arrays: Arrays = {"labels": maps.labels}
        if self._confidence:
            arrays["confidence"] = maps.confidence
        if maps.percent is not None:
            arrays["percent"] = maps.percent
        self._append(name, arrays)
        return maps

    def _found(self, name: str) -> Arrays | None:
        place = self._places.get(name)
        return None if place is None else self._record(place)

    def _record(self, place: int) -> Arrays | None:
        """The record that begins there; None where there is none, or not all of it."""
        self._file.seek(place)
        start = self._file.read(_LENGTH.size)
        if len(start) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack(start)
        # No more than there is: what is broken may tell any length.
        packed = self._file.read(min(length, self._path.stat().st_size))
        if not length or len(packed) < length:
            return None
        try:
            with np.load(io.BytesIO(zlib.decompress(packed)), allow_pickle=False) as arrays:
                return dict(arrays)
        except (zlib.error, ValueError, OSError, KeyError):
            return None

    def _append(self, name: str, arrays: Arrays) -> None:
        buffer = io.BytesIO()
        named: Json = {"name": np.array(name), **arrays}
        np.savez(buffer, **named)
        packed = zlib.compress(buffer.getbuffer(), 1)
        self._file.write(_LENGTH.pack(len(packed)) + packed)
        self._file.flush()
