"""The heads by name, and whose turn it is: what pairs and models must agree on."""

from __future__ import annotations

from collections.abc import Sequence

from iic_tf.errors import expected

MAIN = "main"
OVERCLUSTERING = "overclustering"
BOTH = "both"
HEADS = (MAIN, OVERCLUSTERING)

RESTING = ", trunk frozen"
"""Behind the turn of an epoch in which the trunk is not trained."""


def check_turns(turns: Sequence[str], heads: Sequence[str] = HEADS) -> tuple[str, ...]:
    """A schedule such as `("overclustering", "main")`, valid for a model with these heads.

    Raises:
        InputError: an unknown head, or none of the turns trains the main head.
    """
    allowed = (*heads, BOTH) if len(heads) > 1 else tuple(heads)
    if not turns or any(turn not in allowed for turn in turns):
        raise expected(f"turns made of {', '.join(allowed)}", tuple(turns), "turns")
    if not {MAIN, BOTH} & set(turns):
        raise expected("at least one turn that trains the main head", tuple(turns), "turns")
    return tuple(turns)
