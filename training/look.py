"""Pictures of a training: losses against their bounds, cluster shares, what was found."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np

from iic_tf.data.scene import IGNORE, SceneSet, read_with_valid, with_nan
from iic_tf.models.served import ServedSegmenter
from iic_tf.pictures import loss_curves, palette, share_curves, to_rgb, triplet_sheet
from iic_tf.training.atomic import replacing
from iic_tf.training.callbacks import Record
from iic_tf.training.run import Run
from iic_tf.training.whole_scene import scene_summing


class DrawCurves(keras.callbacks.Callback):  # type: ignore[misc]
    """Redraw `pictures/losses.png` and `pictures/<head>_shares.png` after every epoch.

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

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
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


def draw_found(run: Run, served: ServedSegmenter, scenes: SceneSet, most: int = 4) -> None:
    """Draw `pictures/found.png`: what the main head makes of the middle of a few images.

    Clusters have colours of their own here, no names: labels are not looked at in training.
    """
    rows = []
    sums = scene_summing(served)
    step = max(1, len(scenes.scenes) // most)
    for scene in scenes.scenes[::step][:most]:
        side = 128 * served.downscale
        height, width = min(side, scene.height), min(side, scene.width)
        middle = (scene.height - height) // 2, (scene.width - width) // 2
        raw = with_nan(*read_with_valid(scene, *middle, height, width))
        probabilities = np.asarray(served.probabilities(raw[None], sums(scene)))[0]
        labels = np.where(np.isnan(raw).any(-1), IGNORE, probabilities.argmax(-1))
        rgb = to_rgb(scenes.normalise(raw), scenes.rgb, stretch=True)
        rows.append((scene.name, rgb, labels, None))
    classes = served.model.classes
    names = [f"cluster {i}" for i in range(classes)]
    with replacing(run.pictures / "found.png") as temporary:
        triplet_sheet(rows, names, palette(classes)).save(temporary)
