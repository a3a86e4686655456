"""How tests run graphs of a few steps: as they are written."""

import tensorflow as tf


def unoptimised() -> None:
    """Have TensorFlow run graphs without going over them first.

    That takes a fifth of the time of a training of some steps, and wins none of it back. It changes
    rounding: what is to be equal to the last bit is run so on both sides.
    """
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
