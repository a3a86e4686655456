"""Targets of images, looked up by the numbers that batches carry: nothing travels back to data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from iic_tf.annotations import Tensor
from iic_tf.errors import InputError

if TYPE_CHECKING:
    from iic_tf.models.self_supervised import SelfSupervised


class LookedUp:
    """Values by image, set before an epoch and read in its steps.

    They are no weights: they follow from these, the seed and the epoch, and are found again where a
    run is resumed.

    Args:
        what: they are, for messages.
    """

    def __init__(self, what: str):
        self.what = what
        self.values: Any = None

    def put(self, model: SelfSupervised, values: NDArray[np.generic]) -> None:
        """Set those of all images, `[images, ...]`.

        Args:
            model: whose steps read them.
            values: of each image.
        """
        if self.values is None or tuple(self.values.shape) != values.shape:
            self.values = tf.Variable(values, trainable=False)
            # Steps traced before hold the old ones.
            model.make_train_function(force=True)
        else:
            self.values.assign(values)

    def at(self, numbers: Tensor) -> Tensor:
        """Those of images by number, `[n, ...]`.

        Raises:
            InputError: none were set.
        """
        if self.values is None:
            raise InputError(
                f"Expected {self.what}, which are taken before an epoch: "
                "fit(..., callbacks=[iic_tf.models.fitting.Fit(pairs)]); received none."
            )
        return tf.gather(self.values, numbers)
