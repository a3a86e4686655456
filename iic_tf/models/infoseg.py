"""InfoSeg: segmentation by information between local and global features, as a Keras model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from iic_tf.annotations import Batch, Config, Parts, Tensor, Tensors, Trunk
from iic_tf.errors import expected
from iic_tf.losses.arguments import check_lamb
from iic_tf.losses.information import most_information
from iic_tf.losses.infoseg import (
    JSD,
    SOFT,
    class_probabilities,
    loss_of_sums,
    lowest_loss,
    pair_sums,
    sum_count,
)
from iic_tf.losses.segmentation import loss_of_joints
from iic_tf.metrics.joint_meter import JointMeter
from iic_tf.metrics.pair_meter import PairMeter
from iic_tf.models.infoseg_arguments import (
    IIC,
    cells_within,
    check_objective,
    check_paired_crop,
)
from iic_tf.models.scene_sums import cell_sums, mean_of_sums
from iic_tf.models.segmenter import Segmenter, joints_of_pairs
from iic_tf.models.served import shrink
from iic_tf.models.sums import SumsModel
from iic_tf.networks.local_global_head import LocalGlobalHead
from iic_tf.networks.mirror import mirrored
from iic_tf.networks.resize import enlarge
from iic_tf.turns import MAIN, RESTING
from iic_tf.views.geometry import apply, undo
from iic_tf.views.inputs import check_inputs

NETWORK, TRUNK = "network", "trunk"
"""Its parts: all that is trained, or all but the trunk, and that."""


@keras.saving.register_keras_serializable("iic_tf")
class InfoSeg(SumsModel, Segmenter):
    """Local features of patches and a global one for each class, told to have much in common.

    Robert Harb, Patrick Knöbelreiter: InfoSeg: Unsupervised Semantic Image Segmentation with Mutual
    Information Maximization, 2021.

    The network makes local features L, a cell for each 4×4 pixels, and for each class k a global
    feature H_k of the whole image. A cell's probabilities are softmax_k(τ ⟨L, H_k⟩); the features
    are trained to have much information about the ones that they are assigned to
    (`losses.infoseg_loss`). `model.compile()` has the paper's Adam at 1e-4, `model.fit(pairs)`
    trains on `iic_tf.Pairs`, `model(x)` gives class probabilities at the input's size: those of the
    cells, enlarged bilinearly, where the paper enlarges the labels.

    The paper's figure 3 says more of the network than its text. Built is what the text says: blocks
    A to D, stride 4 (`networks.PatchNetwork`, `networks.LocalGlobalHead`).

    What H_k is depends on all of an image, by a mean over it. Of a scene that is cut into windows
    that mean is had as sums over the windows (`of_scene`): labels do not depend on how it is cut.

    Different images are paired within what a device takes at once. On one device without
    micro-batches these are all of the batch; on N replicas, or in micro-batches, image n's partner
    is the next one of the same replica and part. That is all that differs: sums and counts are
    those of the global batch, BatchNormalization's too (but for micro-batches). A replica that is
    left with a single image of the last batch takes nothing from it.

    Args:
        classes: K, 2 or more.
        channels: bands of the images.
        width: factor of the network's channel counts.
        features: P, the dimensions of local and global features.
        tau: τ > 0, how sure the probabilities are.
        inputs: what the network sees: `bands`, `bands+sobel` or `sobel`, see `IICSegmenter`.
        objective: `jsd`, the Jensen-Shannon bound; `dv`, that of Donsker and Varadhan; or `iic`,
            the objective of `IICSegmenter` on the probabilities of two views, without global
            features being told anything else (table 2's IIC-MI). The first two see x alone unless
            `paired`.
        assignment: `soft`, or `hard`: each cell with the global feature of its likeliest class;
            of `jsd` and `dv`.
        paired: whether L of either view meets S of the other one, brought onto it, in all cells
            within `radius` pixels, and not that of its own view in its own cell. Ours, not the
            paper's, for small data sets: classes must then be what both views and neighbouring
            cells agree on. Of `jsd` and `dv`.
        radius: as in `IICSegmenter`, of `iic`; of `paired` rounded up to whole cells.
        lamb, collapsed: as in `IICSegmenter`; of `iic`.
        trunk: block A: `patches`, the paper's, or another one as in `IICSegmenter`.
        trunk_from: the first epoch in which the trunk is trained.

    Raises:
        InputError: a value outside its range.

    Examples:
        >>> model = InfoSeg(classes=3, channels=4, width=0.1, features=16)
        >>> tuple(model(np.zeros((1, 16, 16, 4), "float32")).shape)  # probabilities of each pixel
        (1, 16, 16, 3)
    """

    arguments = (
        *("classes", "channels", "width", "tau", "inputs", "objective"),
        *("assignment", "paired", "elsewhere", "centred", "image_scale"),
        *("radius", "lamb", "collapsed", "trunk_from"),
    )
    tolerance = 1e-4
    """Probabilities go by products of P numbers that training makes large."""

    def __init__(
        self,
        classes: int,
        channels: int,
        width: float = 1.0,
        features: int = 1024,
        tau: float = 0.8,
        inputs: str = "bands",
        objective: str = JSD,
        assignment: str = SOFT,
        paired: bool = False,
        elsewhere: bool = False,
        centred: bool = False,
        image_scale: float = 1.0,
        radius: int = 10,
        lamb: float = 1.0,
        collapsed: bool = False,
        trunk: Trunk = "patches",
        trunk_from: int = 0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if channels < 1:
            raise expected("at least 1 channel", channels, "channels")
        check_inputs(inputs)
        check_objective(objective, assignment, tau, image_scale)
        check_lamb(lamb)
        if radius < 0:
            raise expected("radius >= 0", radius, "radius")
        self.classes = classes
        self.channels = channels
        self.width = width
        self.dimensions = features
        self.tau = tau
        self.inputs = inputs
        self.objective = objective
        self.assignment = assignment
        self.paired = paired
        self.elsewhere = elsewhere
        self.centred = centred
        self.image_scale = image_scale
        self.radius = radius
        self.lamb = lamb
        self.collapsed = collapsed
        self.set_trunk(trunk, width, trunk_from=trunk_from)

        head = LocalGlobalHead(
            *(classes, features, width, centred, image_scale), name=MAIN, dtype=self.dtype_policy
        )
        self.heads = {MAIN: head}
        self.clusters = {MAIN: classes}
        displacements = (2 * radius + 1) ** 2
        if objective == IIC:
            meter = JointMeter(1, displacements, classes, lamb, collapsed, name=f"{MAIN}_joint")
        else:
            meter = PairMeter(classes, objective, name=f"{MAIN}_joint")
        self.add_meters({MAIN: meter})
        self.build((None, None, None, channels))

    @property
    def reach(self) -> int:
        """How many cells away from each other L and S are still compared."""
        return cells_within(self.radius, self.trunk.stride) if self.paired else 0

    def get_config(self) -> Config:
        # `features` is what the trunk makes of images.
        return {**super().get_config(), "features": self.dimensions}

    def load_own_variables(self, store: Mapping[str, NDArray[np.generic]]) -> None:
        # Files of before 0.2 hold the number of a chosen sub-head, of which there is one.
        super().load_own_variables({})

    @property
    def _cell_radius(self) -> int:
        """How far a cell alone sees."""
        return int(getattr(self.trunk, "cell_radius", self.trunk.receptive_radius))

    def phase_of(self, epoch: int) -> str:
        """`main` in every epoch: there is one head; the trunk may rest at first."""
        return MAIN + (RESTING if epoch < self.trunk_from else "")

    def parts(self) -> Parts:
        if not self.trunk_from:
            return {NETWORK: self.trainable_variables}
        return {
            NETWORK: self.heads[MAIN].trainable_variables,
            TRUNK: self.trunk.trainable_variables,
        }

    def parts_in(self, phase: str) -> tuple[str, ...]:
        return (NETWORK,) if phase.endswith(RESTING) else super().parts_in(phase)

    def local_and_global(self, x: Tensor, training: bool = False) -> tuple[Tensor, Tensor]:
        """L `[batch, ⌈height/4⌉, ⌈width/4⌉, P]` and H `[batch, K, P]` of images, as `call`'s."""
        found: tuple[Tensor, Tensor] = self.heads[MAIN](
            self.features(x, training), training=training
        )
        return found

    @property
    def scene_features(self) -> int:
        """Block B's features and, last, the number of cells that they were summed over."""
        return int(self.heads[MAIN].image_features) + 1

    @property
    def window_align(self) -> int:
        # Cells of block B must be the scene's own, and so must be the trunk's.
        block = int(self.trunk.stride * self.heads[MAIN].image_stride)
        return math.lcm(block, super().window_align)

    @property
    def window_radius(self) -> int:
        around = self.trunk.stride * self.heads[MAIN].image_radius + self._cell_radius
        return int(max(self.trunk.receptive_radius, around))

    def of_scene(
        self,
        x: Tensor,
        sums: Tensor | None = None,
        valid: Tensor | None = None,
        core: Tensor | None = None,
        head: str = MAIN,
    ) -> tuple[list[Tensor], Tensor]:
        """Class probabilities of a window by the global features of the scene that it is cut from.

        A scene's sums are those of its windows added up, whose cores cover it without overlap. A
        window must hold `window_radius` pixels around its core, or all that there are, and begin,
        as its core must, at multiples of `window_align` (`data.windows` makes such windows).

        Args:
            x: windows `[batch, height, width, channels]` in 0 to 1.
            sums: of the scenes, float `[batch or 1, scene_features]`. None, or a last column of 0:
                the windows' own, each an image of itself.
            valid: what share of each pixel holds data, `[batch, height, width, 1]`, 0 to 1: a cell
                counts in sums by the share of the pixels that it stands for. None: all hold data.
            core: top, left, height and width, int `[4]`, in pixels, of what counts in the sums that
                are returned; None: everything.
            head: `main`, the only one.

        Returns:
            Probabilities in a list of one, float32 `[batch, height, width, classes]`, and the
            windows' own sums, float32 `[batch, scene_features]`.
        """
        x, margin = ops.convert_to_tensor(x), self.mirror
        height, width = ops.shape(x)[1], ops.shape(x)[2]
        wide, module = mirrored(x, margin), self.heads[head]
        features = self.features(wide)
        known = None if valid is None else mirrored(valid, margin)
        # What is mirrored counts in no sum.
        top, left, rows, columns = (0, 0, height, width) if core is None else core
        counted = (top + margin, left + margin, rows, columns)
        block = int(self.trunk.stride * module.image_stride)
        own = cell_sums(module.image_map(features), block, known, counted)
        mean = mean_of_sums(own if sums is None else ops.where(sums[:, -1:] > 0, sums, own))
        image = module.of_classes(ops.cast(mean, self.compute_dtype))
        small = class_probabilities(module.local(features), image, self.tau)
        sides = ops.shape(wide)[1], ops.shape(wide)[2]
        found = enlarge(small, self.trunk.stride, *sides)
        return [found[:, margin : margin + height, margin : margin + width]], own

    def maps_of_images(self, x: Tensor, head: str = MAIN) -> list[Tensor]:
        maps, _ = self.of_scene(x, head=head)
        return maps

    def small_maps(self, features: Tensor, head: str, training: bool) -> list[Tensor]:
        """Probabilities V, in a list of one, `[batch, ⌈height/4⌉, ⌈width/4⌉, K]`."""
        local, image = self.heads[head](features, training=training)
        return [class_probabilities(local, image, self.tau)]

    def check_batch(self, data: Any) -> None:
        """It must hold pairs, and images to pair with one another."""
        super().check_batch(data)
        if self.objective == IIC:
            return
        strategy = self.distribute_strategy
        sizes = [x.shape[0] for x in strategy.experimental_local_results(data["x"])]
        # What other machines got is not known here.
        here = len(sizes) == strategy.num_replicas_in_sync
        if here and None not in sizes and max(sizes) < 2 * self.micro_batches:
            parts = len(sizes) * self.micro_batches
            wanted = "at least 2 images in a batch, to pair with one another"
            if parts > 1:
                wanted += f", and so {2 * parts} for {parts} replicas and micro-batches"
            raise expected(wanted, sum(sizes), "batch")

    def sums(self, data: Batch, names: Sequence[str], training: bool) -> Tensors:
        """What the loss is made of, to be summed over a batch's parts.

        Of `iic` the joints of the labels of pixels. Else, float64, the sums over pairs of images
        (`losses.infoseg.pair_sums`), then `[K]` those of the classes' probabilities.
        """
        if self.objective == IIC:
            return joints_of_pairs(self, data, names, self.radius, training)
        sums: Tensor = 0.0
        counted: Tensor = 0.0
        for local, image, probabilities, mask in self._compared(data, training):
            sums = sums + pair_sums(
                *(local, image, probabilities, self.objective, self.assignment),
                mask,
                self.reach,
                self.elsewhere,
            )
            # They are for the eye: no gradient has to find its way through them.
            seen = ops.stop_gradient(ops.cast(probabilities, sums.dtype))
            if mask is not None:
                seen = seen * ops.cast(ops.expand_dims(mask, -1), sums.dtype)
            counted = counted + ops.sum(seen, axis=(0, 1, 2))
        return {MAIN: ops.concatenate([sums, counted])}

    def _compared(self, data: Batch, training: bool) -> list[tuple[Tensor, Tensor, Tensor, Tensor]]:
        """L, H and V that S is made of, and the share of each cell that takes part.

        Those of x or, `paired`, first L of x with S of gx, then L of gx with S of x.
        """
        mask = None
        if "valid" in data:
            mask = shrink(ops.expand_dims(data["valid"], -1), self.trunk.stride)
        if not self.paired:
            local, image = self.local_and_global(data["x"], training)
            mask = None if mask is None else mask[..., 0]
            return [(local, image, class_probabilities(local, image, self.tau), mask)]
        check_paired_crop(data["x"].shape[1:3], self.radius, self.trunk.stride)
        # Both views in one batch, as for IIC.
        both = self.local_and_global(ops.concatenate([data["x"], data["gx"]]), training)
        (local, of_gx), (image, image_gx) = (ops.split(found, 2) for found in both)
        affine = "affine" in data
        g = data["affine" if affine else "flip"]
        of_x = class_probabilities(local, image, self.tau)
        back = undo(class_probabilities(of_gx, image_gx, self.tau), data)
        there = apply(of_x, g, affine)
        masks = [mask, None if mask is None else apply(mask, g, affine)]
        if affine:
            # Where g left the image, S is nothing.
            inside = [ops.stop_gradient(ops.sum(v, -1, keepdims=True)) for v in (back, there)]
            masks = [i if m is None else m * i for m, i in zip(masks, inside, strict=True)]
        of_both = ((local, image_gx, back), (of_gx, image, there))
        return [
            (*parts, None if m is None else m[..., 0])
            for parts, m in zip(of_both, masks, strict=True)
        ]

    def loss_of(self, sums: Tensor, name: str) -> Tensor:
        """The loss of what `sums` returns, a float32 scalar."""
        if self.objective == IIC:
            return loss_of_joints(sums[0], self.lamb, self.collapsed)
        sums = sums[: sum_count(self.objective)]
        return ops.cast(loss_of_sums(sums, self.objective), "float32")

    def bound(self, name: str) -> float:
        """The lowest that the loss can be: −2 ln 2 of `jsd`, −∞ of `dv`, of `iic` −ln k at λ 1."""
        if self.objective == IIC:
            return -most_information(self.classes, self.lamb)
        return lowest_loss(self.objective)
