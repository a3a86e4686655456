"""InfoSeg on two replicas beside one device."""

import functools
import subprocess
import sys

import made_up
import numpy as np
import pytest
import tensorflow as tf
from made_up import small_infoseg

from iic_tf.losses.infoseg import class_probabilities, loss_of_sums, pair_sums
from iic_tf.models.served import shrink

noise_pairs = functools.partial(made_up.noise_pairs, crop=10, size=(20, 30))

TWO_REPLICAS = """
import sys
import keras
import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
sys.path.insert(0, sys.argv[3])
from test_infoseg_replicas import noise_pairs, small_infoseg, spread

strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
pairs = noise_pairs(batch=7, masks=True)
assert [len(pairs[i]["x"]) for i in range(len(pairs))] == [7, 5]
found = {}
for objective in sys.argv[1].split():
    with strategy.scope():
        keras.utils.set_random_seed(0)
        model = spread(small_infoseg(objective=objective, radius=1))
        model.compile(keras.optimizers.SGD(0.01))
    found |= {f"{objective}/start{i}": w for i, w in enumerate(model.get_weights())}
    # Threads that fetch to devices sleep before they end, by the half minute; of one will do.
    fetch = objective == "iic"
    options = tf.distribute.InputOptions(experimental_fetch_to_device=fetch)
    dataset = strategy.experimental_distribute_dataset(pairs.dataset(0, 2), options)
    history = model.fit(dataset, steps_per_epoch=2, verbose=0).history
    found |= {f"{objective}/weight{i}": w for i, w in enumerate(model.get_weights())}
    options = tf.distribute.InputOptions(experimental_fetch_to_device=False)
    dataset = strategy.experimental_distribute_dataset(pairs.dataset(0, 2), options)
    evaluated = model.evaluate(dataset, steps=2, verbose=0, return_dict=True)
    found |= {f"{objective}/loss": history["loss"][0], f"{objective}/evaluated": evaluated["loss"]}
    found[f"{objective}/shares"] = model.meters["main"].shares()
np.savez(sys.argv[2], **found)
"""


@pytest.fixture(scope="module")
def on_two_replicas(tmp_path_factory):
    """What a strategy of two logical CPUs makes of two batches, by objective."""
    file = tmp_path_factory.mktemp("replicas") / "found.npz"
    folder = __file__.rsplit("/", 1)[0]
    command = [sys.executable, "-c", TWO_REPLICAS, "jsd dv iic", file, folder]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    with np.load(file) as found:
        return dict(found)


def spread(model):
    """Global features far from small, so that gradients are more than rounding."""
    linear = model.heads["main"].linear
    linear.kernel.assign(np.random.default_rng(3).normal(0, 0.15, linear.kernel.shape))
    return model


def halves_of(count):
    """How a strategy of two deals that many images."""
    return slice(0, -(-count // 2)), slice(-(-count // 2), count)


def on_one_device(model, batch, training):
    """The loss of a global batch, BatchNormalization and all, partners being of the same half."""
    if model.objective == "iic":
        found = model.sums(batch, ("main",), training)["main"]
        return model.loss_of(found, "main"), found
    local, image = model.local_and_global(batch["x"], training)
    mask = shrink(batch["valid"][..., None], 4)[..., 0]
    sums = 0.0
    for part in halves_of(len(batch["x"])):
        here = local[part], image[part]
        chosen = class_probabilities(*here, model.tau)
        sums = sums + pair_sums(*here, chosen, model.objective, mask=mask[part])
    return tf.cast(loss_of_sums(sums, model.objective), tf.float32), sums


@pytest.mark.parametrize("objective", ["jsd", "dv", "iic"])
def test_two_replicas_are_one_device_with_partners_of_each_half(objective, on_two_replicas):
    found = {
        name.partition("/")[2]: on_two_replicas[name]
        for name in on_two_replicas
        if name.startswith(objective)
    }
    model = small_infoseg(objective=objective, radius=1)
    count = len(model.get_weights())
    model.set_weights([found[f"start{i}"] for i in range(count)])
    pairs = noise_pairs(batch=7, masks=True)
    losses = []
    for i in range(len(pairs)):
        variables = [v.value for v in model.trainable_variables]
        with tf.GradientTape() as tape:
            loss, _ = on_one_device(model, pairs[i], True)
        slopes = tape.gradient(loss, variables)
        for variable, slope in zip(model.trainable_variables, slopes, strict=True):
            variable.assign(variable - 0.01 * slope)
        losses.append(float(loss))
    # Float32 sums in another order: a wrong weight of an image would be a thousand times as much.
    assert found["loss"] == pytest.approx(np.mean(losses), rel=2e-5, abs=1e-6)
    moved = 0.0
    names = [v.path for v in model.weights]
    for i, (name, mine) in enumerate(zip(names, model.get_weights(), strict=True)):
        np.testing.assert_allclose(found[f"weight{i}"], mine, atol=2e-5, err_msg=name)
        moved = max(moved, np.abs(mine - found[f"start{i}"]).max() if mine.ndim else 0.0)
    assert moved > 1e-3
    # Evaluated as theirs: moving statistics that have just begun make rounding of weights large.
    model.set_weights([found[f"weight{i}"] for i in range(count)])
    total = sum(on_one_device(model, pairs[i], False)[1] for i in range(len(pairs)))
    if objective == "iic":
        exact = float(model.loss_of(total, "main"))
    else:
        exact = float(loss_of_sums(total, objective))
    assert found["evaluated"] == pytest.approx(exact, rel=2e-5, abs=1e-6)
    assert found["shares"].sum() == pytest.approx(1, abs=1e-6)
