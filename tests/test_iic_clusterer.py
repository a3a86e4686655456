"""The clusterer as a Keras model: joints of repeated pairs, turns, evaluating."""

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf
from made_up import clustering_batch, decided, noise, same, small_clusterer, weights

from iic_tf.errors import InputError
from iic_tf.losses.segmentation import loss_of_joints
from iic_tf.models.iic_clusterer import IICClusterer

pytestmark = pytest.mark.usefixtures("_same_weights_each_time")


def all_views(batch):
    """The images of a batch, then their copies, an image's together."""
    gx = batch["gx"]
    return tf.concat([batch["x"], tf.reshape(gx, (-1, *gx.shape[2:]))], 0)


def reference_pairs(model, batch, head, training):
    """For each sub-head all pairs' probabilities, an image's repeated for each of its copies."""
    count, copies = batch["gx"].shape[:2]
    for found in model.probabilities(all_views(batch), head, training):
        p, q = found[:count].numpy(), found[count:].numpy()
        yield p[[row // copies for row in range(count * copies)]], q


# --- construction


def test_defaults_are_the_papers():
    model = small_clusterer(classes=10, overclusters=50)
    assert model.turns == ("overclustering", "main")
    assert model.lamb == model.overclustering_lamb == 1
    assert IICClusterer(2, 3, 1, 8, "B", 0.05).sub_heads == 5
    model.compile()
    assert isinstance(model.optimizer, keras.optimizers.Adam)
    assert float(model.optimizer.learning_rate) == pytest.approx(1e-4)
    assert model.optimizer.epsilon == 1e-8


@pytest.mark.parametrize("network", ["A", "B"])
def test_a_model_is_made_again_from_its_config(network):
    arguments = {
        "classes": 3,
        "overclusters": 7,
        "channels": 3,
        "size": 9,
        "network": network,
        "width": 0.07,
        "sub_heads": 2,
        "inputs": "bands+sobel",
        "lamb": 1.5,
        "overclustering_lamb": 1.25,
        "turns": ("main", "both"),
    }
    model = IICClusterer(**arguments, name="mine")
    config = model.get_config()
    assert {name: config[name] for name in arguments} == arguments
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(model))
    assert again.get_config() == config
    assert again.name == "mine"
    assert [w.shape for w in again.weights] == [w.shape for w in model.weights]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"classes": 1}, "at least 2 clusters in a head; received clusters=1"),
        ({"overclusters": 1}, "at least 2 clusters in a head; received clusters=1"),
        ({"channels": 0}, "at least 1 channel; received channels=0"),
        ({"width": 0}, "width > 0; received width=0"),
        ({"sub_heads": 0}, "at least 1 sub-head"),
        ({"lamb": -1}, "lamb >= 0"),
        ({"inputs": "hsv"}, "bands, bands.sobel, sobel; received inputs='hsv'"),
        ({"network": "C"}, "one of A, B; received network='C'"),
        ({"network": "A", "size": 7}, "at least 8 pixels for network A; received size=7"),
        ({"size": 7}, "at least 8 pixels for network B; received size='7×7'"),
        ({"turns": ("overclustering",)}, "at least one turn that trains the main head"),
        ({"overclusters": 0, "turns": ("both",)}, r"turns made of main; received turns="),
        ({"overclusters": None, "turns": ("overclustering", "main")}, "turns made of main;"),
    ],
)
def test_construction_messages(wrong, message):
    with pytest.raises(InputError, match=message):
        small_clusterer(**wrong)


@pytest.mark.parametrize("network", ["A", "B"])
def test_other_images_are_refused(network):
    model = small_clusterer(network=network)
    for shape, message in (
        ((1, 9, 8, 1), "images of 8×8 pixels, the model's size; received size='9×8'"),
        ((1, 8, 8, 3), "images of 1 channels; received channels=3"),
        ((8, 8, 1), r"images \[batch, size, size, channels\]; received shape=\(8, 8, 1\)"),
    ):
        with pytest.raises(InputError, match=message):
            model(tf.zeros(shape))


def test_batches_that_are_not_pairs_are_refused():
    model = small_clusterer()
    model.compile(run_eagerly=True)
    wanted = r"batches of pairs, dicts with x, gx and epoch \(see iic_tf\.ImagePairs\)"
    for data in (tf.zeros((2, 8, 8, 1)), {"x": 1, "gx": 2}):
        for step in (model.train_step, model.test_step):
            with pytest.raises(InputError, match=wanted):
                step(data)
    batch = clustering_batch(4, 2)
    batch["gx"] = batch["gx"][:, 0]
    with pytest.raises(InputError, match=r"images, copies, size.*shape=\(4, 8, 8, 1\)"):
        model.train_step(batch)


# --- answers


