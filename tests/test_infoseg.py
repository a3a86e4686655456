"""InfoSeg as Keras trains it."""

import functools

import keras
import made_up
import numpy as np
import pytest
import reference
import tensorflow as tf
from made_up import same, small_infoseg, two_textures

from iic_tf.errors import InputError
from iic_tf.losses.infoseg import infoseg_loss
from iic_tf.models.infoseg import InfoSeg
from iic_tf.views.geometry import Geometry, flip, unflip
from iic_tf.views.pairs import Pairs
from iic_tf.views.photometry import Photometry

LOWEST = -2 * np.log(2)
EVERY_OBJECTIVE = [("jsd", "soft"), ("jsd", "hard"), ("dv", "soft"), ("dv", "hard")]


noise_pairs = functools.partial(made_up.noise_pairs, crop=10, size=(20, 30))
pytestmark = pytest.mark.usefixtures("_same_weights_each_time")


def reference_pairs(model, batch, training):
    """The (T, weight) of a batch by nested loops, from the model's features."""
    local, image = (f.numpy() for f in model.local_and_global(batch["x"], training))
    mask = reference.box_means(batch["valid"].numpy(), 4) if "valid" in batch else None
    return reference.infoseg_scores(local, image, model.tau, model.assignment, mask)


def test_defaults_are_the_papers():
    model = InfoSeg(3, 4)
    config = model.get_config()
    assert [config[name] for name in ("features", "tau", "objective", "assignment")] == [
        *(1024, 0.8, "jsd", "soft"),
    ]
    model.compile()
    assert isinstance(model.optimizer, keras.optimizers.Adam)
    assert float(model.optimizer.learning_rate) == pytest.approx(1e-4)
    assert model.trunk.stride == 4
    assert (model.clusters, set(model.meters), set(model.parts())) == (
        *({"main": 3}, {"main"}, {"network"}),
    )


def test_a_model_is_made_again_from_its_config():
    arguments = {
        "classes": 3,
        "channels": 4,
        "width": 0.07,
        "features": 9,
        "tau": 0.5,
        "inputs": "bands+sobel",
        "objective": "iic",
        "assignment": "hard",
        "paired": True,
        "elsewhere": True,
        "centred": True,
        "image_scale": 0.3,
        "radius": 2,
        "lamb": 1.5,
        "collapsed": True,
    }
    model = InfoSeg(**arguments, name="mine")
    config = model.get_config()
    assert {name: config[name] for name in arguments} == arguments
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(model))
    assert again.get_config() == config
    assert [w.shape for w in again.weights] == [w.shape for w in model.weights]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"classes": 1}, "at least 2 clusters in a head; received clusters=1"),
        ({"channels": 0}, "at least 1 channel; received channels=0"),
        ({"width": 0}, "width > 0"),
        ({"features": 0}, "at least 1 feature; received features=0"),
        ({"tau": 0}, "tau > 0 and finite; received tau=0"),
        ({"tau": float("inf")}, "tau > 0 and finite"),
        ({"inputs": "hsv"}, "bands, bands.sobel, sobel; received inputs='hsv'"),
        ({"objective": "nce"}, "one of jsd, dv, iic; received objective='nce'"),
        ({"assignment": "firm"}, "one of soft, hard; received assignment='firm'"),
        ({"image_scale": 0.0}, "image_scale > 0 and finite; received image_scale=0.0"),
        ({"lamb": -1.0}, "lamb >= 0"),
        ({"radius": -1}, "radius >= 0; received radius=-1"),
    ],
)
def test_construction_messages(wrong, message):
    with pytest.raises(InputError, match=message):
        InfoSeg(**{"classes": 2, "channels": 3, "width": 0.05, "features": 4, **wrong})


def test_bounds():
    assert small_infoseg().bound("main") == pytest.approx(LOWEST)
    assert small_infoseg(objective="dv").bound("main") == -np.inf
    assert small_infoseg(3, objective="iic").bound("main") == pytest.approx(-np.log(3))
    twice = small_infoseg(3, objective="iic", lamb=1.5).bound("main")
    assert twice == pytest.approx(-2 * np.log(3))


