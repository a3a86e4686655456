"""Charts drawn by Matplotlib without its global state, handed on as Pillow images."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

DPI = 110
INK = "#222222"
FAINT = "#8a8a8a"
GRID = "#e4e4e4"


def new_figure(width: float, height: float) -> Figure:
    """A white figure of this size in inches, laid out so that nothing is clipped."""
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def tidy(axes: Axes) -> None:
    """Leave only what is read: the left and lower lines, and a faint horizontal grid."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    axes.tick_params(colors=INK, labelsize=9)
    axes.set_axisbelow(True)


def to_image(figure: Figure) -> Image.Image:
    """Draw the figure: a Pillow image in mode RGB."""
    canvas = figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)  # From new_figure.
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    return Image.fromarray(pixels[..., :3].copy())
