"""The confusion matrix of classes as a heat map."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from PIL import Image

from iic_tf.errors import expected
from iic_tf.pictures.figure import DPI, FAINT, INK, new_figure, tidy, to_image
from iic_tf.pictures.size import MOST
from iic_tf.pictures.text import literal, shorten

_MOST = MOST / DPI - 3.7
"""Inches that all cells together may take, beside names and bars."""

_FIGURES = 0.26
"""Inches of a cell that has room for its figure."""

_NAMES = 0.1
"""Inches between names that can be read."""


def confusion_picture(matrix: NDArray[np.integer], names: Sequence[str], title: str) -> Image.Image:
    """Draw where the pixels of each class went.

    Each row is a true class and sums to 100 %; cells hold the percentage of that row, left out
    below half a percent and where classes are too many for figures. Bars on the right give each
    class's share of all counted pixels. Rows of classes that do not occur are blank. The picture is
    less than 2,000 pixels on each side: of more than about 100 classes every second, third, ...
    has its name.

    Args:
        matrix: counts `[classes, classes]`, rows true, columns predicted.
        names: one name for each class; long ones are shortened.
        title: the line above.

    Raises:
        InputError: the shapes do not fit.
    """
    count = len(names)
    if count < 1 or matrix.shape != (count, count):
        raise expected(f"a matrix of shape {(count, count)}", matrix.shape, "matrix.shape")
    rows = matrix.sum(axis=1, dtype=np.float64)
    part = matrix / np.maximum(rows, 1.0)[:, None]
    shares = rows / max(rows.sum(), 1.0)

    # Cells have one size from few classes to many, so that the numbers in them stay legible.
    cell = 0.75 if count <= 6 else 0.55 if count <= 12 else 0.42
    letters = 11 if count <= 6 else 9.5 if count <= 12 else 8
    cell = min(cell, _MOST / count)
    side = cell * count
    figure = new_figure(max(side + 3.6, 5.6), side + 2.2)
    heat, bars = figure.subplots(
        1, 2, sharey=True, gridspec_kw={"width_ratios": [max(side, 1.5), 1.1], "wspace": 0.02}
    )
    figures = cell >= _FIGURES
    letters = min(letters, 72 * cell) if cell >= _NAMES else 72 * _NAMES
    step = max(1, math.ceil(_NAMES / cell))
    shown = range(0, count, step)
    labels = [literal(shorten(str(names[index]), 22)) for index in shown]
    _draw_cells(heat, np.where(rows[:, None] > 0, part, np.nan), letters, figures)
    heat.set_xticks(shown, labels, fontsize=letters, color=INK)
    heat.set_yticks(shown, labels, fontsize=letters, color=INK)
    if count > 4 or max(len(label) for label in labels) > 9:
        for tick in heat.get_xticklabels():
            tick.set(rotation=45, ha="right", rotation_mode="anchor")
    heat.set_xlabel("predicted class", fontsize=10, color=INK)
    heat.set_ylabel("true class", fontsize=10, color=INK)
    _draw_shares(bars, shares, letters, step)
    figure.suptitle(literal(shorten(title, min(40 + 3 * count, 150))), fontsize=12, color=INK)
    return to_image(figure)


def _draw_cells(axes: Axes, part: NDArray[np.float64], letters: float, figures: bool) -> None:
    axes.imshow(part, cmap="Blues", vmin=0.0, vmax=1.0, aspect="auto")
    for (row, column), value in np.ndenumerate(part) if figures else ():
        if np.isfinite(value) and value >= 0.005:
            ink = "white" if value > 0.55 else INK
            axes.text(
                column, row, f"{100 * value:.0f}", ha="center", va="center", color=ink,
                fontsize=letters, fontweight="bold" if row == column else "normal",
            )  # fmt: skip
    if figures:
        # Lines between hundreds of cells would be all that is seen.
        edges = np.arange(len(part) + 1) - 0.5
        axes.set_xticks(edges, minor=True)
        axes.set_yticks(edges, minor=True)
        axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    axes.set_title("% of each true class", fontsize=9, color=FAINT)


def _draw_shares(axes: Axes, shares: NDArray[np.float64], letters: float, step: int) -> None:
    axes.barh(range(len(shares)), shares, height=0.62, color="#9aa7b4")
    # Room on the right of the longest bar for its figure.
    most = max(float(shares.max()), 0.01)
    axes.set_xlim(0.0, most * 2.0)
    for row, share in list(enumerate(shares))[::step]:
        text = f"{100 * share:.1f} %" if share >= 0.0005 or share == 0 else "< 0.1 %"
        axes.text(share + most * 0.08, row, text, va="center", fontsize=letters, color=INK)
    tidy(axes)
    axes.spines[:].set_visible(False)
    axes.set_xticks([])
    axes.tick_params(which="both", length=0, labelleft=False)
    axes.set_title("share of all", fontsize=9, color=FAINT)
