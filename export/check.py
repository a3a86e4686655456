"""Whether an exported model computes what the Keras model does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iic_tf.data.windows import Window, windows
from iic_tf.export.form import Form
from iic_tf.export.servable import (
    LABELS,
    OWN_SUMS,
    PLAIN,
    PROBABILITIES,
    ExportError,
    Servable,
    outputs,
)
from iic_tf.models.served import NO_LABEL
from iic_tf.training.progress import track
from iic_tf.training.whole_scene import core_of

CLOSE = 10
"""Where the two likeliest clusters are closer than so many tolerances, either label is right."""

Outputs = dict[str, NDArray[np.generic]]

Exported = Callable[[NDArray[np.generic]], Outputs]
"""Raw pixels `[batch, height, width, channels]` in, outputs by name."""

ExportedWindow = Callable[[NDArray[np.generic], NDArray[np.float32], NDArray[np.int32]], Outputs]
"""The same of a window: pixels, sums of the scene and the window's core in."""


def check(
    run_exported: Exported,
    served: Servable,
    form: Form = PLAIN,
    examples: Sequence[tuple[int, int, int]] | None = None,
) -> float:
    """Compare an exported model with the Keras model on raw pixels of several sizes.

    Args:
        run_exported: runs the exported model as a client would.
        served: what was exported.
        form: in which form.
        examples: batch, height and width of the images that it is shown; None: the model's own.

    Returns:
        The largest difference of any two probabilities; of an export of labels alone the share of
        them that are others than the Keras model's, in the worst of the sizes.

    Raises:
        ExportError: names, types, sizes, probabilities or labels differ.
    """
    rng = np.random.default_rng(0)
    span = served.high - served.low
    worst = 0.0
    for example in track(examples or served.examples, "3/3  checking the export"):
        shape = (*example, served.model.channels)
        # A little beyond the range on both sides, where values are clipped.
        noise = rng.uniform(-0.05, 1.05, shape)
        pixels = (served.low + span * noise).astype(np.float32)
        if not form.integer:
            _spoil(pixels, rng)
        sent = form.sent(pixels)
        mine = _of_keras(served, sent)
        worst = max(worst, _compare(mine, run_exported(sent), shape, served.tolerance, form))
    return worst


def _of_keras(served: Servable, sent: NDArray[np.generic]) -> Outputs:
    found = served(sent.astype(np.float32))
    return {name: np.asarray(value) for name, value in found.items()}


def _spoil(pixels: NDArray[np.float32], rng: np.random.Generator) -> None:
    """Some values that are none, infinite, or far beyond any range, in one pixel of fifty each."""
    for value in (np.nan, np.inf, -np.inf, 1e30, -1e30):
        there = rng.random(pixels.shape) < 0.02 / pixels.shape[-1]
        pixels[there] = value


def check_windows(run_window: ExportedWindow, served: Any, form: Form = PLAIN) -> float:
    """Cut an image into windows as a client would, and compare with the Keras model shown it whole.

    Args:
        run_window: runs the exported model for windows as a client would.
        served: what was exported, a `ServedSegmenter` with `scene_features`.
        form: in which form.

    Returns:
        As `check`.

    Raises:
        ExportError: as `check`.
    """
    core = 2 * served.align
    height, width = 2 * core + 5 * served.downscale + 1, 2 * core - 1
    rng = np.random.default_rng(0)
    noise = rng.uniform(size=(1, height, width, served.model.channels))
    pixels = form.sent((served.low + (served.high - served.low) * noise).astype(np.float32))
    places = list(windows(height, width, core, served.margin, served.align))

    def run(window: Window, sums: NDArray[np.float32]) -> Outputs:
        top, left, rows, columns = window.outer
        seen = pixels[:, top : top + rows, left : left + columns]
        return run_window(seen, sums, core_of(window))

    sums = np.zeros((1, served.scene_features), np.float32)
    sums = sum((run(w, sums)[OWN_SUMS] for w in places), sums)
    mine = _of_keras(served, pixels)
    theirs = {name: np.empty_like(value) for name, value in _of_form(mine, form).items()}
    for window in places:
        found = run(window, sums)
        rows, columns = (
            slice(a, a + n) for a, n in ((window.top, window.height), (window.left, window.width))
        )
        for name, value in theirs.items():
            value[:, rows, columns] = found[name][(slice(None), *window.inner)]
    return _compare(mine, theirs, pixels.shape, served.tolerance, form)


def _compare(
    mine: Outputs, theirs: Outputs, shape: tuple[int, ...], tolerance: float, form: Form
) -> float:
    asked = "×".join(map(str, shape))
    wanted = _of_form(mine, form)
    if set(wanted) != set(theirs):
        raise ExportError(
            f"Expected outputs {', '.join(sorted(wanted))} of the exported model; "
            f"received {', '.join(sorted(theirs))}. Nothing was written."
        )
    for name, value in wanted.items():
        other = np.asarray(theirs[name])
        if other.dtype != value.dtype or other.shape != value.shape:
            raise ExportError(
                f"Expected {name} as {value.dtype} {value.shape} for pixels {asked}; received "
                f"{other.dtype} {other.shape} from the exported model. Nothing was written."
            )
    probabilities = mine[PROBABILITIES].astype(np.float64)
    others = mine[LABELS] != theirs[LABELS]
    if form.labels_only:
        difference = float(others.mean())
    else:
        difference = _difference(probabilities, theirs[PROBABILITIES], tolerance, asked)
    first_two = np.partition(probabilities, -2, axis=-1)[..., -2:]
    clear = first_two[..., 1] - first_two[..., 0] > CLOSE * tolerance
    # That there is no data is no close call.
    clear |= mine[LABELS] == NO_LABEL
    wrong = int((clear & others).sum())
    if wrong:
        raise ExportError(
            f"Expected the Keras model's labels; received {wrong} others of {clear.sum()} clear "
            f"ones for pixels {asked}. Nothing was written."
        )
    return difference


def _of_form(mine: Outputs, form: Form) -> Outputs:
    """What an export of this form should answer; whatever else the Keras model does, too."""
    left_out = {LABELS, PROBABILITIES} - set(outputs(form))
    found = {name: value for name, value in mine.items() if name not in left_out}
    if form.labels_only:
        found[LABELS] = found[LABELS].astype(form.labels)
    return found


def _difference(
    mine: NDArray[np.float64], theirs: NDArray[np.generic], tolerance: float, asked: str
) -> float:
    """The largest of two probabilities."""
    difference = float(np.abs(mine - theirs.astype(np.float64)).max())
    # Not "greater than", which NaN would pass.
    if not difference <= tolerance:
        raise ExportError(
            f"Expected probabilities within {tolerance:g} of the Keras model's; received a "
            f"difference of {difference:.3g} for pixels {asked}. Nothing was written."
        )
    return difference
