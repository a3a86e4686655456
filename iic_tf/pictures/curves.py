"""The course of a training: losses with their bounds, and the shares of the clusters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray
from PIL import Image

from iic_tf.errors import InputError, expected
from iic_tf.pictures.colours import cycled, palette
from iic_tf.pictures.figure import FAINT, GRID, INK, new_figure, tidy, to_image
from iic_tf.pictures.text import literal, shorten

LOSS = "loss in nats (0: nothing learned)"


def loss_curves(
    epochs: Sequence[int],
    series: Mapping[str, Sequence[float]],
    bounds: Mapping[str, float],
    label: str = LOSS,
) -> Image.Image:
    """Draw the loss of each head by epoch, with the least value that it can reach.

    The scale runs from below the lowest bound to 0, where the heads tell nothing, or as high as
    the losses go. Values that are not finite are gaps.

    Args:
        epochs: at least one, rising.
        series: for each head's name as many values as `epochs`; at least one head.
        bounds: the lowest loss possible (−ln k at λ = 1) by head's name, drawn dashed in the
            head's colour; heads may be missing.
        label: what the losses are.

    Raises:
        InputError: nothing to draw, lengths differ, or a bound belongs to no head.
    """
    if not epochs or not series:
        raise InputError("Expected at least one epoch and one head; received none.")
    for name, values in series.items():
        if len(values) != len(epochs):
            raise expected(f"{len(epochs)} values of head '{name}'", len(values), "length")
    unknown = sorted(set(bounds) - set(series))
    if unknown:
        raise expected(f"bounds of the heads {sorted(series)}", unknown, "bounds")

    figure = new_figure(8.6, 4.8)
    axes = figure.subplots()
    colours = palette(max(len(series), 1)) / 255.0
    lines, names = [], []
    everything = [0.0, *bounds.values()]
    for index, (name, values) in enumerate(series.items()):
        shown = np.asarray(values, np.float64)
        shown = np.where(np.isfinite(shown), shown, np.nan)
        everything += shown[np.isfinite(shown)].tolist()
        # A line of one point would not be seen.
        marker = "o" if len(epochs) < 40 else ""
        colour = tuple(colours[index])
        (line,) = axes.plot(epochs, shown, color=colour, marker=marker, ms=3.5, lw=1.8)
        lines.append(line)
        names.append(literal(shorten(name, 40)))
    # Heads of one k share a bound: one dashed line and one text for each value.
    by_value: dict[float, list[int]] = {}
    for index, name in enumerate(series):
        if name in bounds:
            by_value.setdefault(round(bounds[name], 6), []).append(index)
    for value, heads in by_value.items():
        ink = tuple(colours[heads[0]]) if len(heads) == 1 else FAINT
        axes.axhline(value, color=ink, ls=(0, (5, 3)), lw=1.3)
        # On the right of the axes, where no curve runs through it.
        axes.annotate(
            f"{value:.2f}".replace("-", "−"),
            (1.0, value),
            (5, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            va="center",
            fontsize=9,
            color=INK,
            annotation_clip=False,
        )
    if by_value:
        lines.append(Line2D([], [], color=FAINT, ls=(0, (5, 3)), lw=1.3))
        names.append("lowest possible")
    axes.axhline(0.0, color=FAINT, lw=0.8)

    low, high = min(everything), max(everything)
    room = max(0.06 * (high - low), 0.05)
    axes.set_ylim(low - room, high + room)
    _scale_epochs(axes, epochs)
    axes.grid(axis="y", color=GRID, lw=0.8)
    axes.set_ylabel(label, color=INK)
    tidy(axes)
    figure.legend(
        lines, names, loc="outside upper center", ncols=min(4, len(names)), frameon=False,
        fontsize=9,
    )  # fmt: skip
    return to_image(figure)


def share_curves(epochs: Sequence[int], shares: NDArray[np.floating], title: str) -> Image.Image:
    """Draw the shares of the clusters by epoch as stacked areas.

    Even bands are a balanced clustering; a single colour that fills the height is a collapse.

    Args:
        epochs: at least one, rising.
        shares: `[epochs, k]`, 0 or more; each row is divided by its sum.
        title: the line above.

    Raises:
        InputError: the shape does not fit, a value is negative or not finite, or a row is empty.
    """
    if not epochs or shares.ndim != 2 or shares.shape[0] != len(epochs) or shares.shape[1] < 1:
        raise expected(f"shares [{len(epochs)} epochs, k]", shares.shape, "shares.shape")
    known = shares.astype(np.float64)
    if not (np.isfinite(known).all() and (known >= 0).all() and (known.sum(axis=1) > 0).all()):
        raise InputError("Expected shares of 0 or more with a sum above 0 in each epoch.")
    known = known / known.sum(axis=1, keepdims=True)
    clusters = known.shape[1]
    at = np.asarray(epochs, np.float64)
    first, last = _epoch_range(epochs)
    if len(at) == 1:
        at, known = np.array([first, last]), np.repeat(known, 2, axis=0)

    figure = new_figure(8.6, 4.8)
    axes = figure.subplots()
    colours = [tuple(c) for c in cycled(clusters) / 255.0]
    bands = axes.stackplot(at, known.T, colors=colours, edgecolor="white", linewidth=0.4)
    _scale_epochs(axes, epochs)
    axes.set_ylim(0.0, 1.0)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f} %"))
    axes.set_ylabel("share of the clusters", color=INK)
    tidy(axes)
    axes.set_title(_last_epoch(known[-1]), fontsize=9, color=FAINT, loc="left")
    # More names than that are longer than the chart is high.
    if clusters <= 36:
        names = [str(index) for index in range(clusters)]
        # From the top down, in the order of the bands.
        figure.legend(
            bands[::-1], names[::-1], loc="outside right upper", title="cluster", frameon=False,
            ncols=-(-clusters // 18), fontsize=8.5, title_fontsize=9,
        )  # fmt: skip
    figure.suptitle(literal(shorten(title, 80)), fontsize=12, color=INK)
    return to_image(figure)


def _epoch_range(epochs: Sequence[int]) -> tuple[float, float]:
    """The ends of the horizontal scale; wider than nothing also for one epoch."""
    first, last = float(epochs[0]), float(epochs[-1])
    return (first, last) if last > first else (first - 0.5, last + 0.5)


def _scale_epochs(axes: Axes, epochs: Sequence[int]) -> None:
    axes.set_xlim(*_epoch_range(epochs))
    if len(epochs) == 1:
        axes.set_xticks(list(epochs))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    axes.set_xlabel("epoch", color=INK)


def _last_epoch(shares: NDArray[np.float64]) -> str:
    # A tenth of an even share: below that a cluster is as good as lost.
    used = int((shares > 0.1 / len(shares)).sum())
    return (
        f"last epoch: largest cluster {100 * shares.max():.0f} %, "
        f"{used} of {len(shares)} clusters in use"
    )
