"""The InfoSeg objective: information between features of patches and of their classes."""

from __future__ import annotations

import itertools
import math
from typing import Final

import keras
import numpy as np
from keras import ops

from iic_tf.annotations import Tensor
from iic_tf.errors import expected

JSD: Final = "jsd"
DV = "dv"
ESTIMATORS = (JSD, DV)
SOFT: Final = "soft"
HARD = "hard"
ASSIGNMENTS = (SOFT, HARD)
SPAN = 600.0
PARTS = 5
"""Exponentials are summed in parts of this span, so many on either side of 0: scores to ±3000."""


def infoseg_loss(
    local: Tensor,
    image: Tensor,
    tau: float = 0.8,
    estimator: str = JSD,
    assignment: str = SOFT,
    mask: Tensor | None = None,
) -> Tensor:
    """Minus the information between local features and the global ones assigned to them.

    Harb & Knöbelreiter: InfoSeg, 2021, eq. 3 and 5 to 8. With V = softmax_k(τ ⟨L, H_k⟩), the
    assignment S = Σ_k V_k H_k, the score T = ⟨L(x), S(x)⟩ of a place in an image and the score
    T' = ⟨L(x), S(x')⟩ of the same place in a pair of different images,

        jsd:  loss = mean sp(−T) + mean sp(T') − 2 ln 2          sp(t) = ln(1 + eᵗ)
        dv:   loss = ln mean exp(T') − mean T

    Image n is paired with image n + 1 of the batch, the last one with the first: never with
    itself, every image once, and nothing grows with the square of the batch. Gradients go through
    V as well: eq. 6 maximises over all that L and S depend on. DV takes one logarithm of all
    places together, as Deep InfoMax does (Hjelm et al., 2019), not one a place as eq. 6 read to the
    letter would: it is the lower of the two, and still a bound.

    Args:
        local: L, `[batch, u, v, P]`, 2 images or more.
        image: H, `[batch, K, P]`.
        tau: τ > 0; the larger, the surer V.
        estimator: `jsd`, the Jensen-Shannon bound, or `dv`, that of Donsker and Varadhan.
        assignment: `soft` as above, or `hard`: S is the H_k of the largest V_k.
        mask: what share of each place takes part, `[batch, u, v]`, bool or 0 to 1; None means all.
            A pair of images weighs a place by the product of both shares.

    Returns:
        A scalar, float32 (float64 for float64 arguments): 0 where all scores are 0, no less where
        different images score like an image with itself, above 0 where they score higher. jsd is
        −2 ln 2 at best, dv has no lowest value. 0 with zero gradients where nothing takes part.

    Raises:
        InputError: other ranks, unequal shapes, a batch of one image, or an unknown name.

    Examples:
        >>> zeros = np.zeros((2, 4, 4, 8), "float32"), np.zeros((2, 3, 8), "float32")
        >>> round(abs(float(infoseg_loss(*zeros))), 4)  # scores that say nothing
        0.0
    """
    sums = pair_sums(local, image, class_probabilities(local, image, tau), estimator,
                     assignment, mask)  # fmt: skip
    return ops.cast(loss_of_sums(sums, estimator), _precise(local, image))


def class_probabilities(local: Tensor, image: Tensor, tau: float = 0.8) -> Tensor:
    """V = softmax_k(τ ⟨L, H_k⟩) (eq. 3): `[batch, u, v, P]`, `[batch, K, P]` → `[batch, u, v, K]`.

    In float32 at least, whatever the precision of the features.

    Raises:
        InputError: other ranks or unequal shapes, or τ not above 0.
    """
    if not tau > 0:
        raise expected("tau > 0", tau, "tau")
    return ops.softmax(tau * scores(local, image))


