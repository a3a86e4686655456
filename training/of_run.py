"""A trained run in Python, as `predict`, `evaluate` and `export` see it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from iic_tf.training.answer import Answer


def from_run(path: str | Path, head: str | None = None, classes: int | None = None) -> Answer:
    """What a run folder answers with: its model, ready for raw pixels, and its classes' names.

        answer = iic_tf.training.from_run("runs/mine")
        found = answer.served(pixels)             # [batch, height, width, bands], raw values
        found["labels"], found["probabilities"]   # labels: −1 where there is no data
        answer.names                              # of the probabilities' last axis
        answer.served.model                       # the Keras model, of values in 0 to 1

    Args:
        path: the run folder that `iic-tf train` wrote.
        head: `classes`, as `iic-tf label` named them; `main`; or `overclusters`. None: the classes
            where they were named, else the main head.
        classes: so many groups of the finest clusters, by their tree; goes without `head`.

    Raises:
        InputError: no run, no such head, no names, or no trained model in it.
    """
    # Exports read run folders where there is no TensorFlow, and import this package then.
    from iic_tf.training.answer import answer_of
    from iic_tf.training.run import Run

    return answer_of(Run.open(path), head, classes)
