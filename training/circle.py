"""The course of a clustering as points that find their places on a circle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from iic_tf.annotations import Logs
from iic_tf.data.image_set import ImageSet
from iic_tf.pictures import animation, circle_projection
from iic_tf.training.atomic import replacing
from iic_tf.training.cluster_sample import cluster_sample, predictor
from iic_tf.training.run import Run
from iic_tf.views.image_view import ImageView

SAMPLE = 500
"""Images that are followed."""

FRAMES = 60
"""Of longer runs not every epoch has a frame, so that the file stays near a megabyte."""


class DrawCircle(keras.callbacks.Callback):  # type: ignore[misc]
    """Write `pictures/circle.gif` anew after every epoch: a frame an epoch, from before the first.

    It shows the same drawn images in each frame, on their central view, and in all frames the
    sub-head that is chosen now: clusters of another one would lie elsewhere. Their labels are not
    looked at. From `FRAMES` frames on every other one is dropped, and epochs are shown half as
    often; the newest one always is.

    Args:
        run: where to write.
        images: the data set.
        view: the view x of the training.
        seed: of the draw of the sample.
    """

    def __init__(self, run: Run, images: ImageSet, view: ImageView, seed: int):
        super().__init__()
        self.run = run
        self.sample = cluster_sample(images, SAMPLE, seed)
        self.view = view
        self.found: dict[int, NDArray[np.float32]] = {}
        self.frames: dict[tuple[int, int], Image.Image] = {}
        self.every = 1
        self.predict: Any = None

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The film so far, for a run that goes on."""
        return {
            "circle_epochs": np.asarray(list(self.found)),
            "circle_found": np.asarray(list(self.found.values())),
            "circle_every": np.asarray(self.every),
        }

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Go on with the film that `arrays` returned."""
        epochs = arrays["circle_epochs"].tolist()
        self.found = dict(zip(epochs, arrays["circle_found"], strict=True))
        self.every = int(arrays["circle_every"])

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.predict = predictor(self.model)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        if not self.found:
            self.found[epoch] = self.predict(self.sample, self.view)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        done = epoch + 1
        self.found[done] = self.predict(self.sample, self.view)
        while len(self.found) > FRAMES:
            self.every *= 2
            kept = (at for at in self.found if at % self.every == 0 or at == done)
            self.found = {at: self.found[at] for at in kept}
        chosen = self.model.sub_head
        # The frames of a sub-head are drawn once, and again only when it is chosen again.
        self.frames = {
            (at, chosen): self.frames.get((at, chosen))
            or circle_projection(found[chosen], title=f"epoch {at}")
            for at, found in self.found.items()
        }
        with replacing(self.run.pictures / "circle.gif") as temporary:
            temporary.write_bytes(animation(list(self.frames.values())))
        if done % self.every:
            del self.found[done]
