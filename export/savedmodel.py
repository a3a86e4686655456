"""Export to TensorFlow's SavedModel, as TensorFlow Serving takes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from keras.export import ExportArchive
from numpy.typing import NDArray

from iic_tf.export.check import check, check_windows
from iic_tf.export.form import Form
from iic_tf.export.model_card import CARD, Card
from iic_tf.export.servable import (
    CORE,
    INPUT,
    PLAIN,
    SUMS,
    Servable,
    signature,
    window_signature,
)
from iic_tf.export.warm_up import WARM_UP, write_warm_up
from iic_tf.training.atomic import replacing
from iic_tf.training.json_files import write_json
from iic_tf.training.progress import progress

SIGNATURE = "serving_default"
WINDOW = "window"


EXTRA = "assets.extra"
"""Where TensorFlow Serving leaves a SavedModel's own files alone."""


def export_savedmodel(
    served: Servable, folder: Path, form: Form = PLAIN, card: Card | None = None
) -> float:
    """Write a SavedModel, check it, and only then put it in its place.

    Args:
        served: the model.
        folder: the SavedModel itself. TensorFlow Serving wants its name to be a number, the
            version, inside a folder of the model's name.
        form: what its input and outputs are.
        card: what is to be known of it, kept in `assets.extra/model.json`. Beside it goes the
            file by which TensorFlow Serving warms a model up.

    Returns:
        How far it is from the Keras model, see `iic_tf.export.check`.

    Raises:
        ExportError: the exported model computes something else; nothing is left behind.
    """
    with replacing(folder) as temporary:
        with progress("2/3  writing a SavedModel"):
            archive = ExportArchive()
            for layer in getattr(served.model, "tracked", [served.model]):
                archive.track(layer)
            archive.add_endpoint(SIGNATURE, signature(served, form))
            if served.scene_features:
                archive.add_endpoint(WINDOW, window_signature(served, form))
            archive.write_out(temporary, verbose=False)
        extra = Path(temporary) / EXTRA
        extra.mkdir()
        if card is not None:
            write_json(extra / CARD, card)
        write_warm_up(extra / WARM_UP, served, form, SIGNATURE, WINDOW)
        worst = check(runner(temporary), served, form)
        if served.scene_features:
            worst = max(worst, check_windows(window_runner(temporary), served, form))
        return worst


def runner(folder: Path) -> Any:
    """Run the signature of a SavedModel: pixels in, arrays by name out."""
    run = _runner(folder, SIGNATURE)
    return lambda pixels: run(**{INPUT: pixels})


def window_runner(folder: Path) -> Any:
    """Run the signature for windows: pixels, sums and core in, arrays by name out."""
    run = _runner(folder, WINDOW)
    return lambda pixels, sums, core: run(**{INPUT: pixels, SUMS: sums, CORE: core})


def _runner(folder: Path, name: str) -> Any:
    loaded = tf.saved_model.load(folder)

    def run(**inputs: NDArray[np.generic]) -> dict[str, NDArray[np.generic]]:
        # `loaded` is named so that it lives as long as this function: a signature alone does not
        # keep its variables.
        serve = loaded.signatures[name]
        found = serve(**{k: tf.constant(v) for k, v in inputs.items()})
        return {k: np.asarray(v) for k, v in found.items()}

    return run
