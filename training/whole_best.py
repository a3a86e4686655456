"""A run that goes on needs its best model: where that is damaged, a checkpoint may hold it."""

from __future__ import annotations

import shutil
from collections.abc import Callable

from iic_tf.errors import InputError
from iic_tf.training.atomic import replacing
from iic_tf.training.checkpoints import Checkpoint, Checkpoints
from iic_tf.training.model_file import check_model_file
from iic_tf.training.run import Run


def require_best(run: Run, checkpoint: Checkpoint, say: Callable[[str], None]) -> None:
    """See to it that the best model of the epochs so far is there, before any training.

    A later epoch need not be better: a damaged one would be met when all is done.

    Raises:
        InputError: it is damaged or gone, and so is the checkpoint of its epoch.
    """
    kept = [row["epoch"] for row in checkpoint.rows if row.get("best")]
    if not kept:
        return
    try:
        if not run.best.is_file():
            raise InputError(f"Expected a model in {run.best}; received none.")
        check_model_file(run.best)
        return
    except InputError as error:
        found = Checkpoints(run.checkpoints).of_epoch(kept[-1])
        if found is None:
            raise InputError(
                f"{error} It is of epoch {kept[-1]}, whose checkpoint is gone: the run cannot go "
                "on. Train anew, with --overwrite or another --out."
            ) from error
    if run.best.is_dir():
        raise InputError(f"Expected a file at {run.best}; received a folder.")
    with replacing(run.best) as temporary:
        shutil.copyfile(found.model, temporary)
    say(f"{run.best} was damaged or gone: it is again that of epoch {kept[-1]}, by its checkpoint")
