"""The segmenter as a Keras model: training in turns, evaluating, predicting."""

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf
from made_up import noise_pairs, same, small_segmenter, two_textures, weights

from iic_tf.data.array_scene import from_arrays
from iic_tf.errors import InputError
from iic_tf.models.iic_segmenter import IICSegmenter
from iic_tf.views.geometry import Geometry
from iic_tf.views.pairs import Pairs
from iic_tf.views.photometry import Photometry

MILD = Photometry(0.05, 0.05, 0.05, 0)


pytestmark = pytest.mark.usefixtures("_same_weights_each_time")


def reference_maps(model, batch, head, training):
    """Probabilities of both views, the second one flipped back, for each sub-head."""
    x, gx = (batch[k].numpy() for k in ("x", "gx"))
    for maps in model.maps(tf.constant(np.concatenate([x, gx])), head, training):
        p, q = np.split(maps.numpy(), 2)
        mirrored = batch["flip"].numpy()[:, 0, 0] < 0
        yield p, np.where(mirrored[:, None, None, None], q[:, :, ::-1], q)


def logged(history):
    return {name: values[-1] for name, values in history.history.items()}


# --- defaults and configuration


def test_compile_has_the_papers_defaults():
    model = small_segmenter()
    model.compile()
    assert isinstance(model.optimizer, keras.optimizers.Adam)
    assert float(model.optimizer.learning_rate) == pytest.approx(1e-4)
    assert model.optimizer.epsilon == 1e-8
    model.compile(keras.optimizers.SGD(0.5))
    assert isinstance(model.optimizer, keras.optimizers.SGD)
    model.compile(optimizer="rmsprop")
    assert isinstance(model.optimizer, keras.optimizers.RMSprop)
    assert small_segmenter().turns == ("overclustering", "main")


def test_a_model_is_made_again_from_its_config():
    arguments = {
        "classes": 3,
        "overclusters": 7,
        "channels": 4,
        "width": 0.07,
        "sub_heads": 2,
        "inputs": "bands+sobel",
        "radius": 2,
        "lamb": 1.5,
        "overclustering_lamb": 1.25,
        "collapsed": True,
        "turns": ("main", "both"),
    }
    model = IICSegmenter(**arguments, name="mine")
    config = model.get_config()
    assert {name: config[name] for name in arguments} == arguments
    again = IICSegmenter.from_config(config)
    assert again.get_config() == config
    assert again.name == "mine"
    # Saved before it was ever compiled.
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(model))
    assert again.get_config() == config
    assert not again.compiled
    assert [w.shape for w in again.weights] == [w.shape for w in model.weights]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"classes": 1}, "at least 2 clusters in a head; received clusters=1"),
        ({"overclusters": 1}, "at least 2 clusters in a head; received clusters=1"),
        ({"channels": 0}, "at least 1 channel; received channels=0"),
        ({"width": 0}, "width > 0"),
        ({"sub_heads": 0}, "at least 1 sub-head"),
        ({"radius": -1}, "radius >= 0; received radius=-1"),
        ({"inputs": "hsv"}, "bands, bands.sobel, sobel; received inputs='hsv'"),
        ({"turns": ()}, r"turns made of main, overclustering, both; received turns=\(\)"),
        ({"turns": ("main", "other")}, "turns made of"),
        ({"turns": ("overclustering",)}, "at least one turn that trains the main head"),
    ],
)
def test_construction_messages(wrong, message):
    with pytest.raises(InputError, match=message):
        IICSegmenter(**{"classes": 2, "overclusters": 3, "channels": 3, "width": 0.05, **wrong})


def test_images_of_other_channels_are_refused():
    for bands in (1, 4):
        images = np.zeros((1, 8, 8, bands), np.float32)
        for inputs in ("bands", "sobel"):
            with pytest.raises(InputError, match=f"of 3 channels; received channels={bands}"):
                small_segmenter(inputs=inputs)(images)
    model = small_segmenter()
    model.compile()
    pairs = Pairs(from_arrays([np.zeros((8, 8, 4), np.uint8)]), crop=8, batch=1)
    with pytest.raises(InputError, match="of 3 channels; received channels=4"):
        model.fit(pairs, verbose=0)


