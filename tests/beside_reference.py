"""Objectives beside the nested loops of `reference.py`: running them, and how near they come."""

import functools
import math

import numpy as np
import reference
import tensorflow as tf

LAMBDAS = (0, 0.5, 1, 1.5)


# Of a loss, relative to ln k where the loss is a small difference of entropies of that size.
VALUE = {"float32": 1e-6, "float64": 1e-12}


# Of a gradient, relative to its largest entry.
SLOPE = {"float32": 1e-5, "float64": 1e-10}


def run(loss, p, q, mode="eager"):
    """The loss and its two gradients as NumPy, computed eagerly, in a graph or by XLA."""

    def step(p, q):
        with tf.GradientTape() as tape:
            tape.watch((p, q))
            value = loss(p, q)
        return value, *tape.gradient(value, (p, q))

    p, q = tf.convert_to_tensor(p), tf.convert_to_tensor(q)
    if mode == "graph":  # the batch dimension is unknown when the graph is built
        unknown = tf.TensorSpec((None, *p.shape[1:]), p.dtype)
        step = tf.function(step, input_signature=[unknown, unknown])
    elif mode == "xla":
        step = tf.function(step, jit_compile=True)
    return tuple(np.asarray(v) for v in step(p, q))


def assert_value(value, exact, k, dtype="float32"):
    assert value.dtype == dtype
    assert abs(float(value) - exact) <= VALUE[dtype] * max(abs(exact), math.log(k))


def assert_slope(slope, exact, dtype="float32"):
    assert np.abs(slope - exact).max() <= SLOPE[dtype] * np.abs(exact).max()


def one_hot(labels, k):
    return np.eye(k, dtype=np.float32)[labels]


CASES = {  # shape, radius
    "radius 0": ((2, 7, 5, 3), 0),
    "radius 1": ((2, 12, 9, 3), 1),
    "radius 2, two clusters": ((3, 6, 11, 2), 2),
    "radius 3, the largest direct": ((2, 10, 13, 4), 3),
    "radius 4, the smallest by blocks": ((2, 10, 13, 4), 4),
    "several blocks": ((1, 70, 41, 3), 5),
    "a strip of four blocks": ((1, 9, 130, 3), 4),
    "one block taller than wide": ((2, 20, 11, 5), 6),
    "window as large as the image": ((2, 5, 6, 3), 5),
    "window larger than the image": ((1, 4, 7, 3), 9),
    "one row": ((2, 1, 12, 3), 4),
    "one row by blocks": ((2, 1, 70, 3), 30),
}


@functools.cache
def maps_of(case):
    """Both maps in float32, and the joints of the reference."""
    shape, radius = CASES[case]
    p, q = reference.similar_maps(shape)
    return p, q, reference.displaced_joints(p, q, radius)