@pytest.mark.parametrize("masks", [False, True])
@pytest.mark.parametrize(("objective", "assignment"), EVERY_OBJECTIVE)
def test_the_training_loss_is_the_references(objective, assignment, masks):
    model = small_infoseg(objective=objective, assignment=assignment)
    model.compile(keras.optimizers.SGD(0.0))
    batch = noise_pairs(masks=masks)[0]
    assert ("valid" in batch) == masks
    exact = reference.infoseg_loss_of_scores(*reference_pairs(model, batch, True), objective)
    assert abs(exact) > 1e-4
    assert float(model.train_step(batch)["loss"]) == pytest.approx(exact, abs=2e-6)


@pytest.mark.parametrize("ours", [{}, {"centred": True}, {"elsewhere": True}])
@pytest.mark.parametrize(("radius", "masks"), [(0, False), (0, True), (4, False), (4, True)])
@pytest.mark.parametrize(("objective", "assignment"), EVERY_OBJECTIVE)
def test_the_paired_loss_is_the_references(objective, assignment, radius, masks, ours):
    options = {"objective": objective, "assignment": assignment, "radius": radius, **ours}
    model = small_infoseg(3, paired=True, **options)
    model.compile()
    geometry = Geometry(0.5, quarter_turns=True)
    batch = noise_pairs(crop=16, batch=4, masks=masks, size=(32, 32), geometry=geometry)[0]
    signs = batch["flip"].numpy()
    assert (signs != np.eye(2)).any(axis=(1, 2)).any()
    both = model.local_and_global(np.concatenate([batch["x"], batch["gx"]]), training=True)
    (local, of_gx), (image, image_gx) = (np.split(f.numpy(), 2) for f in both)
    mask = reference.box_means(batch["valid"].numpy(), 4) if masks else np.ones((4, 4, 4))
    back = unflip(reference.infoseg_probabilities(of_gx, image_gx), signs).numpy()
    there = flip(reference.infoseg_probabilities(local, image), signs).numpy()
    scored = functools.partial(
        reference.infoseg_displaced_scores,
        assignment=assignment,
        reach=radius // 4,
        elsewhere=model.elsewhere,
    )
    of_x = scored(local, image_gx, back, mask=mask)
    of_copy = scored(of_gx, image, there, mask=flip(mask[..., None], signs).numpy()[..., 0])
    pairs = [a + b for a, b in zip(of_x, of_copy, strict=True)]
    exact = reference.infoseg_loss_of_scores(*pairs, objective)
    assert float(model.train_step(batch)["loss"]) == pytest.approx(exact, abs=2e-5)


def test_a_paired_cell_outside_the_copy_takes_no_part():
    model = small_infoseg(2, paired=True, radius=0)
    batch = noise_pairs(crop=16, geometry=Geometry(rotation=40))[0]
    joints = model.sums(batch, ("main",), training=False)["main"].numpy()
    cells, weight = 2 * 3 * 4 * 4, joints[1]
    assert 0.5 * cells < weight < cells - 1


def test_paired_crops_are_whole_cells():
    model = small_infoseg(2, paired=True)
    model.compile()
    with pytest.raises(InputError, match=r"a multiple of 4 pixels.*received crop=\(10, 10\)"):
        model.train_step(noise_pairs(crop=10)[0])


@pytest.mark.parametrize("geometry", [Geometry(0.5), Geometry(rotation=30)])
def test_the_iic_objective_is_the_references(geometry):
    model = small_infoseg(objective="iic", radius=2, lamb=1.5)
    model.compile(keras.optimizers.SGD(0.0))
    batch = noise_pairs(masks=True, geometry=geometry)[0]
    views = np.concatenate([batch["x"], batch["gx"]])
    p, q = np.split(model.maps(views, "main", True)[0].numpy(), 2)
    if "flip" in batch:
        mirrored = batch["flip"].numpy()[:, 0, 0] < 0
        q = np.where(mirrored[:, None, None, None], q[:, :, ::-1], q)
    else:
        from iic_tf.views.geometry import undo

        q = undo(tf.constant(q), batch).numpy()
    exact = reference.segmentation_loss(p, q, 2, 1.5, batch["valid"])
    assert float(model.train_step(batch)["loss"]) == pytest.approx(exact, abs=2e-6)


