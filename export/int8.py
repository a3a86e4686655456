"""ONNX models with weights of 8 bits, and how far their labels agree with the float model's."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from iic_tf.annotations import Json
from iic_tf.data.image_set import ImageSet
from iic_tf.data.registry import source_from_dict
from iic_tf.data.scene import SceneSet, read_with_valid, with_nan
from iic_tf.errors import InputError
from iic_tf.export.form import Form
from iic_tf.export.model_card import card_path, card_texts
from iic_tf.export.onnx_file import export_onnx, save_model
from iic_tf.export.onnx_runner import runner
from iic_tf.export.servable import LABELS, ExportError, Servable
from iic_tf.training.atomic import replacing, scratch
from iic_tf.training.json_files import write_json
from iic_tf.training.progress import progress
from iic_tf.training.run import Run

KEY = "int8"
"""In the card: what the labels were compared on, and the share that agrees."""

_SCENES, _WINDOW, _IMAGES = 8, 256, 256

Batches = list[NDArray[np.float32]]
"""Raw pixels `[batch, height, width, channels]` each, NaN where there is no data."""


def export_int8(run: Run, served: Servable, path: Path, form: Form, card: Json) -> float:
    """Write an ONNX model whose weights have 8 bits, by ONNX Runtime's dynamic quantisation.

    The float model is made and checked first; then both label windows of the run's own data. What
    comes of it is kept in the card under `int8`.

    Args:
        run: whose model it is.
        served: the model.
        path: the file.
        form: what its input and outputs are.
        card: what is to be known of it; gets `int8`.

    Returns:
        How far the float model is from the Keras model, see `iic_tf.export.check`.

    Raises:
        InputError: labels depend on the scene as a whole, whose sums would be those of other
            features.
        ExportError: as `export_onnx`; nothing is left behind.
    """
    if served.scene_features:
        raise InputError(
            "Expected a model whose labels depend on what lies around them alone for --int8; "
            "received one whose labels depend on the scene as a whole."
        )
    with replacing(card_path(path)) as told, replacing(path) as temporary, scratch(path) as room:
        whole, small = room / "float.onnx", room / "int8.onnx"
        difference = export_onnx(served, whole, form)
        with progress("quantising"):
            quantise(whole, small)
        batches, what = sample(run, served)
        card[KEY] = {"agreement": agreement(whole, small, batches, form), "on": what}
        import onnx

        save_model(onnx.load(str(small)), temporary, card_texts(card))
        # Once more as it will be used: its metadata are in it by now.
        runner(temporary)
        write_json(told, card)
    return difference


def quantise(whole: Path, small: Path) -> None:
    """Weights, and while it runs features, in 8 bits.

    Raises:
        ExportError: ONNX Runtime cannot.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    try:
        with _quiet():
            # Unsigned: ONNX Runtime convolves no signed weights with unsigned features on the CPU.
            quantize_dynamic(whole, small, weight_type=QuantType.QUInt8)
    except Exception as error:
        # It raises whatever its parts do.
        said = " ".join(str(error).split())[:300]
        raise ExportError(f"Expected a model that ONNX Runtime quantises; received: {said}.") from (
            error
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the advice on preparing models, which goes to the root logger."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def sample(run: Run, served: Servable) -> tuple[Batches, str]:
    """Windows or images of a run's own data, and what they are in words.

    From the middles of at most 8 scenes, or 256 images. Noise where the data are not there.
    """
    try:
        data = source_from_dict(run.config().get("source", {})).load()
        batches = list(_batches(data))
    except InputError:
        batches = []
    if batches:
        return batches, "the run's own data"
    rng = np.random.default_rng(0)
    shape = (2, 64, 64, served.model.channels)
    noise = served.low + (served.high - served.low) * rng.random(shape, np.float32)
    return [noise.astype(np.float32)], "noise, as the run's own data are not there"


def _batches(data: SceneSet | ImageSet) -> Iterator[NDArray[np.float32]]:
    if isinstance(data, ImageSet):
        yield data.images[:_IMAGES].astype(np.float32)
        return
    for index in np.linspace(0, len(data.scenes) - 1, min(_SCENES, len(data.scenes))):
        scene = data.scenes[round(index)]
        height, width = min(_WINDOW, scene.height), min(_WINDOW, scene.width)
        top, left = (scene.height - height) // 2, (scene.width - width) // 2
        yield with_nan(*read_with_valid(scene, top, left, height, width))[None]


def agreement(whole: Path, small: Path, batches: Batches, form: Form) -> float:
    """The share of labels that are the same, of pixels that hold data."""
    one, other = runner(whole), runner(small)
    same = count = 0
    for pixels in batches:
        holds: NDArray[np.bool_] = np.asarray(np.isfinite(pixels).all(-1))
        sent = form.sent(np.where(holds[..., None], pixels, 0) if form.integer else pixels)
        mine, theirs = one(sent)[LABELS], other(sent)[LABELS]
        # A label an image, or a pixel.
        counted = holds if mine.ndim == 3 else np.ones(len(mine), np.bool_)
        same += int((mine == theirs)[counted].sum())
        count += int(counted.sum())
    return round(same / max(1, count), 6)
