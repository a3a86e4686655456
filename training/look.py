"""Pictures of a training: losses against their bounds, cluster shares by epoch."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from iic_tf.models.turns import HEADS
from iic_tf.pictures import loss_curves, share_curves
from iic_tf.training.callbacks import Record
from iic_tf.training.run import Run, replacing


class DrawCurves(keras.callbacks.Callback):  # type: ignore[misc]
    """Redraw `pictures/losses.png` and `pictures/<head>_shares.png` after every epoch."""

    def __init__(self, run: Run, record: Record):
        super().__init__()
        self.run = run
        self.record = record

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        rows = self.record.rows
        epochs = [int(row["epoch"]) for row in rows]
        series = {head: [float(row[f"{head}_loss"]) for row in rows] for head in HEADS}
        bounds = {head: float(rows[-1][f"{head}_bound"]) for head in HEADS}
        with replacing(self.run.pictures / "losses.png") as temporary:
            loss_curves(epochs, series, bounds).save(temporary)
        for head in HEADS:
            names = [name for name in rows[-1] if name.startswith(f"{head}_share_")]
            shares = np.asarray([[row[name] for name in names] for row in rows])
            title = f"Cluster shares of the {head} head"
            with replacing(self.run.pictures / f"{head}_shares.png") as temporary:
                share_curves(epochs, shares, title).save(temporary)