@pytest.mark.parametrize("inputs", ["bands", "sobel", "bands+sobel"])
@pytest.mark.parametrize("network", ["A", "B"])
def test_probabilities_of_images(network, inputs):
    model = decided(small_clusterer(3, 4, channels=3, size=9, network=network, inputs=inputs))
    images = noise(5, 9, 9, 3)
    for head, k in (("main", 3), ("overclustering", 4)):
        every = model.probabilities(images, head)
        assert [p.shape for p in every] == [(5, k)] * 2
        np.testing.assert_allclose(np.sum(every, axis=-1), 1, atol=1e-6)
    out = model.predict(images, batch_size=2, verbose=0)
    np.testing.assert_allclose(out, model(images), atol=1e-6)
    features = model.features(images).numpy()
    assert features.shape == model.trunk.compute_output_shape((5, 9, 9, 3))
    assert features.std(axis=0).max() > 1e-3


def test_the_chosen_sub_head_answers():
    model = decided(small_clusterer(sub_heads=3))
    images = noise(2, 8, 8, 1)
    every = model.probabilities(images)
    for i in (2, 0, 1):
        model.chosen.assign(i)
        np.testing.assert_array_equal(model(images), every[i])
    assert np.abs(every[0].numpy() - every[1].numpy()).max() > 1e-3


@pytest.mark.parametrize("_precision", ["mixed_float16", "mixed_bfloat16"], indirect=True)
@pytest.mark.parametrize("network", ["A", "B"])
@pytest.mark.usefixtures("_precision")
def test_mixed_precision(network):
    model = small_clusterer(network=network, turns=("both",))
    model.compile(keras.optimizers.Adam(1e-3))
    batch = clustering_batch(4, 2)
    assert model.features(batch["x"]).dtype.name in ("float16", "bfloat16")
    assert all(p.dtype == tf.float32 for p in model.probabilities(batch["x"]))
    joints = model.sums(batch, ("main",), training=True)["main"]
    assert joints.dtype == tf.float32
    assert float(tf.reduce_sum(joints[0])) == pytest.approx(8, abs=1e-4)
    before = model.get_weights()
    assert np.isfinite(float(model.train_step(batch)["loss"]))
    assert all(np.isfinite(w).all() for w in model.get_weights())
    assert not same(before, model.get_weights())


# --- joints and losses


@pytest.mark.parametrize("copies", [1, 3])
def test_joints_are_the_references_over_all_pairs(copies):
    model = decided(small_clusterer())
    batch = clustering_batch(5, copies)
    joints = model.sums(batch, ("main", "overclustering"), training=True)
    for head, k in (("main", 2), ("overclustering", 3)):
        assert joints[head].shape == (2, 1, k, k)
        exact = [reference.joint(p, q) for p, q in reference_pairs(model, batch, head, True)]
        np.testing.assert_allclose(joints[head][:, 0], exact, atol=1e-5)
        assert float(tf.reduce_sum(joints[head][0])) == pytest.approx(5 * copies, abs=1e-4)


def test_images_and_copies_share_one_normalisation():
    """BatchNormalization sees both as one batch, every image once."""
    model = decided(small_clusterer())
    batch = clustering_batch(4, 2)
    p = model.probabilities(batch["x"], training=True)[0].numpy()
    alone = [reference.joint(np.tile(p, (2, 1)), p[[0] * 8])]
    joints = model.sums(batch, ("main",), training=True)["main"]
    assert np.abs(joints[0, 0].numpy() - alone[0]).max() > 1e-3
    mean = model.trunk.convs[0].norm.moving_mean
    mean.assign(tf.zeros_like(mean))
    model.sums(batch, ("main",), training=True)
    seen = model.trunk.convs[0].conv(all_views(batch)).numpy()
    np.testing.assert_allclose(mean, seen.mean(axis=(0, 1, 2)) / 10, atol=1e-6)


@pytest.mark.parametrize(("turn", "epoch"), [("overclustering", 0), ("main", 1), ("both", 2)])
def test_the_training_loss_is_the_references(turn, epoch):
    model = decided(small_clusterer(lamb=1.5, turns=("overclustering", "main", "both")))
    model.compile(keras.optimizers.SGD(0.0))
    batch = clustering_batch(5, 3, epoch)
    by_head = {
        head: np.mean(
            [
                reference.clustering_loss(p, q, lamb)
                for p, q in reference_pairs(model, batch, head, True)
            ]
        )
        for head, lamb in (("main", 1.5), ("overclustering", 1.0))
    }
    exact = np.mean(list(by_head.values())) if turn == "both" else by_head[turn]
    assert float(model.train_step(batch)["loss"]) == pytest.approx(exact, abs=2e-6)


@pytest.mark.parametrize("lamb", [1.0, 1.5])
def test_one_displacement_is_the_clustering_loss(lamb):
    p, q = reference.similar_rows((20, 4))
    joint = tf.constant(reference.joint(p, q)[None], tf.float32)
    exact = reference.clustering_loss(p, q, lamb)
    assert float(loss_of_joints(joint, lamb)) == pytest.approx(exact, abs=1e-6)
    model = small_clusterer(4, lamb=lamb)
    assert float(model.loss_of(joint[None], "main")) == pytest.approx(exact, abs=1e-6)


