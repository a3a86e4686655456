"""Running an ONNX model by ONNX Runtime, on the CPU and without TensorFlow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from iic_tf.annotations import Arrays
from iic_tf.export.signature import CORE, INPUT, SUMS, ExportError

if TYPE_CHECKING:
    from collections.abc import Callable

    import onnxruntime


def window_path(path: Path) -> Path:
    """Where the graph for windows of a scene goes: `model.window.onnx` beside `model.onnx`."""
    return path.with_name(f"{path.stem}.window{path.suffix}")


def runner(path: Path) -> Callable[..., Arrays]:
    """Run an ONNX model: pixels in, arrays by name out.

    Raises:
        ExportError: ONNX Runtime refuses the model.
    """
    return pixels_in(load_session(path))


def window_runner(path: Path) -> Callable[..., Arrays]:
    """The same of the graph for windows: pixels, sums and core in, arrays by name out."""
    return windows_in(load_session(path))


def run_file(path: Path) -> Callable[..., Arrays]:
    """The same of any model: arrays by name in and out."""
    return _running(load_session(path))


def pixels_in(session: onnxruntime.InferenceSession) -> Callable[..., Arrays]:
    """As `runner`, of a session that was loaded."""
    run = _running(session)
    return lambda pixels: run({INPUT: pixels})


def windows_in(session: onnxruntime.InferenceSession) -> Callable[..., Arrays]:
    """As `window_runner`, likewise."""
    run = _running(session)
    return lambda pixels, sums, core: run({INPUT: pixels, SUMS: sums, CORE: core})


def load_session(path: Path, arena: bool = True) -> onnxruntime.InferenceSession:
    """A model, loaded by ONNX Runtime.

    Args:
        path: the file.
        arena: keep memory for the next call, which for windows of many sizes grows and grows.

    Raises:
        ExportError: ONNX Runtime refuses it.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.enable_cpu_mem_arena = arena
    # Threads that spin while they wait take a third more of the processor, and no less time.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        # Its exceptions have no common class of their own.
        raise ExportError(
            f"Expected a model that ONNX Runtime loads; received: {first_line(error)}."
        ) from error


def _running(session: onnxruntime.InferenceSession) -> Callable[..., Arrays]:
    names = [output.name for output in session.get_outputs()]

    def run(inputs: dict[str, NDArray[np.generic]]) -> dict[str, NDArray[np.generic]]:
        try:
            found = session.run(names, inputs)
        except Exception as error:
            first = next(iter(inputs.values()))
            raise ExportError(
                f"Expected a model that ONNX Runtime runs on pixels {first.shape}; "
                f"received: {first_line(error)}."
            ) from error
        return dict(zip(names, found, strict=True))

    return run


def first_line(error: Exception) -> str:
    """What another library complained of, in one line and not too long."""
    return " ".join(str(error).split())[:300] or type(error).__name__
