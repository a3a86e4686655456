"""The requests that TensorFlow Serving makes when it has loaded a model, before any client's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from iic_tf.annotations import Json
from iic_tf.export.client.messages import messages, request
from iic_tf.export.client.scene import TILE
from iic_tf.export.form import Form
from iic_tf.export.servable import CORE, INPUT, SUMS, Servable

WARM_UP = "tf_serving_warmup_requests"
"""The name that it looks for under `assets.extra`."""

MODEL = "warm-up"
"""A name must be there; which one does not count."""


def write_warm_up(path: Path, served: Servable, form: Form, signature: str, window: str) -> None:
    """Write one request for each signature, of the size that the kit's client sends.

    Args:
        path: the file, TFRecords of `PredictionLog`.
        served: the model.
        form: what its input is.
        signature: that of whole images.
        window: that of windows of a scene, where there is one.
    """
    log = messages()["PredictionLog"]
    with tf.io.TFRecordWriter(str(path)) as file:
        for asked, inputs in _requests(served, form, signature, window):
            record = log()
            record.predict_log.request.CopyFrom(request(MODEL, asked, inputs))
            file.write(record.SerializeToString())


def _requests(
    served: Servable, form: Form, signature: str, window: str
) -> Iterator[tuple[str, Json]]:
    # Whole images are scaled to one size inside the graph.
    side = TILE if "height" in served.axes else int(getattr(served, "side", TILE))
    middle = form.sent((served.low + served.high).mean(keepdims=True) / 2)[0].item()
    pixels = _even(middle, (1, side, side, served.model.channels), form.pixels)
    yield signature, {INPUT: pixels}
    if served.scene_features:
        sums = _even(0.0, (1, served.scene_features), "float32")
        core = tf.make_tensor_proto(np.array([0, 0, side, side], np.int32))
        yield window, {INPUT: pixels, SUMS: sums, CORE: _message(core)}


def _even(value: float, shape: tuple[int, ...], kind: str) -> Any:
    """A tensor of one value throughout, which is kept once."""
    return _message(tf.make_tensor_proto(value, kind, shape))


def _message(tensor: Any) -> Any:
    return messages()["Tensor"].FromString(tensor.SerializeToString())