@pytest.mark.parametrize(("objective", "assignment"), EVERY_OBJECTIVE)
def test_a_step_follows_the_gradient_of_the_loss(objective, assignment):
    model = small_infoseg(objective=objective, assignment=assignment)
    model.compile(keras.optimizers.SGD(0.5))
    batch = noise_pairs()[0]
    with tf.GradientTape() as tape:
        local, image = model.local_and_global(batch["x"], training=True)
        loss = infoseg_loss(local, image, 0.8, objective, assignment)
    variables = [v.value for v in model.trainable_variables]
    slopes = tape.gradient(loss, variables)
    before = [v.numpy() for v in model.trainable_variables]
    model.train_step(batch)
    for old, slope, new in zip(before, slopes, model.trainable_variables, strict=True):
        np.testing.assert_allclose(new, old - 0.5 * slope.numpy(), atol=2e-6)
    assert max(float(tf.reduce_max(tf.abs(s))) for s in slopes) > 1e-3


@pytest.mark.parametrize("objective", ["jsd", "dv"])
def test_the_loss_of_a_set_is_that_of_all_its_pairs(objective):
    model = small_infoseg(objective=objective, tau=0.1)
    model.compile(keras.optimizers.Adam(1e-3))
    model.fit(noise_pairs(steps=10), epochs=2, verbose=0)
    held_out = noise_pairs(batch=5, masks=True)
    assert [len(held_out[i]["x"]) for i in range(len(held_out))] == [5, 5, 2]
    same_pairs, other = [], []
    for i in range(len(held_out)):
        found = reference_pairs(model, held_out[i], training=False)
        same_pairs += found[0]
        other += found[1]
    exact = reference.infoseg_loss_of_scores(same_pairs, other, objective)
    before = model.get_weights()
    for _ in range(2):  # evaluating leaves nothing behind
        again = noise_pairs(batch=5, masks=True)
        found = model.evaluate(again, return_dict=True, verbose=0)
        assert set(found) == {"loss"}
        assert found["loss"] == pytest.approx(exact, abs=2e-6)
    assert same(before, model.get_weights())


def test_shares_are_the_mean_probabilities_of_valid_cells():
    model = small_infoseg(3)
    model.compile()
    model.evaluate(noise_pairs(masks=True, steps=2), verbose=0)
    held_out = noise_pairs(masks=True, steps=2)
    total = 0
    for i in range(2):
        local, image = (f.numpy() for f in model.local_and_global(held_out[i]["x"]))
        mask = reference.box_means(held_out[i]["valid"].numpy(), 4)
        total = total + np.einsum(
            "nij,nijk->k", mask, reference.infoseg_probabilities(local, image)
        )
    (found,) = model.meters["main"].shares()
    np.testing.assert_allclose(found, total / total.sum(), atol=1e-6)
    assert len(model.meters["main"].losses()) == 1


def test_pixels_of_no_class_are_left_out_of_the_step():
    after = []
    for valid in (True, False):
        keras.utils.set_random_seed(0)
        model = small_infoseg()
        model.compile(keras.optimizers.SGD(1.0))
        batch = dict(noise_pairs(masks=True)[0])
        if not valid:
            batch["valid"] = tf.zeros_like(batch["valid"])
        before = [v.numpy() for v in model.trainable_variables]
        loss = float(model.train_step(batch)["loss"])
        after.append((loss, same(before, [v.numpy() for v in model.trainable_variables])))
    assert after[0][0] != 0
    assert not after[0][1]
    assert after[1] == (0, True)


