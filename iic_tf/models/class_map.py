"""From clusters to classes: models that answer with sums of a head's clusters, or by a linear head.

They stand where a `Segmenter` or a `Clusterer` stands when it is served, scored or exported.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from iic_tf.annotations import Tensor
from iic_tf.errors import expected
from iic_tf.models.linear_head import linear_maps
from iic_tf.networks.empty_batch import of_any_batch
from iic_tf.turns import MAIN

if TYPE_CHECKING:
    from iic_tf.models.clusterer import Clusterer
    from iic_tf.models.linear_head import LinearHead
    from iic_tf.models.segmenter import Segmenter


def class_table(class_of: Sequence[int] | NDArray[np.integer], classes: int) -> NDArray[np.float32]:
    """Ones where a cluster belongs to a class, float32 `[clusters, classes]`.

    Args:
        class_of: the class of each cluster, 0 to classes − 1.
        classes: how many there are.

    Raises:
        InputError: a class out of range.

    Examples:
        >>> class_table([0, 1, 0], 2).tolist()
        [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]
    """
    found = np.asarray(class_of)
    if found.ndim != 1 or not len(found) or found.min() < 0 or found.max() >= classes:
        raise expected(f"a class from 0 to {classes - 1} for each cluster", found.tolist())
    return np.asarray(np.eye(classes, dtype=np.float32)[found])


class ClassMap:
    """What both kinds of data have in common.

    A class's probability is the sum of those of its clusters.

    Args:
        model: whose clusters they are.
        head: of the model's.
        sub_head: of the head's; None: the one that the model answers with.
        table: `[clusters, classes]`, see `class_table`.
        numbers: what stands for each class in labels, int `[classes]`; None: 0, 1, 2, ...
        linear: a `LinearHead` whose outputs take the place of the clusters; None: none.

    Attributes:
        tracked: the layers that hold the weights, for exports.
    """

    def __init__(
        self,
        model: Segmenter | Clusterer,
        head: str,
        sub_head: int | None,
        table: NDArray[np.float32],
        numbers: NDArray[np.int32] | None = None,
        linear: LinearHead | None = None,
    ):
        outputs = model.clusters[head] if linear is None else linear.classes
        if table.ndim != 2 or len(table) != outputs:
            raise expected(f"a row for each of {outputs} clusters", table.shape, "table.shape")
        self.model = model
        self.head = head
        self.sub_head = sub_head
        self.table = table
        self.numbers = numbers
        self.linear = linear
        self.classes: int = table.shape[1]
        self.clusters = {MAIN: self.classes}
        self.channels: int = model.channels
        self.tracked = [model] if linear is None else [model, linear]

    def _mapped(self, probabilities: Tensor) -> Tensor:
        """Probabilities `[..., clusters]` → `[..., classes]`."""
        if np.array_equal(self.table, np.eye(len(self.table))):
            return probabilities
        return ops.matmul(probabilities, ops.convert_to_tensor(self.table))

    def _of_sub_head(self, found: Sequence[Tensor]) -> Tensor:
        if self.sub_head is None and self.head == MAIN:
            return self.model.answer(found)
        return found[self.sub_head or 0]

    def answer(self, found: Sequence[Tensor]) -> Tensor:
        """Of a list of one the one."""
        return found[0]


class MappedSegmenter(ClassMap):
    """A segmenter that answers with classes made of clusters, or of a linear head's outputs.

    See `Segmenter` for what its attributes are. By a linear head labels depend on what lies around
    them alone, those of `InfoSeg`, too.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        model = self.model
        self.inputs: str = model.inputs
        self.tolerance: float = model.tolerance
        linear = self.linear
        self.scene_features: int = model.scene_features if linear is None else 0
        self.window_align: int = model.window_align
        self.window_radius: int = model.window_radius + (0 if linear is None else linear.radius)

    def maps_of_images(self, x: Tensor, head: str = MAIN) -> list[Tensor]:
        """Class probabilities, in a list of one, `[batch, height, width, classes]`."""
        if self.linear is None:
            return [self._mapped(self._of_sub_head(self.model.maps_of_images(x, self.head)))]
        return [self._mapped(linear_maps(self.model, self.linear, x))]

    def of_scene(
        self,
        x: Tensor,
        sums: Tensor | None = None,
        valid: Tensor | None = None,
        core: Tensor | None = None,
        head: str = MAIN,
    ) -> tuple[list[Tensor], Tensor]:
        """As the model's own, of classes."""
        maps, own = self.model.of_scene(x, sums, valid, core, self.head)
        return [self._mapped(self._of_sub_head(maps))], own


class MappedClusterer(ClassMap):
    """A clusterer of whole images that answers with classes made of clusters, likewise."""

    def probabilities(self, x: Tensor, head: str = MAIN) -> list[Tensor]:
        """Class probabilities, in a list of one, `[batch, classes]`."""
        return self.answers(self.features(x), head)

    def features(self, x: Tensor, training: bool = False) -> Tensor:
        """What the heads see of images."""
        return self.model.features(x, training)

    def answers(self, features: Tensor, head: str = MAIN) -> list[Tensor]:
        """The same of features `[batch, features]`."""
        if self.linear is not None:
            return [self._mapped(self.linear(features))]
        return [self._mapped(self._of_sub_head(self.model.answers(features, self.head)))]

    def __call__(self, x: Tensor) -> Tensor:
        """Class probabilities `[batch, classes]` of any number of images."""
        return of_any_batch(lambda some: self.probabilities(some)[0], x)
