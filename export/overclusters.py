"""Which of the overclustering head's sub-heads a prediction goes by."""

from __future__ import annotations

from typing import Any

from iic_tf.errors import InputError
from iic_tf.training.run import Run
from iic_tf.turns import OVERCLUSTERING


def overclustering_sub_head(run: Run, model: Any) -> int:
    """The sub-head of lowest loss in the run's best epoch.

    Args:
        run: a trained run.
        model: its model.

    Raises:
        InputError: the run was trained without an overclustering head.
    """
    if OVERCLUSTERING not in model.clusters:
        raise InputError(
            "Expected a run with an overclustering head for --overclusters; received "
            f"{run.folder}, trained without one."
        )
    if getattr(model, "sub_heads", 1) == 1:
        return 0
    # Here, not above: the module brings scores and baselines along.
    from iic_tf.training.evaluate import chosen_overclusters

    return chosen_overclusters(run) or 0
