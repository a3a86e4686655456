"""What stops a training, told in one message that says what is left."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import tensorflow as tf

from iic_tf.errors import InputError
from iic_tf.training.run import Run
from iic_tf.views.numbered_batches import NumberedBatches


@contextlib.contextmanager
def explained(run: Run, *pairs: NumberedBatches) -> Iterator[None]:
    """Turn what stops a training into one message that says what is left."""
    try:
        yield
    except tf.errors.OpError as error:
        for one in pairs:
            if one.failure is not None:
                raise one.failure from error
        raise
    except OSError as error:
        said = f"Expected room to write in {run.folder}; received {error}."
        if run.best.is_file():
            said += f" The best model so far is {run.best}."
        said += f" Once there is room: iic-tf train --resume --out {run.folder}"
        raise InputError(said) from error
