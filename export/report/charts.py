"""Charts as SVG within the page; lines and words take the page's colours, light or dark."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from iic_tf.export.report.markup import Html, joined, tag
from iic_tf.pictures.colours import cycled

WIDTH, HEIGHT = 640, 300
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 12, 40


def colour(index: int) -> str:
    """That of a cluster or line by its number, `#rrggbb`."""
    return f"#{bytes(cycled(index + 1)[index]).hex()}"


def key(entries: Sequence[tuple[str, str]]) -> Html:
    """A legend: names with their colours."""
    return tag(
        "ul",
        *(
            tag("li", tag("span", class_="swatch", style=f"background:{c}"), name)
            for name, c in entries
        ),
        class_="key",
    )


def loss_chart(
    title: str,
    epochs: Sequence[float],
    series: Mapping[str, Sequence[float]],
    bounds: Mapping[str, float],
) -> Html:
    """Lines by epoch, with the lowest value that each can reach, dashed; gaps where not finite."""
    every = [v for values in (*series.values(), [0.0, *bounds.values()]) for v in values]
    finite = [v for v in every if math.isfinite(v)]
    low, high = min(finite), max(finite)
    room = max(0.06 * (high - low), 0.05)
    scale = _Scale(epochs, low - room, high + room)
    parts = [_grid(scale)]
    for index, (name, values) in enumerate(series.items()):
        ink = colour(index)
        if name in bounds and math.isfinite(bounds[name]):
            y = scale.y(bounds[name])
            parts.append(_line(LEFT, y, WIDTH - RIGHT, y, stroke=ink, class_="bound"))
        points = [
            (scale.x(e), scale.y(v))
            for e, v in zip(epochs, values, strict=True)
            if math.isfinite(v)
        ]
        at = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(tag("polyline", points=at, class_="line", stroke=ink))
        if len(points) < 40:
            parts += [tag("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=3, fill=ink) for x, y in points]
    return _svg(title, parts)


def share_chart(title: str, epochs: Sequence[float], shares: Sequence[Sequence[float]]) -> Html:
    """Shares `[clusters][epochs]` as bands on top of each other."""
    scale = _Scale(epochs, 0.0, 1.0)
    sums = [max(sum(column), 1e-12) for column in zip(*shares, strict=True)]
    at = [scale.x(e) for e in epochs]
    if len(at) == 1:
        at = [float(LEFT), float(WIDTH - RIGHT)]
        sums = sums * 2
        shares = [[one[0]] * 2 for one in shares]
    below = [0.0] * len(at)
    parts = []
    for index, values in enumerate(shares):
        above = [b + v / s for b, v, s in zip(below, values, sums, strict=True)]
        edge = [*zip(at, above, strict=True), *reversed(list(zip(at, below, strict=True)))]
        points = " ".join(f"{x:.1f},{scale.y(min(v, 1.0)):.1f}" for x, v in edge)
        parts.append(
            tag("polygon", tag("title", f"cluster {index}"), points=points, fill=colour(index))
        )
        below = above
    return _svg(title, [*parts, _grid(scale, as_percent=True)])


class _Scale:
    def __init__(self, epochs: Sequence[float], low: float, high: float):
        first, last = min(epochs), max(epochs)
        self.first, self.last = (first, last) if last > first else (first - 0.5, last + 0.5)
        self.epochs = epochs
        self.low, self.high = low, high

    def x(self, epoch: float) -> float:
        part = (epoch - self.first) / (self.last - self.first)
        return LEFT + part * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        part = (value - self.low) / (self.high - self.low)
        return HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM)


def _grid(scale: _Scale, as_percent: bool = False) -> Html:
    parts = []
    for value in _ticks(scale.low, scale.high):
        y = scale.y(value)
        text = f"{100 * value:.0f} %" if as_percent else f"{value:.4g}".replace("-", "−")
        parts.append(_line(LEFT, y, WIDTH - RIGHT, y, class_="grid"))
        parts.append(tag("text", text, x=LEFT - 6, y=f"{y + 4:.1f}", text_anchor="end"))
    step = max(1, math.ceil(len(scale.epochs) / 10))
    for epoch in list(scale.epochs)[::step]:
        x = scale.x(epoch)
        parts.append(tag("text", f"{epoch:.0f}", x=f"{x:.1f}", y=HEIGHT - 22, text_anchor="middle"))
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(tag("text", "epoch", x=middle, y=HEIGHT - 5, text_anchor="middle"))
    return joined(parts)


def _ticks(low: float, high: float) -> list[float]:
    raw = (high - low) / 5
    size = 10 ** math.floor(math.log10(raw))
    step = next(size * m for m in (1, 2, 5, 10) if size * m >= raw)
    first = math.ceil(low / step)
    return [round(i * step, 10) for i in range(first, math.floor(high / step) + 1)]


def _line(x1: float, y1: float, x2: float, y2: float, **attributes: object) -> Html:
    at = {"x1": x1, "y1": y1, "x2": x2, "y2": y2}
    return tag("line", **{k: f"{v:.1f}" for k, v in at.items()}, **attributes)


def _svg(title: str, parts: Sequence[object]) -> Html:
    return tag(
        "svg", tag("title", title), joined(parts),
        viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=title, class_="chart",
    )  # fmt: skip