def test_a_batch_of_one_image_is_refused():
    wanted = "at least 2 images in a batch, to pair with one another; received batch=1"
    model = small_infoseg()
    model.compile()
    one = noise_pairs(batch=1)
    for attempt in (
        lambda: model.fit(one, verbose=0),
        lambda: model.evaluate(one, verbose=0),
        lambda: model.fit(one.dataset(0, 2), verbose=0),
        lambda: model.evaluate(one.dataset(0, 2), verbose=0),
        lambda: model.train_step(one[0]),
        lambda: model.test_step(one[0]),
    ):
        with pytest.raises(InputError, match=wanted):
            attempt()
    model.compile(micro_batches=2)
    with pytest.raises(
        InputError, match="and so 4 for 2 replicas and micro-batches; received batch=2"
    ):
        model.fit(noise_pairs(batch=2), verbose=0)
    # Two views of one image are all that the other objective wants.
    model = small_infoseg(objective="iic", radius=1)
    model.compile()
    assert np.isfinite(model.fit(noise_pairs(batch=1, steps=1), verbose=0).history["loss"]).all()


def test_batches_that_are_not_pairs_are_refused():
    model = small_infoseg()
    model.compile()
    with pytest.raises(InputError, match=r"batches of pairs.*see iic_tf\.Pairs"):
        model.fit(np.zeros((4, 8, 8, 3), np.float32), verbose=0)
    with pytest.raises(InputError, match="of 3 channels; received channels=4"):
        model(np.zeros((1, 8, 8, 4), np.float32))


@pytest.mark.parametrize("objective", ["jsd", "dv", "iic"])
def test_training_can_be_had_again(objective):
    """No draw is made but from the data's seed: there is no other state."""
    results = []
    keras.utils.set_random_seed(0)
    model = small_infoseg(objective=objective, radius=1)
    # Whose state is its weights.
    model.compile(keras.optimizers.SGD(1e-2))
    begun = model.get_weights()
    for _ in range(2):
        model.set_weights(begun)
        keras.utils.set_random_seed(len(results))
        history = model.fit(noise_pairs(steps=2), epochs=2, verbose=0)
        results.append((history.history["loss"], model.get_weights()))
    moved = [np.abs(a - b).max() for a, b in zip(begun, results[0][1], strict=True)]
    assert max(moved) > 1e-3
    assert results[0][0] == pytest.approx(results[1][0], abs=1e-6)
    for a, b in zip(results[0][1], results[1][1], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.parametrize("objective", ["jsd", "dv"])
def test_micro_batches_pair_images_within_each(objective):
    keras.utils.set_random_seed(0)
    model = small_infoseg(objective=objective)
    model.compile(keras.optimizers.SGD(0.0), micro_batches=2)
    batch = noise_pairs(batch=6)[0]
    halves = [{k: v[part] for k, v in batch.items()} for part in (slice(3), slice(3, None))]
    same_pairs, other = [], []
    for half in halves:
        found = reference_pairs(model, half, True)
        same_pairs += found[0]
        other += found[1]
    exact = reference.infoseg_loss_of_scores(same_pairs, other, objective)
    assert float(model.train_step(batch)["loss"]) == pytest.approx(exact, abs=2e-6)


@pytest.mark.parametrize("objective", ["jsd", "dv"])
def test_fit_learns_what_images_have_in_common_with_themselves(objective):
    model = small_infoseg(width=0.1, features=16, objective=objective)
    # DV has no lowest value: at 1e-3 rounding alone decides where its held-out loss ends. So it
    # takes small steps and is judged where it trains.
    model.compile(keras.optimizers.Adam(3e-4 if objective == "dv" else 3e-3))
    mild = Photometry(0.05, 0.05, 0.05, 0)
    scenes = two_textures(8, tinted=True)
    held_out = Pairs(scenes, 24, 8, photometry=mild)
    before = model.evaluate(held_out, return_dict=True, verbose=0)["loss"]
    fit = model.fit(Pairs(scenes, 24, 8, steps=20, photometry=mild), epochs=8, verbose=0)
    after = model.evaluate(held_out, return_dict=True, verbose=0)["loss"]
    if objective == "dv":
        before, after = fit.history["loss"][0], fit.history["loss"][-1]
    assert after < min(before, 0) - 0.2
    assert after > model.bound("main")