def test_batches_that_are_not_pairs_are_refused():
    images = np.zeros((4, 8, 8, 3), np.float32)
    model = small_segmenter()
    model.compile()
    with pytest.raises(
        InputError, match=r"batches of pairs.*see iic_tf\.Pairs.*received EagerTensor"
    ):
        model.fit(images, verbose=0)
    batch = dict(noise_pairs()[0])
    del batch["flip"]
    with pytest.raises(InputError, match=r"received \['epoch', 'gx', 'number', 'scene', 'x'\]"):
        model.train_step(batch)
    with pytest.raises(InputError, match="batches of pairs"):
        model.test_step(images)


# --- training


def test_fit_tells_two_textures_apart():
    model = small_segmenter(width=0.1, radius=2, turns=("both",))
    model.compile(keras.optimizers.Adam(3e-3))
    held_out = Pairs(two_textures(seed=9), 16, 6, photometry=MILD)
    before = model.evaluate(held_out, return_dict=True, verbose=0)
    history = model.fit(Pairs(two_textures(), 16, 6, steps=4, photometry=MILD), epochs=6, verbose=0)
    after = model.evaluate(held_out, return_dict=True, verbose=0)
    assert history.history["loss"][-1] < history.history["loss"][0] - 0.1
    assert after["loss"] < before["loss"] - 0.1
    assert after["overclustering_loss"] < before["overclustering_loss"] - 0.1
    assert after["loss"] > -np.log(2)
    labels = model.predict(two_textures(seed=9).scenes[0].image[None] / 255, verbose=0).argmax(-1)
    left, right = labels[0, :, :4], labels[0, :, -4:]
    assert abs(left.mean() - right.mean()) > 0.8


@pytest.mark.parametrize("eagerly", [True, False])
def test_heads_are_trained_in_turns(eagerly):
    model = small_segmenter(turns=("overclustering", "main", "both"))
    model.compile(keras.optimizers.Adam(1e-3), run_eagerly=eagerly)
    pairs = noise_pairs(steps=1)
    for epoch in range(4):
        turn = ("overclustering", "main", "both")[epoch % 3]
        before = {name: weights(head) for name, head in model.heads.items()}
        trunk = weights(model.trunk)
        model.fit(pairs, epochs=1, verbose=0)
        assert not same(trunk, weights(model.trunk))
        for name, head in model.heads.items():
            assert same(before[name], weights(head)) == (turn not in (name, "both"))


def test_a_step_by_hand_equals_fit():
    pairs, again = noise_pairs(steps=2), noise_pairs(steps=2)
    by_hand, fitted = small_segmenter(sub_heads=2), small_segmenter(sub_heads=2)
    fitted.set_weights(by_hand.get_weights())
    for model in (by_hand, fitted):
        model.compile(keras.optimizers.SGD(0.1))
    losses = []
    for epoch in (0, 1):
        pairs.epoch = epoch
        by_hand.loss_meter.reset_state()
        for i in range(2):
            logs = by_hand.train_step(pairs[i])
        losses.append(float(logs["loss"]))
    history = fitted.fit(again, epochs=2, verbose=0)
    np.testing.assert_allclose(history.history["loss"], losses, atol=1e-6)
    for a, b in zip(by_hand.get_weights(), fitted.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-6)


@pytest.mark.parametrize(
    ("turn", "epoch", "radius", "masks"),
    [
        ("overclustering", 0, 1, False),
        ("main", 1, 1, True),
        ("main", 1, 3, False),
        ("both", 2, 3, True),
    ],
)
def test_the_training_loss_is_the_references(turn, epoch, radius, masks):
    model = small_segmenter(
        radius=radius, sub_heads=2, lamb=1.5, turns=("overclustering", "main", "both")
    )
    model.compile(keras.optimizers.SGD(0.0))
    batch = noise_pairs(masks=masks, epoch=epoch)[0]
    assert ("valid" in batch) == masks
    by_head = {}
    for head, lamb in (("main", 1.5), ("overclustering", 1.0)):
        maps = reference_maps(model, batch, head, training=True)
        by_head[head] = np.mean(
            [reference.segmentation_loss(p, q, radius, lamb, batch.get("valid")) for p, q in maps]
        )
    exact = np.mean(list(by_head.values())) if turn == "both" else by_head[turn]
    assert float(model.train_step(batch)["loss"]) == pytest.approx(exact, abs=2e-6)


