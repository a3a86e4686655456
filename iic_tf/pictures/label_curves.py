"""Accuracy by the share of labels and of clusters, each line divided by its largest value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter
from PIL import Image

from iic_tf.errors import expected
from iic_tf.pictures.colours import palette
from iic_tf.pictures.figure import DPI, GRID, INK, new_figure, tidy, to_image
from iic_tf.pictures.size import MOST
from iic_tf.pictures.text import literal, shorten


@dataclass(frozen=True)
class Series:
    """One line.

    Attributes:
        name: what it is of.
        shares: above 0 to 1.
        accuracies: 0 or more, as many, on any scale.
        published: drawn dashed and faint, as somebody else's.
    """

    name: str
    shares: Sequence[float]
    accuracies: Sequence[float]
    published: bool = False

    @property
    def normalised(self) -> list[float]:
        """Accuracies divided by the largest of them, as in the paper's figure; 0 where all are."""
        largest = max(self.accuracies) or 1.0
        return [accuracy / largest for accuracy in self.accuracies]


@dataclass(frozen=True)
class Panel:
    """Lines over one scale of shares, named by `label`."""

    label: str
    series: Sequence[Series]


def label_curves(*panels: Panel) -> Image.Image:
    """Draw the panels side by side (Ji et al. 2019, figure 6): one accuracy scale for all.

    The picture is less than 2,000 pixels wide.

    Raises:
        InputError: a line without values, or with another number of them than shares.
    """
    for series in (one for panel in panels for one in panel.series):
        if not series.shares or len(series.shares) != len(series.accuracies):
            wanted = f"an accuracy for each of {len(series.shares)} shares, at least 1"
            raise expected(wanted, len(series.accuracies), series.name)
    figure = new_figure(min(5.2 * len(panels), MOST / DPI), 5.0)
    every = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, panel in zip(every, panels, strict=True):
        _draw(axes, panel)
    every[0].set_ylabel("accuracy / largest accuracy of the line", color=INK)
    return to_image(figure)


def _draw(axes: Axes, panel: Panel) -> None:
    # The same colours for the first, second, ... line of either kind.
    for published in (True, False):
        lines = [one for one in panel.series if one.published == published]
        colours = palette(max(len(lines), 1)) / 255.0
        for one, colour in zip(lines, colours, strict=False):
            order = np.argsort(one.shares)
            axes.plot(
                np.asarray(one.shares)[order],
                np.asarray(one.normalised)[order],
                color=tuple(colour),
                ls=(0, (4, 3)) if published else "-",
                lw=1.2 if published else 2.2,
                alpha=0.55 if published else 1.0,
                marker="" if published else "o",
                ms=4.5,
                label=literal(shorten(one.name + " (published)" * published, 40)),
            )
    axes.set_xscale("log")
    ticks = sorted({share for one in panel.series for share in one.shares})
    axes.set_xticks(ticks)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.3g} %"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(panel.label, color=INK)
    axes.grid(axis="y", color=GRID, lw=0.8)
    tidy(axes)
    axes.legend(frameon=False, fontsize=8, loc="lower right")
