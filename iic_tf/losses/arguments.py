"""What both objectives ask of their arguments."""

from __future__ import annotations

import keras
from keras import ops

from iic_tf.annotations import Tensor
from iic_tf.errors import expected


def probability_pair(p: Tensor, q: Tensor, rank: int, layout: str) -> tuple[Tensor, Tensor]:
    """Check shapes and bring both to float32, or to float64 where either is.

    Whatever precision the network runs in, information is computed in float32 at least: sums over
    a hundred thousand pixels have no digits left in half precision.
    """
    p, q = ops.convert_to_tensor(p), ops.convert_to_tensor(q)
    for name, value in (("p", p), ("q", q)):
        if len(value.shape) != rank:
            raise expected(f"probabilities of shape {layout}", tuple(value.shape), f"{name}.shape")
    known = [
        (a, b) for a, b in zip(p.shape, q.shape, strict=True) if a is not None and b is not None
    ]
    if any(a != b for a, b in known):
        raise expected(
            f"p and q of one shape {layout}", (tuple(p.shape), tuple(q.shape)), "(p.shape, q.shape)"
        )
    if p.shape[-1] is None or p.shape[-1] < 2:
        raise expected("at least 2 clusters in the last axis", p.shape[-1], "clusters")
    names = {keras.backend.standardize_dtype(value.dtype) for value in (p, q)}
    dtype = "float64" if "float64" in names else "float32"
    return ops.cast(p, dtype), ops.cast(q, dtype)


def check_lamb(lamb: float) -> None:
    """λ must be a finite number, 0 or more."""
    if not 0 <= lamb < float("inf"):
        raise expected("lamb >= 0 and finite", lamb, "lamb")
