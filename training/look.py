"""Pictures of a training: losses against their bounds, cluster shares, what was found."""

from __future__ import annotations

import math
import time

import keras
import numpy as np

from iic_tf.annotations import Logs
from iic_tf.data.scene import SceneSet
from iic_tf.models.served import ServedSegmenter
from iic_tf.pictures import loss_curves, palette, share_curves, triplet_sheets
from iic_tf.training.atomic import replacing
from iic_tf.training.callbacks import Record
from iic_tf.training.examples import example_rows, example_views, seen_in
from iic_tf.training.json_files import write_json
from iic_tf.training.picture_pages import write_pages
from iic_tf.training.run import Run

FOUND = "found.png"

OFTENEST = 5.0
"""Seconds between two drawings of the curves: nobody looks oftener."""


class DrawCurves(keras.callbacks.Callback):  # type: ignore[misc]
    """Redraw `pictures/losses.png` and `pictures/<head>_shares.png` after every epoch.

    Of epochs that are shorter than `OFTENEST` not after every one, but after the last one. The
    first time so many seconds after the training began.

    Args:
        run: where to write.
        record: the figures so far.
        label: what the losses are.
    """

    def __init__(self, run: Run, record: Record, label: str):
        super().__init__()
        self.run = run
        self.record = record
        self.label = label
        self._drawn = -math.inf
        self._behind = False

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._drawn = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self._behind = time.monotonic() - self._drawn < OFTENEST
        if not self._behind:
            self._draw()

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self._behind:
            self._draw()

    def _draw(self) -> None:
        rows = self.record.rows
        heads = [name.removesuffix("_bound") for name in rows[-1] if name.endswith("_bound")]
        epochs = [int(row["epoch"]) for row in rows]
        series = {head: [float(row[f"{head}_loss"]) for row in rows] for head in heads}
        bounds = {head: float(rows[-1][f"{head}_bound"]) for head in heads}
        # Some losses have none.
        bounds = {head: bound for head, bound in bounds.items() if math.isfinite(bound)}
        with replacing(self.run.pictures / "losses.png") as temporary:
            loss_curves(epochs, series, bounds, self.label).save(temporary)
        for head in heads:
            names = [name for name in rows[-1] if name.startswith(f"{head}_share_")]
            shares = np.asarray([[row[name] for name in names] for row in rows])
            title = f"Cluster shares of the {head} head"
            with replacing(self.run.pictures / f"{head}_shares.png") as temporary:
                share_curves(epochs, shares, title).save(temporary)
        self._drawn, self._behind = time.monotonic(), False


def draw_found(run: Run, served: ServedSegmenter, scenes: SceneSet) -> list[str]:
    """Draw `pictures/found.png`: what the main head makes of windows from all over the scenes.

    Clusters have colours of their own here, no names: labels are not looked at in training.

    Returns:
        The names of its pages.
    """
    classes = served.model.classes
    names = [f"cluster {i}" for i in range(classes)]
    views = example_views(served, scenes, run.config()["seed"], masks=False)
    write_json(run.found_file, seen_in(views))
    pages = triplet_sheets(example_rows(views), names, palette(classes))
    return [path.name for path in write_pages(run.pictures / FOUND, pages)]
