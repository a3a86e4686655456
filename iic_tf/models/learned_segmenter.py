"""What models of pixels have in common that train a trunk and some layers by a loss."""

from __future__ import annotations

from typing import Any, ClassVar

import tensorflow as tf
from keras import ops

from iic_tf.annotations import Batch, Tensor, Trunk
from iic_tf.errors import expected
from iic_tf.models.learned_stages import LearnedStages
from iic_tf.models.segmenter import Segmenter
from iic_tf.views.geometry import undo
from iic_tf.views.inputs import check_inputs, input_channels
from iic_tf.views.numbered_draws import uniform

PLACES_DRAW = 131


class LearnedSegmenter(LearnedStages, Segmenter):
    """A trunk and further parts of scenes, whose loss is of cells drawn from each view.

    Which cells follows from the epoch and the number of a pair in it alone.

    Args:
        classes: clusters of the main head, 2 or more.
        channels: bands of the images.
        width: factor of the channel counts of a trunk by name.
        inputs: what the network sees: `bands`, `bands+sobel` or `sobel`.
        places: cells that are drawn from each view, evenly.
        trunk: as `IICSegmenter`'s.
        trunk_from: the first epoch in which the trunk is trained.

    Raises:
        InputError: a value outside its range.
    """

    keys = ("x", "gx", "epoch", "number")
    shared: ClassVar[tuple[str, ...]] = (
        *("classes", "channels", "width", "inputs", "places", "trunk_from"),
    )
    """Names of the constructor's arguments that all such models have."""

    def __init__(
        self,
        classes: int,
        channels: int,
        width: float = 1.0,
        inputs: str = "bands",
        places: int = 64,
        trunk: Trunk = "c",
        trunk_from: int = 0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        for name, value in (("channels", channels), ("places", places)):
            if value < 1:
                raise expected(f"{name} of at least 1", value, name)
        check_inputs(inputs)
        self.classes = classes
        self.channels = channels
        self.width = width
        self.inputs = inputs
        self.places = places
        self.learning = {}
        self.set_trunk(trunk, width, trunk_from=trunk_from)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        inside = (*input_shape[:-1], input_channels(self.channels, self.inputs))
        self.trunk.build(inside)
        self.build_learning(self.trunk.compute_output_shape(inside))
        self.built = True

    def drawn_cells(self, epochs: Tensor, numbers: Tensor, maps: Tensor) -> Tensor:
        """The values of the cells that are drawn, of maps `[batch, rows, columns, k]`.

        Returns:
            `[batch, places, k]`; a cell may be drawn twice.
        """
        cells = maps.shape[1] * maps.shape[2]
        draws = ops.cast(uniform(epochs, numbers, self.places, PLACES_DRAW) * cells, "int32")
        flat = tf.reshape(maps, (-1, cells, maps.shape[3]))
        return tf.gather(flat, tf.minimum(draws, cells - 1), batch_dims=1)

    def drawn_of(self, data: Batch, maps: Tensor) -> Tensor:
        """`drawn_cells` of a batch, one row each, `[batch · places, k]`."""
        found = self.drawn_cells(data["epoch"], data["number"], maps)
        return tf.reshape(found, (-1, maps.shape[3]))

    def counted_cells(self, data: Batch, back: bool) -> Tensor:
        """Which cells of x count, float32 `[batch, rows, columns, 1]`: more than half is valid.

        Args:
            data: a batch.
            back: whether gx must show them, too.
        """
        valid = ops.expand_dims(self.shares_of_cells(data["x"], data.get("valid")), -1) > 0.5
        counted = ops.cast(valid, "float32")
        if back:
            inside = undo(ops.ones_like(counted), data)
            counted = counted * ops.cast(inside > 0.99, "float32")
        return ops.stop_gradient(counted)
