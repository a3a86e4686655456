"""What it was measured on, and the peak of memory of one call."""

from __future__ import annotations

import ctypes
import gc
import hashlib
import importlib.util
import os
import platform
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")
TRIMMED = {
    "MALLOC_MMAP_THRESHOLD_": "65536",
    "MALLOC_TRIM_THRESHOLD_": "65536",
    "TF_ONEDNN_USE_SYSTEM_ALLOCATOR": "1",
}
"""Environment under which freed memory goes back to the system at once, so that a peak is that of
one call: TensorFlow's own pool would keep an earlier call's and hide it."""


def machine() -> dict[str, Any]:
    """Processor, memory and versions; no names or paths of the machine."""
    return {
        "processor": _field(Path("/proc/cpuinfo"), "model name") or platform.machine(),
        "cores": os.cpu_count() or 1,
        "memory_gb": round(_kilobytes(Path("/proc/meminfo"), "MemTotal") / 1e6, 1),
        "system": platform.system(),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("tensorflow", "keras", "torch")},
        },
    }


def code() -> str:
    """A fingerprint of the code that is measured, so that figures of two states never mix."""
    found = importlib.util.find_spec("iic_tf")
    assert found is not None
    assert found.origin is not None
    folder = Path(found.origin).parent
    digest = hashlib.sha256()
    for room in ("losses", "models", "networks", "views"):
        for file in sorted((folder / room).glob("*.py")):
            digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def version(package: str) -> str | None:
    """The installed version, None where there is none."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def memory_measurable() -> bool:
    """Whether this system tells and resets a process's high-water mark (Linux does)."""
    return STATUS.is_file() and os.access(CLEAR, os.W_OK)


def peak_mb(call: Callable[[], Any]) -> float:
    """Megabytes that a call takes at its peak above what was resident before it."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    before = _kilobytes(STATUS, "VmRSS")
    CLEAR.write_text("5")  # the mark falls to what is resident now
    call()
    return (_kilobytes(STATUS, "VmHWM") - before) * 1024 / 1e6


def _kilobytes(path: Path, name: str) -> int:
    return int((_field(path, name) or "0").split()[0])


def _field(path: Path, name: str) -> str | None:
    if path.is_file():
        for line in path.read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == name:
                return value.strip()
    return None
