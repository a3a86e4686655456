"""What the arguments of `InfoSeg` must be."""

from __future__ import annotations

from collections.abc import Sequence

from iic_tf.errors import expected
from iic_tf.losses.infoseg import ESTIMATORS, JSD, check_names
from iic_tf.networks.patch_network import PatchNetwork

IIC = "iic"
OBJECTIVES = (*ESTIMATORS, IIC)


def check_objective(objective: str, assignment: str, tau: float, image_scale: float) -> None:
    """They must be among `OBJECTIVES` and `ASSIGNMENTS`, the numbers above 0.

    Raises:
        InputError: they are not.
    """
    if objective not in OBJECTIVES:
        raise expected(f"one of {', '.join(OBJECTIVES)}", objective, "objective")
    check_names(JSD if objective == IIC else objective, assignment)
    if not 0 < tau < float("inf"):
        raise expected("tau > 0 and finite", tau, "tau")
    if not 0 < image_scale < float("inf"):
        raise expected("image_scale > 0 and finite", image_scale, "image_scale")


def cells_within(radius: int, stride: int = PatchNetwork.stride) -> int:
    """A distance in pixels, rounded up to whole cells."""
    return -(-radius // stride)


def check_paired_crop(sides: Sequence[int], radius: int, stride: int = PatchNetwork.stride) -> None:
    """Cells must lie on cells after a flip, and some must be further than `radius` inside.

    Raises:
        InputError: they would not.
    """
    least = 2 * cells_within(radius, stride)
    if any(side % stride or side <= least * stride for side in sides):
        raise expected(
            f"paired crops of a multiple of {stride} pixels, so that cells still lie on cells "
            f"after a flip, and of more than {least} cells",
            tuple(sides),
            "crop",
        )
