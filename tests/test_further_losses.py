"""Soft cut, smoothness and reconstruction: values by hand and by plain NumPy, and as losses."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from made_up import noise, noise_pairs, same, small_segmenter, two_textures, weights
from replica_models import freeze

from iic_tf.errors import InputError
from iic_tf.losses.neighbour_difference import neighbour_difference
from iic_tf.losses.soft_ncut import neighbours, soft_ncut
from iic_tf.models.further_losses import FurtherLosses
from iic_tf.models.iic_segmenter import IICSegmenter
from iic_tf.training.methods.iic import IICSegmentation
from iic_tf.views.pairs import Pairs

pytestmark = pytest.mark.usefixtures("_same_weights_each_time")

EVERY = {"ncut": 0.5, "smooth": 5.0, "reconstruction": 10.0}

# --- the soft normalised cut: 2×2 pixels, W by hand

IMAGE = np.array([[10.0, 12.0], [30.0, 31.0]])[None, ..., None] / 255
P = np.stack([[[0.9, 0.8], [0.2, 0.1]], [[0.1, 0.2], [0.8, 0.9]]], -1)[None]


def probabilities(*shape: int, seed: int = 0) -> Any:
    """`[..., K]`, float64."""
    x = np.exp(3 * np.random.default_rng(seed).normal(size=shape))
    return x / x.sum(-1, keepdims=True)


def matrix_of(image: Any, mask: Any, sigma_i: float, sigma_x: float, radius: float) -> Any:
    """W of all pixels by all pixels, a pair after the other."""
    height, width = image.shape[:2]
    places = [(y, x) for y in range(height) for x in range(width)]
    grey = 255 * image.mean(-1)
    w = np.zeros((len(places), len(places)))
    for i, a in enumerate(places):
        for j, b in enumerate(places):
            apart = (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2
            if apart < radius**2:
                colour = (grey[a] - grey[b]) ** 2
                w[i, j] = np.exp(-colour / sigma_i**2 - apart / sigma_x**2) * mask[a] * mask[b]
    return w


def reference_cut(p: Any, w: Any) -> float:
    flat = p.reshape(len(w), -1)
    return float(flat.shape[1] - sum((q @ w @ q) / (q @ w.sum(1)) for q in flat.T))


def cut_and_gradient(p: Any, *arguments: Any, **more: Any) -> tuple[Any, Any]:
    p = tf.constant(p)
    with tf.GradientTape() as tape:
        tape.watch(p)
        found = soft_ncut(p, *arguments, **more)
    return found.numpy(), tape.gradient(found, p).numpy()


def test_the_cut_of_four_pixels_and_its_gradient() -> None:
    found, gradient = cut_and_gradient(P, IMAGE)
    assert found[0] == pytest.approx(0.5307165453790086, abs=1e-9)
    first = [[-0.47110502, -0.46261874], [0.20022193, 0.20761277]]
    second = [[0.20630952, 0.19359428], [-0.46509394, -0.47030473]]
    np.testing.assert_allclose(gradient[0], np.stack([first, second], -1), atol=1e-6)
    near = soft_ncut(P, IMAGE, radius=1.2).numpy()
    assert near[0] == pytest.approx(0.52024981260237, abs=1e-9)


def test_hard_maps_have_the_normalised_cut() -> None:
    """Of rows: cut / volume of either, which is what leads out of them."""
    hard = np.zeros((1, 2, 2, 2))
    hard[0, 0, :, 0] = hard[0, 1, :, 1] = 1
    w = matrix_of(IMAGE[0], np.ones((2, 2)), 10, 4, 5)
    cut = w[:2, 2:].sum()
    classical = cut / w[:2].sum() + cut / w[2:].sum()
    assert classical == pytest.approx(0.04484677762284894, abs=1e-9)
    assert float(soft_ncut(hard, IMAGE)[0]) == pytest.approx(classical, abs=1e-9)


@pytest.mark.parametrize("masked", [False, True])
def test_the_cut_is_that_of_the_whole_matrix(masked: bool) -> None:
    rng = np.random.default_rng(1)
    p, images = probabilities(2, 7, 6, 3), rng.uniform(0, 0.2, (2, 7, 6, 4))
    mask = rng.choice([0.0, 0.25, 1.0], (2, 7, 6)) if masked else None
    settings = {"sigma_intensity": 12.0, "sigma_distance": 2.5, "radius": 3.0}
    found, gradient = cut_and_gradient(p, images, mask, **settings)
    ones = np.ones((2, 7, 6))
    w = [
        matrix_of(image, m, 12.0, 2.5, 3.0)
        for image, m in zip(images, ones if mask is None else mask, strict=True)
    ]
    np.testing.assert_allclose(found, [reference_cut(*one) for one in zip(p, w, strict=True)])
    # The gradient by differences.
    for place in ((0, 3, 2, 1), (1, 0, 5, 0), (1, 6, 0, 2)):
        up, down = p.copy(), p.copy()
        up[place] += 1e-5
        down[place] -= 1e-5
        b = place[0]
        slope = (reference_cut(up[b], w[b]) - reference_cut(down[b], w[b])) / 2e-5
        assert gradient[place] == pytest.approx(slope, abs=1e-7)


def test_probabilities_that_are_the_same_everywhere_cut_all_but_one() -> None:
    for p in ([0.2] * 5, [0.9, 0.1, 0, 0, 0]):
        even = np.tile(np.array(p), (2, 9, 4, 1))
        np.testing.assert_allclose(soft_ncut(even, noise(2, 9, 4, 3)), 4, atol=1e-6)


def test_images_without_a_pixel_that_counts_are_cut_wholly() -> None:
    p, images, mask = probabilities(1, 3, 4, 2), noise(1, 3, 4, 1), np.zeros((1, 3, 4))
    found, gradient = cut_and_gradient(p, images, mask)
    assert found[0] == 2
    assert not gradient.any()


def test_neighbours_are_nearer_than_the_radius() -> None:
    assert neighbours(0.5) == neighbours(1) == [(0, 0)]
    assert sorted(neighbours(1.2)) == [(-1, 0), (0, -1), (0, 0), (0, 1), (1, 0)]
    assert len(neighbours(5)) == 69


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((P, IMAGE[0]), "p .batch, height, width, clusters. and images"),
        ((P, IMAGE[:, :1]), "images .batch, height, width, bands.; received"),
        ((P[..., :1], IMAGE), "at least 2 clusters"),
        ((P, IMAGE, None, 0.0), "sigma_intensity > 0"),
        ((P, IMAGE, None, 1.0, -1.0), "sigma_distance > 0"),
        ((P, IMAGE, None, 1.0, 1.0, float("inf")), "radius > 0 and finite"),
    ],
)
def test_what_has_no_cut(arguments: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        soft_ncut(*arguments)


# --- differences of neighbours


def test_differences_by_hand() -> None:
    p = np.array([[[0.9, 0.1], [0.8, 0.2]], [[0.3, 0.7], [0.2, 0.8]]])[None]
    assert float(neighbour_difference(p)) == pytest.approx(0.36 + 0.01)
    # Of the lower left pixel none.
    mask = np.array([[[1, 1], [0, 1]]])
    assert float(neighbour_difference(p, mask)) == pytest.approx(0.36 + 0.01)
    p[0, 1, 0] = [0.0, 1.0]
    assert float(neighbour_difference(p, mask)) == pytest.approx(0.36 + 0.01)
    assert float(neighbour_difference(p)) == pytest.approx((0.36 + 0.81) / 2 + (0.01 + 0.04) / 2)
    # A pair counts by the product of its pixels.
    half = np.array([[[1, 0.5], [0.5, 1]]])
    weighed = (0.5 * 0.81 + 0.5 * 0.36) / 1 + (0.5 * 0.01 + 0.5 * 0.04) / 1
    assert float(neighbour_difference(p, half)) == pytest.approx(weighed)


def test_single_pixels_have_no_neighbours() -> None:
    assert float(neighbour_difference(probabilities(2, 1, 1, 3))) == 0
    with pytest.raises(InputError, match=r"probabilities \[batch, height, width, clusters\]"):
        neighbour_difference(np.zeros((2, 2, 2)))


# --- as losses of the model


def expected_further(model: IICSegmenter, batch: Any, head: str) -> float:
    """The weighted losses of a head by plain NumPy."""
    x, valid = batch["x"].numpy(), batch["valid"].numpy()
    both = tf.concat([batch["x"], batch["gx"]], 0)
    cuts, smooth, errors = [], [], []
    for i, maps in enumerate(model.maps(both, head, True)):
        p = maps[: len(x)].numpy().astype(np.float64)
        for image, own, m in zip(x, p, valid, strict=True):
            if m.any():
                w = matrix_of(image, m, 10, 4, 5)
                cuts.append(reference_cut(own, w) / (p.shape[-1] - 1))
        down, across = valid[:, 1:] * valid[:, :-1], valid[:, :, 1:] * valid[:, :, :-1]
        squares = np.diff(p, axis=1) ** 2, np.diff(p, axis=2) ** 2
        smooth.append(
            np.sum(down[..., None] * squares[0]) / (down.sum() * p.shape[-1])
            + np.sum(across[..., None] * squares[1]) / (across.sum() * p.shape[-1])
        )
        painted = model.decoders[head][i](maps[: len(x)]).numpy()
        errors.append(((painted - x) ** 2)[valid > 0].mean())
    return float(
        model.ncut * np.mean(cuts)
        + model.smooth * np.mean(smooth)
        + model.reconstruction * np.mean(errors)
    )


def test_the_losses_are_added_to_the_information_of_each_head() -> None:
    turns = ("main", "both")
    model = small_segmenter(sub_heads=2, turns=turns, **EVERY)
    plain = small_segmenter(sub_heads=2, turns=turns)
    plain.trunk.set_weights(model.trunk.get_weights())
    for head, own in plain.heads.items():
        own.set_weights(model.heads[head].get_weights())
    for one in (model, plain):
        one.compile(keras.optimizers.SGD(0.0))
    for epoch, heads in ((0, ["main"]), (1, ["main", "overclustering"])):
        batch = dict(noise_pairs(masks=True, epoch=epoch)[0])
        batch["valid"] = tf.concat([batch["valid"][:2], tf.zeros_like(batch["valid"][:1])], 0)
        for one in (model, plain):
            one.loss_meter.reset_state()
        exact = np.mean([expected_further(model, batch, head) for head in heads])
        added = float(model.train_step(batch)["loss"]) - float(plain.train_step(batch)["loss"])
        assert added == pytest.approx(exact, rel=2e-5)
        assert exact > 0.1


def test_every_option_trains_with_decoders_in_their_turns() -> None:
    model = small_segmenter(sub_heads=2, turns=("overclustering", "main"), **EVERY)
    model.compile(keras.optimizers.Adam(1e-2), run_eagerly=True)
    pairs = noise_pairs(masks=True, steps=1)
    for turn, other in (("overclustering", "main"), ("main", "overclustering")):
        before = {head: [weights(d) for d in own] for head, own in model.decoders.items()}
        history = model.fit(pairs, epochs=1, verbose=0)
        assert np.isfinite(history.history["loss"]).all()
        for old, decoder in zip(before[turn], model.decoders[turn], strict=True):
            moved = [np.abs(a - b).max() for a, b in zip(old, weights(decoder), strict=True)]
            assert min(moved) > 1e-4
        for old, decoder in zip(before[other], model.decoders[other], strict=True):
            assert same(old, weights(decoder))
    assert list(model.parts()) == [
        *("trunk", "main", "overclustering", "main_decoder", "overclustering_decoder")
    ]


def test_decoders_learn_to_paint() -> None:
    model = small_segmenter(radius=1, turns=("both",), reconstruction=10.0)
    model.compile(keras.optimizers.Adam(1e-2))
    history = model.fit(Pairs(two_textures(), 16, 6, steps=4), epochs=6, verbose=0)
    assert history.history["loss"][-1] < history.history["loss"][0] - 0.5
    # And what is evaluated is the information alone.
    assert -np.log(2) <= model.evaluate(Pairs(two_textures(), 16, 6), verbose=0)[0] <= 0


def stepped(batch: dict[str, Any], micro_batches: int) -> tuple[float, list[Any]]:
    keras.utils.set_random_seed(1)
    model = small_segmenter(turns=("both",), **EVERY)
    freeze(model, batch)
    model.compile(keras.optimizers.SGD(0.02), micro_batches=micro_batches)
    logs = model.train_step({name: tf.constant(value) for name, value in batch.items()})
    return float(logs["loss"]), model.get_weights()


def test_parts_of_a_batch_equal_the_whole() -> None:
    """Images without a valid pixel count nowhere, also where they fill a part."""
    batch = {k: v.numpy() for k, v in noise_pairs(batch=4, masks=True)[0].items()}
    batch["valid"][2:] = 0
    batch["valid"][1, 3:] = 0
    (loss, whole), (in_parts, parts) = stepped(batch, 1), stepped(batch, 2)
    np.testing.assert_allclose(in_parts, loss, atol=2e-6)
    for a, b in zip(parts, whole, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_saved_with_decoders(tmp_path: Any) -> None:
    model = small_segmenter(**EVERY)
    model.compile(run_eagerly=True)
    model.fit(noise_pairs(steps=1), verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.get_config() == model.get_config()
    assert same(model.get_weights(), again.get_weights())
    assert again.ncut == 0.5
    assert sorted(again.other_optimizers) == sorted(model.other_optimizers)


@pytest.mark.parametrize("name", ["ncut", "smooth", "reconstruction"])
@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf")])
def test_wrong_weights(name: str, value: float) -> None:
    with pytest.raises(InputError, match=f"{name} >= 0 and finite"):
        small_segmenter(**{name: value})
    with pytest.raises(InputError, match=name):
        IICSegmentation(**{name: value})


def test_none_unless_asked_for() -> None:
    assert not FurtherLosses().any
    model = small_segmenter()
    assert model.further_in("both") == ()
    assert list(model.parts()) == ["trunk", "main", "overclustering"]
    recipe = IICSegmentation(ncut="5e-1", reconstruction=2, whitening="patches")
    model = recipe.replaced(width=0.05).build(4)
    assert (model.ncut, model.smooth, model.reconstruction) == (0.5, 0, 2)
    assert model.whitening == "patches"
    assert "ncut 0.5, reconstruction 2, whitened patches" in recipe.describe_model()