def test_masks_change_the_loss_and_the_step():
    after = []
    for valid in (True, False):
        keras.utils.set_random_seed(0)
        model = small_segmenter()
        model.compile(keras.optimizers.SGD(0.1))
        batch = dict(noise_pairs(masks=True)[0])
        if not valid:
            del batch["valid"]
        after.append((float(model.train_step(batch)["loss"]), model.get_weights()))
    assert abs(after[0][0] - after[1][0]) > 1e-5
    assert not same(after[0][1], after[1][1])


def test_a_batch_without_a_valid_pixel_changes_no_weight():
    model = small_segmenter(turns=("both",), radius=3)
    model.compile(keras.optimizers.SGD(1.0))
    batch = noise_pairs(masks=True)[0]
    batch["valid"] = tf.zeros_like(batch["valid"])
    before = [v.numpy() for v in model.trainable_variables]
    assert float(model.train_step(batch)["loss"]) == 0
    assert same(before, [v.numpy() for v in model.trainable_variables])


def test_pairs_of_an_affine_geometry_train():
    model = small_segmenter(turns=("both",))
    model.compile(run_eagerly=True)
    pairs = noise_pairs(steps=1, geometry=Geometry(rotation=30, scale=(0.8, 1.2)))
    assert "affine" in pairs[0]
    before = weights(model.trunk)
    loss = logged(model.fit(pairs, verbose=0))["loss"]
    assert -np.log(3) < loss < 0
    assert not same(before, weights(model.trunk))


# --- evaluating and predicting


@pytest.mark.parametrize(("collapsed", "radius"), [(True, 1), (False, 3)])
def test_the_loss_of_a_set_is_that_of_its_summed_joints(collapsed, radius):
    model = small_segmenter(sub_heads=2, lamb=1.5, collapsed=collapsed, radius=radius)
    model.compile()
    pairs = noise_pairs(batch=5, masks=True)
    assert [len(pairs[i]["x"]) for i in range(len(pairs))] == [5, 5, 2]
    exact = {}
    for head, lamb in (("main", 1.5), ("overclustering", 1.0)):
        joints = 0
        for i in range(len(pairs)):
            maps = reference_maps(model, pairs[i], head, training=False)
            valid = pairs[i]["valid"]
            joints = joints + np.stack(
                [reference.displaced_joints(p, q, radius, valid) for p, q in maps]
            )
        exact[head] = np.mean([reference.loss_of_joints(j, lamb, collapsed) for j in joints])
    before = model.get_weights()
    for _ in range(2):  # evaluating leaves nothing behind
        held_out = noise_pairs(batch=5, masks=True)
        found = model.evaluate(held_out, return_dict=True, verbose=0)
        assert found["loss"] == pytest.approx(exact["main"], abs=2e-6)
        assert found["overclustering_loss"] == pytest.approx(exact["overclustering"], abs=2e-6)
    assert same(before, model.get_weights())


def test_validation_during_fit_names_both_losses():
    model = small_segmenter(turns=("main",))
    model.compile(run_eagerly=True)
    history = model.fit(noise_pairs(), validation_data=noise_pairs(seed=1), epochs=2, verbose=0)
    assert set(history.history) == {"loss", "val_loss", "val_overclustering_loss"}
    assert all(len(v) == 2 and np.isfinite(v).all() for v in history.history.values())


def test_a_window_larger_than_the_crops():
    model = small_segmenter(radius=9)
    model.compile(run_eagerly=True)
    loss = logged(model.fit(noise_pairs(), validation_data=noise_pairs(), verbose=0))
    assert np.isfinite(list(loss.values())).all()


@pytest.mark.parametrize("size", [(17, 11), (1, 9), (8, 8), (5, 1)])
def test_predict_at_any_size(size):
    model = small_segmenter(sub_heads=2)
    images = np.random.default_rng(0).uniform(size=(3, *size, 3)).astype(np.float32)
    maps = model.predict(images, batch_size=2, verbose=0)
    assert maps.shape == (3, *size, 2)
    np.testing.assert_allclose(maps.sum(axis=-1), 1, atol=1e-6)
    np.testing.assert_allclose(maps, model(images), atol=1e-6)


def test_the_chosen_sub_head_answers():
    model = small_segmenter(sub_heads=3)
    images = np.random.default_rng(0).uniform(size=(1, 8, 9, 3)).astype(np.float32)
    every = model.maps_of_images(images)
    for i in (2, 0, 1):
        model.chosen.assign(i)
        np.testing.assert_array_equal(model(images), every[i])
    assert np.abs(every[0].numpy() - every[1].numpy()).max() > 1e-3