def scores(local: Tensor, image: Tensor) -> Tensor:
    """⟨L, H_k⟩ of each place and class, `[batch, u, v, K]`, in float32 at least."""
    local, image = ops.convert_to_tensor(local), ops.convert_to_tensor(image)
    shapes = tuple(local.shape), tuple(image.shape)
    fits = len(shapes[0]) == 4 and len(shapes[1]) == 3 and shapes[0][-1] == shapes[1][-1]
    if not fits or (None not in (shapes[0][0], shapes[1][0]) and shapes[0][0] != shapes[1][0]):
        wanted = "local [batch, u, v, P] and image [batch, K, P]"
        raise expected(wanted, shapes, "(local.shape, image.shape)")
    kind = _precise(local, image)
    batch, u, v = (ops.shape(local)[i] for i in range(3))
    flat = ops.reshape(ops.cast(local, kind), (batch, u * v, shapes[0][-1]))
    found = ops.matmul(flat, ops.transpose(ops.cast(image, kind), (0, 2, 1)))
    return ops.reshape(found, (batch, u, v, shapes[1][1]))


def pair_sums(
    local: Tensor,
    image: Tensor,
    probabilities: Tensor,
    estimator: str = JSD,
    assignment: str = SOFT,
    mask: Tensor | None = None,
    reach: int = 0,
    elsewhere: bool = False,
) -> Tensor:
    """What the loss is made of: sums over places of the batch, to be added up over batches.

    S never comes to be: ⟨L(x), Σ_k V_k(x') H_k(x')⟩ = Σ_k V_k(x') ⟨L(x), H_k(x')⟩.

    Args:
        local: L, `[batch, u, v, P]`.
        image: H, `[batch, K, P]`.
        probabilities: V, `[batch, u, v, K]`.
        estimator: `jsd` or `dv`.
        assignment: `soft` or `hard`.
        mask: what share of each place takes part, or None.
        reach: L of a place also meets S of the places around it, up to so many rows and columns
            away, all displacements alike (ours; 0 in the paper). A pair of two places weighs the
            product of their shares. Places nearer to the border than that have no L in it.
        elsewhere: whether L(x) meets S(x') of the place half the map further down and to the right,
            going round, and not of the same place (ours). What is common to a place in all images,
            sky above and ground below, then counts as information too.

    Returns:
        float64 `[sum_count(estimator)]`: of pairs of an image with itself Σ sp(−T) (dv: Σ T) and
        their weight; of pairs of different images their weight and Σ sp(T') (dv: Σ exp(T'), in
        parts). An image that is alone, which only a graph of unknown batch size can be given, adds
        nothing.
    """
    check_names(estimator, assignment)
    if reach < 0:
        raise expected("reach >= 0", reach, "reach")
    probabilities = ops.convert_to_tensor(probabilities)
    batch = probabilities.shape[0]
    if batch == 1:
        raise expected("at least 2 images to pair with one another", 1, "batch")
    if assignment == HARD:
        best = ops.argmax(probabilities, axis=-1)
        probabilities = ops.one_hot(best, probabilities.shape[-1], dtype=probabilities.dtype)
    own, others = scores(local, image), scores(local, _next(image))
    places = ops.zeros_like(own[..., 0])
    weight = ops.ones_like(places) if mask is None else ops.cast(mask, places.dtype)
    if tuple(weight.shape)[1:] != tuple(places.shape)[1:]:
        raise expected(f"a mask of shape {tuple(places.shape)}", tuple(weight.shape), "mask.shape")
    if batch is None:
        weight = weight * ops.cast(ops.shape(probabilities)[0] > 1, weight.dtype)
    here = (slice(None), *2 * [_displaced(0, reach)])

    def partner(values: Tensor) -> Tensor:
        values = _next(values)
        if elsewhere:
            half = [size // 2 for size in ops.shape(values)[1:3]]
            values = ops.roll(values, half, axis=(1, 2))
        return values

    total: Tensor = 0.0
    for down, across in itertools.product(range(-reach, reach + 1), repeat=2):
        there = (slice(None), _displaced(down, reach), _displaced(across, reach))
        moved, moved_weight = probabilities[there], weight[there]
        own_weight = weight[here] if down == across == 0 else weight[here] * moved_weight
        total = total + _sums(
            ops.sum(moved * own[here], axis=-1),
            ops.sum(partner(moved) * others[here], axis=-1),
            own_weight,
            weight[here] * partner(moved_weight),
            estimator,
        )
    return total


def _sums(
    same: Tensor, other: Tensor, weight: Tensor, pair_weight: Tensor, estimator: str
) -> Tensor:
    """`pair_sums` of scores T and T' and their weights, `[batch, u, v]`."""
    same, other = ops.cast(same, "float64"), ops.cast(other, "float64")
    weight, pair_weight = ops.cast(weight, "float64"), ops.cast(pair_weight, "float64")
    if estimator == JSD:
        same, others = ops.softplus(-same), [pair_weight * ops.softplus(other)]
    else:
        others = [pair_weight * part for part in _exp_in_parts(other)]
    terms = (weight * same, weight, pair_weight, *others)
    return ops.stack([ops.sum(term) for term in terms])


def _displaced(displacement: int, reach: int) -> slice:
    """The inner places of an axis, all but `reach` on either side, moved by a displacement."""
    return slice(reach + displacement, (displacement - reach) or None)


def loss_of_sums(sums: Tensor, estimator: str = JSD) -> Tensor:
    """The loss of `pair_sums`, of one batch or added up over several: a scalar, float64."""
    same, same_weight, other_weight = (sums[i] for i in range(3))
    some = ops.logical_and(same_weight > 0, other_weight > 0)
    one = ops.ones_like(same)
    # Where there is nothing, nothing is divided or taken the logarithm of: no NaN in gradients.
    same = ops.where(some, same, one) / ops.where(some, same_weight, one)
    other_weight = ops.where(some, other_weight, one)
    if estimator == JSD:
        loss = same + sums[3] / other_weight - 2.0 * math.log(2.0)
    else:
        loss = _log_of_parts(sums[3:]) - ops.log(other_weight) - same
    return ops.where(some, loss, ops.zeros_like(loss))


def sum_count(estimator: str = JSD) -> int:
    """How many sums `pair_sums` makes."""
    return 4 if estimator == JSD else 3 + 2 * PARTS + 1


def lowest_loss(estimator: str = JSD) -> float:
    """The lowest that the loss can be: −2 ln 2 for the Jensen-Shannon bound; DV has none."""
    return -2.0 * math.log(2.0) if estimator == JSD else -math.inf


def check_names(estimator: str, assignment: str) -> None:
    """They must be among `ESTIMATORS` and `ASSIGNMENTS`."""
    if estimator not in ESTIMATORS:
        raise expected(f"one of {', '.join(ESTIMATORS)}", estimator, "estimator")
    if assignment not in ASSIGNMENTS:
        raise expected(f"one of {', '.join(ASSIGNMENTS)}", assignment, "assignment")


def _exp_in_parts(x: Tensor) -> list[Tensor]:
    """exp(x − b · SPAN) where b · SPAN is nearest to x, else 0, for each b of −PARTS to PARTS.

    Sums over images must be plain sums, over devices and batches alike, so that no largest score
    can be taken out first; and exp alone ends at 709, which scores of a network that has just begun
    exceed.
    """
    nearest = ops.clip(ops.round(x / SPAN), -PARTS, PARTS)
    parts = []
    for b in range(-PARTS, PARTS + 1):
        here = ops.cast(nearest == b, x.dtype)
        parts.append(here * ops.exp(here * (x - b * SPAN)))
    return parts


def _log_of_parts(sums: Tensor) -> Tensor:
    """The logarithm of what `_exp_in_parts` stands for, added up."""
    logs = ops.log(ops.where(sums == 0, ops.ones_like(sums), sums))
    offsets = ops.convert_to_tensor(SPAN * np.arange(-PARTS, PARTS + 1))
    # Written so that NaN stays: a broken network must show.
    return ops.logsumexp(ops.where(sums == 0, -1e30 * ops.ones_like(sums), logs + offsets))


def _next(x: Tensor) -> Tensor:
    """Of each image its partner: the next one of the batch."""
    return ops.roll(x, -1, axis=0)


def _precise(*features: Tensor) -> str:
    names = {keras.backend.standardize_dtype(x.dtype) for x in features}
    return "float64" if "float64" in names else "float32"