def test_the_loss_of_a_set_is_that_of_its_summed_joints():
    model = decided(small_clusterer(lamb=1.5))
    model.compile()
    batches = [clustering_batch(4, 2), clustering_batch(3, 2, seed=7)]
    data = tf.data.Dataset.from_generator(
        lambda: iter(batches),
        output_signature={
            k: tf.TensorSpec((None, *v.shape[1:]), v.dtype) for k, v in batches[0].items()
        },
    )
    data = data.apply(tf.data.experimental.assert_cardinality(2))
    exact = {}
    for head, lamb in (("main", 1.5), ("overclustering", 1.0)):
        joints = 0
        for batch in batches:
            pairs = reference_pairs(model, batch, head, False)
            joints = joints + np.stack([reference.joint(p, q) for p, q in pairs])
        exact[head] = np.mean([-reference.information(j, lamb) for j in joints])
    before = model.get_weights()
    for _ in range(2):  # evaluating leaves nothing behind
        found = model.evaluate(data, return_dict=True, verbose=0)
        assert found["loss"] == pytest.approx(exact["main"], abs=2e-6)
        assert found["overclustering_loss"] == pytest.approx(exact["overclustering"], abs=2e-6)
    assert same(before, model.get_weights())


# --- training


@pytest.mark.parametrize("eagerly", [True, False])
def test_heads_are_trained_in_the_turns_of_the_datas_epochs(eagerly):
    model = small_clusterer(turns=("overclustering", "main", "main", "both"))
    model.compile(keras.optimizers.Adam(1e-3), run_eagerly=eagerly)
    for epoch in range(5):
        turn = model.phase_of(epoch)
        before = {name: weights(head) for name, head in model.heads.items()}
        trunk = weights(model.trunk)
        data = tf.data.Dataset.from_tensors(clustering_batch(4, 2, epoch))
        model.fit(data, epochs=1, verbose=0)
        assert not same(trunk, weights(model.trunk))
        for name, head in model.heads.items():
            assert same(before[name], weights(head)) == (turn not in (name, "both"))


def test_without_an_overclustering_head():
    for none in (0, None):
        model = small_clusterer(overclusters=none)
        assert set(model.heads) == {"main"}
        assert model.turns == ("main",)
        assert model.get_config()["overclusters"] == 0
    model.compile(run_eagerly=True)
    data = tf.data.Dataset.from_tensors(clustering_batch(4, 2))
    history = model.fit(data, validation_data=data, epochs=2, verbose=0)
    assert set(history.history) == {"loss", "val_loss"}
    again = IICClusterer.from_config(model.get_config())
    assert [w.shape for w in again.weights] == [w.shape for w in model.weights]


def three_patterns(count, size=8, seed=0):
    """Images of bars across, bars upright, or a bright square, each a little noisy."""
    rng = np.random.default_rng(seed)
    patterns = np.zeros((3, size, size, 1), np.float32)
    patterns[0, ::2] = 1
    patterns[1, :, ::2] = 1
    patterns[2, 2:-2, 2:-2] = 1
    labels = np.arange(count) % 3
    noisy = [patterns[labels] + rng.normal(0, 0.1, (count, size, size, 1)) for _ in range(3)]
    x, *copies = (np.clip(n, 0, 1).astype(np.float32) for n in noisy)
    return x, np.stack(copies, 1), labels


def test_fit_tells_three_patterns_apart():
    model = small_clusterer(3, 9, width=0.5, sub_heads=3, lamb=1.5, turns=("both",))
    model.compile(keras.optimizers.Adam(3e-3))
    x, gx, labels = three_patterns(24)
    held_out = tf.data.Dataset.from_tensors({"x": x, "gx": gx, "epoch": np.zeros(24, np.int32)})
    before = model.evaluate(held_out, return_dict=True, verbose=0)
    assert before["loss"] > -1.2
    for epoch in range(4):
        batches = []
        for step in range(12):
            x, gx, _ = three_patterns(24, seed=100 * epoch + step + 1)
            batches.append((x, gx, np.full(24, epoch, np.int32)))
        columns = (np.stack(column) for column in zip(*batches, strict=True))
        data = dict(zip(("x", "gx", "epoch"), columns, strict=True))
        model.fit(tf.data.Dataset.from_tensor_slices(data), verbose=0)
    after = model.evaluate(held_out, return_dict=True, verbose=0)
    # ln 3 of information and, at λ = 1.5, half of twice the entropy ln 3 besides.
    assert -2 * np.log(3) - 1e-5 < after["loss"] < -2 * np.log(3) + 0.1
    assert -np.log(9) < after["overclustering_loss"] < -np.log(3) + 0.1
    found = model.predict(three_patterns(24, seed=999)[0], verbose=0).argmax(-1)
    assert [len(set(found[labels == c])) for c in range(3)] == [1, 1, 1]
    assert len(set(found)) == 3
