"""What a worker of TensorFlow can be asked to run: the objective, and the parts of a step."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from cases import Case, maps
from step_case import batch_of, images, small_images
from textbook import textbook_loss
from textbook_names import SPELLINGS, WAYS

import iic_tf
from iic_tf.data.array_scene import from_arrays
from iic_tf.losses import iic_segmentation_loss
from iic_tf.losses.block_correlation import correlation_by_blocks
from iic_tf.losses.direct_correlation import direct_correlation
from iic_tf.losses.segmentation import loss_of_joints, segmentation_joints
from iic_tf.turns import MAIN
from iic_tf.views.geometry import undo


class Job:
    """A function and its arguments, traced beforehand, without XLA."""

    def __init__(self, function: Callable[..., Any], arguments: list[Any]):
        traced = tf.function(function, autograph=False, jit_compile=False)
        self.run = traced.get_concrete_function(*arguments)
        self.arguments = arguments
        self.returned: Any = None

    def __call__(self) -> None:
        self.returned = self.run(*self.arguments)

    def arrays(self) -> dict[str, Any]:
        return {k: v.numpy() for k, v in zip(("loss", "dp", "dq"), self.returned, strict=True)}


class Plain:
    """A function that is called as it is."""

    def __init__(self, function: Callable[[], Any], **facts: Any):
        self.function = function
        self.facts = facts
        self.returned: Any = None

    def __call__(self) -> None:
        self.returned = self.function()


def with_gradients(loss: Callable[..., Any]) -> Callable[..., Any]:
    """`loss(*maps)` → the loss and its gradients with respect to the maps."""

    def both(*arguments: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(arguments)
            value = loss(*arguments)
        return (value, *tape.gradient(value, list(arguments)))

    return both


def objective(version: str, case: Case) -> Job:
    """`ours`, one of its `WAYS` alone, or the textbook's in one of its `SPELLINGS`."""
    pair = [tf.constant(m) for m in maps(case)]
    if version in WAYS:
        way = direct_correlation if version == "direct" else correlation_by_blocks
        reach = (case.radius, case.radius)
        return Job(with_gradients(lambda p, q: loss_of_joints(way(p, q, reach))), pair)
    if version in SPELLINGS:
        return Job(with_gradients(lambda p, q: textbook_loss(p, q, case.radius, version)), pair)
    return Job(with_gradients(lambda p, q: iic_segmentation_loss(p, q, radius=case.radius)), pair)


_models: dict[tuple[str, str], Any] = {}


def model_of(case: dict[str, Any], precision: str) -> Any:
    """Network C at width 1 whose head of `case["k"]` clusters is trained."""
    key = (str(case), precision)
    if key not in _models:
        keras.utils.set_random_seed(0)
        _models[key] = iic_tf.IICSegmenter(
            classes=case["k"],
            overclusters=case["k"],
            channels=case["channels"],
            radius=case["radius"],
            turns=(MAIN,),
            dtype=precision,
        )
        _models[key].compile()
    return _models[key]


def step_part(version: str, case: dict[str, Any]) -> Any:
    """`part` or `part precision`: views, undo, network, objective, optimiser or step."""
    part, _, precision = version.partition(" ")
    model = model_of(case, precision or "float32")
    variables = [*model.trunk.trainable_variables, *model.heads[MAIN].trainable_variables]
    x, gx, flipped = batch_of(case)
    flip = np.stack([np.diag([-1.0 if f else 1.0, 1.0]) for f in flipped]).astype(np.float32)
    batch = {"x": x, "gx": gx, "flip": flip, "epoch": np.zeros(case["n"], np.int32)}
    batch = {name: tf.constant(value) for name, value in batch.items()}
    if part == "views":
        pairs = iic_tf.Pairs(
            from_arrays(images(case)), crop=case["size"], batch=case["n"], steps=1000
        )
        numbers = itertools.count()
        return Plain(lambda: pairs[next(numbers)])
    if part == "step":
        train, forever = model.make_train_function(), itertools.repeat(batch)
        parameters = sum(int(np.prod(v.shape)) for v in variables)
        return Plain(lambda: train(forever), parameters=parameters)
    pair = [tf.constant(m) for m in maps(Case(case["k"], case["size"], case["radius"], case["n"]))]
    if part == "objective":

        def loss(p: Any, q: Any) -> Any:
            return model.loss_of(segmentation_joints(p, q, model.radius)[None], MAIN)

        return Job(with_gradients(loss), pair)
    if part == "undo":
        return Job(with_gradients(lambda q: tf.reduce_sum(undo(q, batch) * pair[0])), [pair[1]])
    if part == "optimiser":
        gradients = [tf.fill(v.shape, 1e-3) for v in variables]
        return Job(lambda *g: model.optimizer.apply(list(g), variables), gradients)
    assert part == "network", part

    def forward_and_back(x: Any, gx: Any) -> Any:
        with tf.GradientTape() as tape:
            found = model.maps(tf.concat([x, gx], 0), MAIN, training=True)[0]
            # A trivial loss, but not one whose gradients are zero.
            value = tf.reduce_mean(found * tf.concat(pair, 0))
        return tape.gradient(value, [v.value for v in variables])

    return Job(forward_and_back, [batch["x"], batch["gx"]])


def clustering_step(version: str, case: dict[str, Any]) -> Any:
    """`step precision` of the clusterer."""
    _, _, precision = version.partition(" ")
    keras.utils.set_random_seed(0)
    model = iic_tf.IICClusterer(
        classes=case["k"],
        overclusters=None,
        channels=case["channels"],
        size=case["size"],
        network=case["network"],
        sub_heads=case["sub_heads"],
        dtype=precision,
    )
    model.compile()
    x, gx = small_images(case)
    batch = {"x": x, "gx": gx[:, None], "epoch": np.zeros(case["n"], np.int32)}
    forever = itertools.repeat({name: tf.constant(value) for name, value in batch.items()})
    train = model.make_train_function()
    parameters = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    return Plain(lambda: train(forever), parameters=parameters)


def build(version: str, case: dict[str, Any]) -> Any:
    """A version of the objective on a `Case`, or a step or a part of one."""
    if case.get("clustering"):
        return clustering_step(version, case)
    if version in ("ours", *WAYS, *SPELLINGS):
        return objective(version, Case(**case))
    return step_part(version, case)


def forget() -> None:
    """Free the models."""
    _models.clear()
