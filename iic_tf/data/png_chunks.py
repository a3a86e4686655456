"""The chunks of a PNG, found without decoding it."""

from __future__ import annotations

import struct
from typing import BinaryIO

PNG_START = b"\x89PNG\r\n\x1a\n"


def find_chunk(file: BinaryIO, kind: bytes) -> bytes | None:
    """What is in the first chunk of a kind, which may lie behind the pixels; None without one."""
    at = len(PNG_START)
    while True:
        file.seek(at)
        head = file.read(8)
        if len(head) < 8:
            return None
        size, found = struct.unpack(">I4s", head)
        if found == kind:
            return file.read(size)
        at += 12 + size
