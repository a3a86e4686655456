"""An export as predictions ask it: opened, with what it says of itself."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from iic_tf.annotations import Arrays
from iic_tf.errors import InputError
from iic_tf.export.card_reading import CLUSTERING, ExportCard, onnx_card, savedmodel_card
from iic_tf.export.exported_predictor import ExportedPredictor
from iic_tf.export.form import Form
from iic_tf.export.model import ImageModel, SceneModel
from iic_tf.export.onnx_runner import load_session, pixels_in, window_path, windows_in
from iic_tf.export.signature import INPUT, PROBABILITIES, SUMS

ONNX = ".onnx"
MARK = "saved_model.pb"


@dataclass(frozen=True)
class Exported:
    """An export that was loaded.

    Attributes:
        path: its file, or the SavedModel's folder of its version.
        card: what it says of itself.
        run: pixels in, arrays by name out.
        load_window: gives the same of its graph for windows, and how many numbers sum up a scene.
    """

    path: Path
    card: ExportCard
    run: Callable[..., Arrays]
    load_window: Callable[[], tuple[Callable[..., Arrays], int]]


def find_export(path: str | Path) -> Path | None:
    """Where an export is, by what a user says; None: it is none.

    An ONNX file, a SavedModel's folder, or one of numbered versions, of which the highest counts.
    """
    path = Path(path)
    if path.suffix.lower() == ONNX:
        return path
    if (path / MARK).is_file():
        return path
    try:
        versions = [p for p in path.iterdir() if p.name.isdecimal() and (p / MARK).is_file()]
    except OSError:
        return None
    return max(versions, key=lambda p: int(p.name)) if versions else None


def load_export(path: Path) -> Exported:
    """Load an export that `find_export` found.

    Raises:
        InputError: there is none, it cannot be loaded, or it does not say what it is.
    """
    if path.suffix.lower() == ONNX:
        return _load_onnx(path)
    from iic_tf.export.savedmodel import CARD_PLACE, load_runners

    card = savedmodel_card(path / CARD_PLACE, path)
    run, load_window = load_runners(path)
    return Exported(path, card, run, load_window)


def _load_onnx(path: Path) -> Exported:
    if not path.is_file():
        raise InputError(f"Expected an ONNX file at '{path}'; received nothing.")
    session = load_session(path, arena=False)
    card = onnx_card(session, path)
    names = [one.name for one in session.get_inputs()]
    if names != [INPUT]:
        raise InputError(
            f"Expected a model with the one input '{INPUT}'; received {path} with "
            f"{', '.join(names)}. Of the two files of an export give the one without '.window'."
        )

    def load_window() -> tuple[Callable[..., Arrays], int]:
        second = window_path(path)
        if not second.is_file():
            raise InputError(
                f"Expected '{second.name}' beside {path}, the graph for windows of a scene: labels "
                "of this model depend on the scene as a whole; received none."
            )
        windows = load_session(second, arena=False)
        (sums,) = (one for one in windows.get_inputs() if one.name == SUMS)
        return windows_in(windows), int(sums.shape[-1])

    return Exported(path, card, pixels_in(session), load_window)


def scene_model_of_export(export: Exported, confidence: bool, probabilities: bool) -> SceneModel:
    """An exported segmenter.

    Args:
        export: it.
        confidence: whether the largest probabilities will be asked for.
        probabilities: whether all of them will.

    Raises:
        InputError: another kind of export, or one without what is asked for.
    """
    card = export.card
    if card.task == CLUSTERING:
        raise InputError(
            f"Expected an export that segments; received {export.path}, which labels whole images."
        )
    if (confidence or probabilities) and PROBABILITIES not in card.outputs:
        asked = " and ".join([*["--confidence"] * confidence, *["--probabilities"] * probabilities])
        raise InputError(
            f"Expected an export that answers with probabilities for {asked}; received "
            f"{export.path}, which answers with labels alone."
        )
    window, features = export.load_window() if card.whole_scene else (None, 0)
    predictor = ExportedPredictor(card, export.run, window, features, probabilities)
    notes = []
    if Form(card.pixels).integer:
        notes.append(
            f"{export.path} takes pixels as {card.pixels}, which cannot say that there is no data: "
            "beside pixels without, labels may differ from the run's own"
        )
    return SceneModel(
        f"export {export.path}",
        predictor,
        card.legend,
        card.low,
        card.high,
        bands=card.bands,
        notes=tuple(notes),
        digest=_digest(export.path),
    )


def _digest(path: Path) -> str:
    """Of all files of an export, that for windows of an ONNX file among them."""
    second = window_path(path)
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
    else:
        files = [path, *[second] * second.is_file()]
    found = hashlib.sha256()
    for file in files:
        with file.open("rb") as opened:
            found.update(hashlib.file_digest(opened, "sha256").digest())
    return found.hexdigest()


def image_model_of_export(export: Exported) -> ImageModel:
    """An exported clusterer.

    Raises:
        InputError: one without probabilities, by which the likeliest images are shown.
    """
    card = export.card
    if PROBABILITIES not in card.outputs:
        raise InputError(
            f"Expected an export that answers with probabilities; received {export.path}, which "
            "answers with labels alone."
        )
    form = Form(card.pixels)

    def probabilities(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        found: NDArray[np.float32] = export.run(form.sent(images.astype(np.float32)))[PROBABILITIES]
        return found

    return ImageModel(
        f"export {export.path}",
        probabilities,
        card.legend.names,
        card.legend.numbers,
        card.named,
        len(card.low),
        card.side,
        card.background,
    )


def refuse_other_answers(path: Path, head: str | None, classes: int | None) -> None:
    """An export has the one answer that it was written with.

    Raises:
        InputError: another one is asked for.
    """
    if head is not None or classes is not None:
        asked = f"--head {head}" if head is not None else f"--classes {classes}"
        raise InputError(
            f"Expected no --head, --overclusters or --classes for an export, which has the one "
            f"answer that it was written with; received {asked} and {path}."
        )
