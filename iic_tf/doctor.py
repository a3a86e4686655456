"""What is installed and what this machine has, in a form that goes into a bug report."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from iic_tf.data.registry import FileSource, dataset_names, source_class, source_from_dict
from iic_tf.errors import InputError
from iic_tf.version import __version__

PACKAGE = "iic_tf"

EXTRAS = {
    "cuda": "NVIDIA GPUs",
    "hub": "trunks of KerasHub",
    "ray": "several machines by Ray",
    "serving": "a client of TF Serving",
    "smooth": "predict --smooth",
    "vector": "labels and polygons in GeoPackage and GeoJSON",
}
"""What a user may want of the extras, by name."""

THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
"""Environment that says how many threads there are."""

_NAME = re.compile(r"[A-Za-z0-9._-]+")


def report(data: str | None = None) -> Iterator[str]:
    """Lines on versions, devices, memory, disk, optional packages and data sets.

    Args:
        data: a folder in which the known data sets are looked for; None: none are.

    Yields:
        Lines of text as they are known: devices take seconds, for TensorFlow is loaded.

    Examples:
        >>> next(report()).split()[0]
        'iic-tf'
    """
    yield f"iic-tf {__version__}, Python {platform.python_version()}, {platform.platform()}"
    yield from _packages()
    yield from _devices()
    yield f"memory: {_gigabytes('MemTotal')} in all, {_gigabytes('MemAvailable')} to be had"
    for what, place in (("here", Path.cwd()), ("of weights", _weights_folder())):
        yield f"disk {what} ({place}): {shutil.disk_usage(_there(place)).free / 1e9:.1f} GB free"
    yield from _extras()
    if data is not None:
        yield from _data_sets(data)


def _packages() -> Iterator[str]:
    required = [r for r in metadata.requires(PACKAGE) or [] if "extra ==" not in r]
    wanted = {name: requirement for requirement in required if (name := _name(requirement))}
    told = []
    for name, requirement in wanted.items():
        version = _version(name)
        if version is None:
            yield f"missing: {requirement}; pip install '{requirement}'"
        else:
            told.append(f"{name} {version}")
    yield f"packages: {', '.join(told)}"


def _devices() -> Iterator[str]:
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    names = [
        str(tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name))
        for gpu in gpus
    ]
    yield f"GPUs: {', '.join(names) or 'none that TensorFlow can use'}"
    if not gpus and shutil.which("nvidia-smi"):
        yield "  there is an NVIDIA driver: pip install 'iic_tf[cuda]' lets TensorFlow use it"
    yield f"CPU: {_cores()} cores for this process, of {os.cpu_count()}"
    set_ = [f"{name}={os.environ[name]}" for name in THREADS if name in os.environ]
    if set_:
        yield f"threads: {', '.join(set_)}"


def _extras() -> Iterator[str]:
    for extra, purpose in EXTRAS.items():
        mark = re.compile(rf"extra == ['\"]{extra}['\"]")
        names = [_name(r) for r in metadata.requires(PACKAGE) or [] if mark.search(r)]
        # TensorFlow itself is always there: what its own extra adds is not seen by its name.
        absent = [name for name in names if _version(name) is None]
        if extra == "cuda":
            absent = [] if _version("nvidia-cudnn-cu12") else ["nvidia-cudnn-cu12"]
        state = f"not there; pip install 'iic_tf[{extra}]'" if absent else "there"
        yield f"extra {extra} ({purpose}): {state}"


def _data_sets(data: str) -> Iterator[str]:
    if not Path(data).expanduser().is_dir():
        raise InputError(f"Expected a folder of data sets in --data; received '{data}'.")
    for name in dataset_names():
        if not issubclass(source_class(name), FileSource):
            continue
        try:
            found = source_from_dict({"dataset": name, "data": data}).load()
        except InputError:
            continue
        yield f"data set {name}: {len(getattr(found, 'scenes', found))} images in '{data}'"


def _name(requirement: str) -> str:
    found = _NAME.match(requirement)
    return found.group() if found else ""


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _cores() -> int:
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _gigabytes(field: str) -> str:
    """Of Linux' own table; unknown elsewhere."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return "unknown"
    values = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.split()[1:]}
    return f"{values[field] * 1024 / 1e9:.1f} GB" if field in values else "unknown"


def _weights_folder() -> Path:
    return Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser()


def _there(place: Path) -> Path:
    """The place, or the nearest folder above it that there is."""
    return next(one for one in (place, *place.parents) if one.exists())
