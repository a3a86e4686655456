"""Export to TensorFlow's SavedModel, as TensorFlow Serving takes it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from keras.export import ExportArchive
from numpy.typing import NDArray

from iic_tf.annotations import Arrays
from iic_tf.errors import InputError
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

CARD_PLACE = f"{EXTRA}/{CARD}"
"""What the model says of itself."""


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


def runner(folder: Path) -> Callable[..., Arrays]:
    """Run the signature of a SavedModel: pixels in, arrays by name out."""
    return _pixels_in(tf.saved_model.load(folder))


def window_runner(folder: Path) -> Callable[..., Arrays]:
    """Run the signature for windows: pixels, sums and core in, arrays by name out."""
    return _windows_in(tf.saved_model.load(folder))


def load_runners(
    folder: Path,
) -> tuple[Callable[..., Arrays], Callable[[], tuple[Callable[..., Arrays], int]]]:
    """What `runner` gives, and what gives that of windows and how many numbers sum up a scene.

    Raises:
        InputError: TensorFlow refuses the model, or it has no such signatures.
    """
    try:
        loaded = tf.saved_model.load(folder)
    except (OSError, ValueError, tf.errors.OpError) as error:
        said = " ".join(str(error).split())[:300]
        raise InputError(
            f"Expected a SavedModel that TensorFlow loads; received {folder}: {said}."
        ) from error
    _require(loaded, SIGNATURE, folder)

    def windows() -> tuple[Callable[..., Arrays], int]:
        _require(loaded, WINDOW, folder)
        sums = loaded.signatures[WINDOW].structured_input_signature[1][SUMS]
        return _windows_in(loaded), int(sums.shape[-1])

    return _pixels_in(loaded), windows


def _require(loaded: Any, name: str, folder: Path) -> None:
    if name not in loaded.signatures:
        found = ", ".join(loaded.signatures) or "none"
        raise InputError(f"Expected signature {name} in {folder}; received {found}.")


def _pixels_in(loaded: Any) -> Callable[..., Arrays]:
    run = _running(loaded, SIGNATURE)
    return lambda pixels: run(**{INPUT: pixels})


def _windows_in(loaded: Any) -> Callable[..., Arrays]:
    run = _running(loaded, WINDOW)
    return lambda pixels, sums, core: run(**{INPUT: pixels, SUMS: sums, CORE: core})


def _running(loaded: Any, name: str) -> Callable[..., Arrays]:
    def run(**inputs: NDArray[np.generic]) -> dict[str, NDArray[np.generic]]:
        # `loaded` is named so that it lives as long as this function: a signature alone does not
        # keep its variables.
        serve = loaded.signatures[name]
        found = serve(**{k: tf.constant(v) for k, v in inputs.items()})
        return {k: np.asarray(v) for k, v in found.items()}

    return run
