"""InfoSeg: its objective against nested loops, its network, the model as Keras trains it."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf

from iic_tf.data.array_scene import from_arrays
from iic_tf.errors import InputError
from iic_tf.losses import infoseg_loss
from iic_tf.losses.infoseg import class_probabilities, loss_of_sums, pair_sums
from iic_tf.models.infoseg import InfoSeg
from iic_tf.models.segmenter import Segmenter
from iic_tf.networks.local_global_head import LocalGlobalHead
from iic_tf.networks.patch_network import PatchNetwork
from iic_tf.views.geometry import Geometry, flip, unflip
from iic_tf.views.pairs import Pairs
from iic_tf.views.photometry import Photometry

LOWEST = -2 * np.log(2)
EVERY_OBJECTIVE = [("jsd", "soft"), ("jsd", "hard"), ("dv", "soft"), ("dv", "hard")]


@pytest.fixture(autouse=True)
def _same_weights_each_time():
    keras.utils.set_random_seed(0)


@pytest.fixture
def _precision(request):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(request.param)
    yield
    keras.config.set_dtype_policy(before)


def features(batch=3, height=2, width=3, classes=4, dimensions=5, seed=0, dtype=np.float64):
    """L and H of a size at which scores are about 1."""
    rng = np.random.default_rng(seed)
    local = rng.normal(size=(batch, height, width, dimensions)) * dimensions**-0.25
    image = rng.normal(size=(batch, classes, dimensions)) * dimensions**-0.25
    return local.astype(dtype), image.astype(dtype)


def shares(seed=0):
    """A mask of `features`: shares, zeros and ones."""
    mask = np.random.default_rng(seed).uniform(size=(3, 2, 3))
    mask[0, 0] = 0
    mask[1, 1] = 1
    return mask


def gradients(function, *arguments):
    arguments = [tf.constant(a) for a in arguments]
    with tf.GradientTape() as tape:
        tape.watch(arguments)
        loss = function(*arguments)
    return loss, [g.numpy() for g in tape.gradient(loss, arguments)]


# --- the objective


@pytest.mark.parametrize("mask", [None, shares()])
@pytest.mark.parametrize(("estimator", "assignment"), EVERY_OBJECTIVE)
def test_the_loss_is_the_references(estimator, assignment, mask):
    for seed, tau in ((0, 0.8), (1, 3.0)):
        local, image = features(seed=seed)
        exact = reference.infoseg_loss(local, image, tau, estimator, assignment, mask)
        assert abs(exact) > 1e-2
        found = infoseg_loss(local, image, tau, estimator, assignment, mask)
        assert found.dtype == tf.float64
        assert float(found) == pytest.approx(exact, abs=1e-12)
        single = infoseg_loss(
            np.float32(local), np.float32(image), tau, estimator, assignment, mask
        )
        assert single.dtype == tf.float32
        assert float(single) == pytest.approx(exact, abs=2e-6)


@pytest.mark.parametrize("mask", [None, shares()])
@pytest.mark.parametrize(("estimator", "assignment"), EVERY_OBJECTIVE)
def test_gradients_are_the_references(estimator, assignment, mask):
    local, image = features()

    def exact(local, image):
        return reference.infoseg_loss(local, image, 0.8, estimator, assignment, mask)

    slopes = [
        reference.numerical_gradient(lambda x: exact(x, image), local),
        reference.numerical_gradient(lambda x: exact(local, x), image),
    ]
    for dtype, tolerance in ((np.float64, 1e-8), (np.float32, 2e-6)):
        _, found = gradients(
            lambda a, b: infoseg_loss(a, b, 0.8, estimator, assignment, mask),
            local.astype(dtype),
            image.astype(dtype),
        )
        for mine, theirs in zip(found, slopes, strict=True):
            assert np.abs(theirs).max() > 1e-3
            np.testing.assert_allclose(mine, theirs, atol=tolerance)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("elsewhere", [False, True])
@pytest.mark.parametrize(("estimator", "assignment"), EVERY_OBJECTIVE)
def test_displaced_sums_are_the_references(estimator, assignment, elsewhere, masked):
    local, image = features(height=5, width=6)
    of_others, _ = features(height=5, width=6, seed=7)
    mask = np.random.default_rng(3).integers(0, 3, (3, 5, 6)) / 2 if masked else None
    probabilities = reference.infoseg_probabilities(of_others, image, 1.5)
    losses = []
    for reach in (0, 1, 2):
        arguments = (local, image, probabilities)
        pairs = reference.infoseg_displaced_scores(
            *arguments, assignment, mask, reach, elsewhere=elsewhere
        )
        exact = reference.infoseg_loss_of_scores(*pairs, estimator)
        sums = pair_sums(*arguments, estimator, assignment, mask, reach, elsewhere)
        assert float(loss_of_sums(sums, estimator)) == pytest.approx(exact, abs=1e-12)
        losses.append(exact)
    assert len(set(np.round(losses, 6))) == 3


def test_elsewhere_meets_what_is_common_to_a_place():
    """Above all images are of class 0, below of class 1: of the same place nothing is told."""
    local = np.zeros((4, 4, 4, 2))
    local[:, :2, :, 0] = local[:, 2:, :, 1] = 1
    image = np.tile(4 * np.eye(2), (4, 1, 1))
    probabilities = class_probabilities(local, image, 3.0)
    found = [
        float(loss_of_sums(pair_sums(local, image, probabilities, elsewhere=elsewhere)))
        for elsewhere in (False, True)
    ]
    told, untold = np.log1p(np.exp(-4)), np.log1p(np.exp(4))
    exact = [told + untold + LOWEST, told + np.log(2) + LOWEST]
    np.testing.assert_allclose(found, exact, atol=1e-3)


def test_a_reach_is_not_negative():
    with pytest.raises(InputError, match="reach >= 0; received reach=-1"):
        pair_sums(*features(), np.ones((3, 2, 3, 4)) / 4, reach=-1)


def test_probabilities_are_the_references():
    local, image = features(seed=2)
    found = class_probabilities(local, image, 1.7).numpy()
    np.testing.assert_allclose(
        found, reference.infoseg_probabilities(local, image, 1.7), atol=1e-12
    )
    # A larger τ is surer of the same classes.
    surer = class_probabilities(local, image, 17.0).numpy()
    np.testing.assert_array_equal(surer.argmax(-1), found.argmax(-1))
    assert (surer.max(-1) > found.max(-1)).all()


@pytest.mark.parametrize("estimator", ["jsd", "dv"])
def test_losses_of_collapsed_and_of_perfect_features(estimator):
    local, image = features()
    for nothing in (np.zeros_like(local), local):
        silent = infoseg_loss(nothing, np.zeros_like(image), estimator=estimator)
        assert float(silent) == pytest.approx(0, abs=1e-12)
    # All images alike: nothing tells one from another, whatever their features are.
    alike = [np.repeat(f[:1], 3, axis=0) for f in features(seed=4)]
    assert float(infoseg_loss(*alike, estimator=estimator)) >= 0
    # One class that explains everything of its own image only.
    own = 30.0 * np.eye(3)
    local = np.broadcast_to(own[:, None, None], (3, 2, 2, 3))
    image = np.broadcast_to(own[:, None], (3, 4, 3))
    best = float(infoseg_loss(local, image, estimator=estimator))
    worst = float(infoseg_loss(local, np.roll(image, 1, axis=0), estimator=estimator))
    assert worst > 100
    if estimator == "jsd":
        # Scores of 0 between different images are no better than chance.
        assert best == pytest.approx(-np.log(2))
        apart = np.stack([own[0], own[0] * -1, own[0]])[:2]
        local, image = apart[:, None, None], np.repeat(apart[:, None], 2, axis=1)
        assert float(infoseg_loss(local, image)) == pytest.approx(LOWEST, abs=1e-12)
    else:
        assert best == pytest.approx(-900)


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_what_classes_alone_reach(classes):
    """Global features that are the same in all images: docs/infoseg.md, With few images."""
    # Each cell is of one class; in two images all pairs of classes meet once.
    a, b = np.mgrid[:classes, :classes]
    local = np.eye(classes)[np.stack([a, b])]

    def loss(own, another):
        image = np.where(np.eye(classes) > 0, own, another)
        return float(infoseg_loss(local, np.stack([image, image])))

    best = loss(np.log(classes), -60.0)
    exact = np.log1p(1 / classes) + np.log1p(classes) / classes - 2 * np.log(2)
    assert best == pytest.approx(exact, abs=1e-9)
    for own, another in ((np.log(classes) + 0.1, -60.0), (np.log(classes) - 0.1, -60.0), (1, -3)):
        assert loss(own, another) > best


def test_jsd_stays_above_its_bound():
    for seed in range(50):
        scale = 10.0 ** np.random.default_rng(seed).uniform(-2, 2)
        local, image = features(seed=seed)
        assert float(infoseg_loss(local * scale, image)) > LOWEST


@pytest.mark.parametrize(("estimator", "assignment"), EVERY_OBJECTIVE)
def test_order_of_classes_places_and_dimensions_does_not_matter(estimator, assignment):
    local, image = features(classes=5)
    loss = float(infoseg_loss(local, image, 0.8, estimator, assignment))
    rng = np.random.default_rng(0)
    classes, dimensions = rng.permutation(5), rng.permutation(5)
    for other in (
        (local, image[:, classes]),
        (local[:, ::-1], image),
        (local[..., dimensions], image[..., dimensions]),
        (np.roll(local, 1, axis=0), np.roll(image, 1, axis=0)),
    ):
        again = float(infoseg_loss(*other, 0.8, estimator, assignment))
        assert again == pytest.approx(loss, abs=1e-12)
    assert float(infoseg_loss(local, image[::-1], 0.8, estimator, assignment)) != pytest.approx(
        loss, abs=1e-3
    )


@pytest.mark.parametrize("batch", [2, 3, 4, 7])
def test_an_image_is_never_paired_with_itself(batch):
    # Features of an image are its own direction: any score of one with itself is 9.
    own = 3 * np.eye(batch)
    local = np.broadcast_to(own[:, None, None], (batch, 2, 3, batch))
    image = np.broadcast_to(own[:, None], (batch, 2, batch))
    places = 6 * batch
    sums = pair_sums(local, image, class_probabilities(local, image), "jsd").numpy()
    expected = [places * np.log1p(np.exp(-9.0)), places, places, places * np.log(2)]
    np.testing.assert_allclose(sums, expected, rtol=1e-12)


@pytest.mark.parametrize("batch", [2, 3, 4, 7])
def test_every_image_is_the_partner_of_one_other(batch):
    # Scores say which image's global features were taken.
    local = np.ones((batch, 1, 1, 1))
    image = np.broadcast_to(np.arange(batch, dtype=np.float64)[:, None, None], (batch, 2, 1))
    sums = pair_sums(local, image, class_probabilities(local, image), "dv").numpy()
    assert sums[3:].sum() == pytest.approx(np.exp(np.arange(batch)).sum(), rel=1e-12)


def graph_of(batch):
    """Forward and backward, every size but the batch's fixed."""

    def step(local, image):
        with tf.GradientTape() as tape:
            tape.watch([local, image])
            loss = infoseg_loss(local, image)
        return tape.gradient(loss, [local, image])

    specs = [tf.TensorSpec((batch, 4, 5, 6)), tf.TensorSpec((batch, 3, 6))]
    return tf.function(step).get_concrete_function(*specs).graph


def test_memory_grows_with_the_batch_never_with_its_square():
    sizes = []
    for batch in (11, 22):
        tensors = [t for op in graph_of(batch).get_operations() for t in op.outputs]
        shapes = [tuple(t.shape) for t in tensors if t.shape.rank is not None]
        assert not [s for s in shapes if sum(side is not None and side % 11 == 0 for side in s) > 1]
        sizes.append(sum(np.prod(s) for s in shapes if None not in s))
    assert sizes[0] < sizes[1] <= 2 * sizes[0]


@pytest.mark.parametrize("estimator", ["jsd", "dv"])
def test_nothing_that_takes_part_is_zero_with_zero_gradients(estimator):
    for mask in (np.zeros((3, 2, 3)), np.eye(3)[:, None, :].repeat(2, 1)):
        # The second has valid places, but no pair of images has one in common.
        loss, found = gradients(
            lambda a, b, mask=mask: infoseg_loss(a, b, estimator=estimator, mask=mask), *features()
        )
        assert float(loss) == 0
        assert not any(g.any() for g in found)


def test_sums_of_batches_are_those_of_all_their_pairs():
    parts = [features(seed=s) for s in (0, 1)]
    for estimator in ("jsd", "dv"):
        sums = sum(pair_sums(*p, class_probabilities(*p), estimator) for p in parts)
        found = [reference.infoseg_scores(*p) for p in parts]
        same, other = (found[0][i] + found[1][i] for i in range(2))
        exact = reference.infoseg_loss_of_scores(same, other, estimator)
        assert float(loss_of_sums(sums, estimator)) == pytest.approx(exact, abs=1e-12)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize(("estimator", "assignment"), EVERY_OBJECTIVE)
def test_half_precision_features_are_scored_in_float32(estimator, assignment, dtype):
    halves = [tf.cast(f, dtype) for f in features()]
    exact = reference.infoseg_loss(
        *[tf.cast(f, tf.float64).numpy() for f in halves], 0.8, estimator, assignment
    )
    found = infoseg_loss(*halves, 0.8, estimator, assignment)
    assert found.dtype == tf.float32
    assert float(found) == pytest.approx(exact, abs=2e-6)


@pytest.mark.parametrize("scale", [5.0, 18.0, 28.0])
def test_dv_of_scores_beyond_the_range_of_exp(scale):
    """Up to ±3000, of both signs and all sizes in between."""
    local, image = features()
    local, image = local * scale, image * scale
    scores = [score for pairs in reference.infoseg_scores(local, image) for score, _ in pairs]
    assert scale == 5 or max(np.abs(scores)) > 709
    exact = reference.infoseg_loss(local, image, estimator="dv")
    loss, found = gradients(lambda a, b: infoseg_loss(a, b, estimator="dv"), local, image)
    assert float(loss) == pytest.approx(exact, rel=1e-12)
    for i, mine in enumerate(found):
        slope = reference.numerical_gradient(
            lambda x, i=i: reference.infoseg_loss(
                *((x, image) if i == 0 else (local, x)), estimator="dv"
            ),
            (local, image)[i],
        )
        np.testing.assert_allclose(mine, slope, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("estimator", "scale"), [("jsd", 1e4), ("jsd", 1e-4), ("dv", 25.0)])
def test_gradients_of_large_and_small_scores_are_finite(estimator, scale):
    local, image = (scale * f for f in features(dtype=np.float32))
    loss, found = gradients(lambda a, b: infoseg_loss(a, b, estimator=estimator), local, image)
    assert np.isfinite(float(loss))
    assert all(np.isfinite(g).all() for g in found)
    assert any(g.any() for g in found)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch": 1}, "at least 2 images to pair with one another; received batch=1"),
        ({"tau": 0.0}, "tau > 0"),
        ({"estimator": "nce"}, "one of jsd, dv; received estimator='nce'"),
        ({"assignment": "firm"}, "one of soft, hard; received assignment='firm'"),
        ({"mask": np.ones((3, 3, 3))}, "a mask of shape"),
    ],
)
def test_messages_of_the_loss(change, message):
    change = dict(change)
    local, image = features(batch=change.pop("batch", 3))
    with pytest.raises(InputError, match=message):
        infoseg_loss(local, image, **change)


def test_features_that_do_not_fit_are_refused():
    local, image = features()
    wrong = ((local[0], image), (local, image[0]), (local, image[..., 1:]), (local, image[1:]))
    for pair in wrong:
        with pytest.raises(InputError, match=r"local \[batch, u, v, P\] and image \[batch, K, P\]"):
            infoseg_loss(*pair)


# --- the network


def open_half(blocks):
    """Half of the ReLUs are open at a mean of zero: no pixel's influence dies on its way."""
    for block in blocks:
        rng = np.random.default_rng(block.filters)
        block.norm.beta.assign(rng.uniform(-0.2, 1, block.filters))


def random_images(*shape, seed=0):
    return np.random.default_rng(seed).uniform(size=shape).astype(np.float32)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 2), (5, 8), (17, 13), (20, 20)])
def test_any_image_size(size):
    images = random_images(2, *size, 3)
    model = small(3)
    local, image = model.local_and_global(images)
    assert local.shape == (2, -(-size[0] // 4), -(-size[1] // 4), 8)
    assert image.shape == (2, 3, 8)
    assert model.trunk.compute_output_shape((2, *size, 3))[:3] == local.shape[:3]
    maps = model.predict(images, batch_size=1, verbose=0)
    assert maps.shape == (2, *size, 3)
    np.testing.assert_allclose(maps.sum(axis=-1), 1, atol=1e-6)
    np.testing.assert_allclose(maps, model(images), atol=1e-6)


def test_sizes_unknown_when_the_graph_is_built():
    model = small(3)
    graph = tf.function(model, input_signature=[tf.TensorSpec((None, None, None, 3), tf.float32)])
    for size in ((9, 14), (16, 7), (1, 5)):
        images = random_images(2, *size, 3)
        np.testing.assert_allclose(graph(images), model(images), atol=1e-6)


@pytest.mark.parametrize("pixel", [(32, 33), (34, 35)])
def test_local_features_see_as_far_as_the_receptive_radius(pixel):
    model = small(3)
    open_half(model.trunk.blocks)
    images = random_images(1, 70, 71, 3)
    changed = images.copy()
    changed[0, pixel[0], pixel[1]] += 20

    def enlarged(images):
        local, _ = model.local_and_global(images)
        fixed = class_probabilities(local, np.random.default_rng(0).normal(size=(1, 3, 8)))
        return Segmenter._enlarged(Fixed(model, fixed), None, "main", images, False)[0].numpy()

    difference = np.abs(enlarged(changed) - enlarged(images))[0].max(axis=-1)
    radius = PatchNetwork.receptive_radius
    for places, at in zip(np.nonzero(difference), pixel, strict=True):
        assert np.abs(places - at).max() <= radius
        assert np.abs(places - at).max() >= radius - 3


class Fixed:
    """A model whose cells' probabilities are given."""

    def __init__(self, model, cells):
        self.trunk = model.trunk
        self.cells = cells

    def small_maps(self, features, head, training):
        return [self.cells]


@pytest.mark.parametrize("axis", [1, 2])
def test_the_map_lies_on_the_image_without_a_shift(axis):
    """With kernels that are their own mirror images, a mirrored image has the mirrored map."""
    # Untrained statistics make scores large: probabilities would be all 0 and 1.
    model = small(3, tau=0.05)
    open_half(model.trunk.blocks)
    # Block B's stride begins at the first cell: of an odd number of cells it has a mirror image.
    for block in (*model.trunk.blocks, *model.heads["main"].image):
        kernel = block.conv.kernel.numpy()
        block.conv.kernel.assign((kernel + np.flip(kernel, axis=axis - 1)) / 2)
    images = random_images(1, 36, 36, 3)
    out = model(images).numpy()
    mirrored = model(np.flip(images, axis=axis)).numpy()
    np.testing.assert_allclose(np.flip(mirrored, axis=axis), out, atol=1e-5)
    assert np.abs(np.roll(out, 1, axis=axis) - out).max() > 1e-3


def test_global_features_see_the_whole_image_and_local_ones_do_not():
    model = small(3)
    open_half((*model.trunk.blocks, *model.heads["main"].image))
    images = random_images(1, 64, 64, 3)
    changed = images.copy()
    changed[0, :8, :8] += 10
    before, after = model.local_and_global(images), model.local_and_global(changed)
    far = np.s_[:, 12:, 12:]
    np.testing.assert_array_equal(before[0][far], after[0][far])
    assert np.abs(before[0] - after[0]).max() > 1e-3
    assert np.abs(before[1] - after[1]).min(axis=-1).max() > 1e-6


def test_parameters_are_those_of_the_blocks():
    head = LocalGlobalHead(3, 16, 0.05)
    head.build((None, None, None, 26))
    norm = 2  # a scale and an offset a channel
    block_b = 9 * 26 * 26 * 2 + norm * 26 * 2
    block_c = 26 * 16 + 16 * 16 + 26 * 16 + norm * 16
    local_norms = 2 * norm * 16  # of the image's C the first convolution alone is normalised
    block_d = 3 * (16 * 16 + 16)
    assert head.linear.count_params() == block_d
    assert sum(int(np.prod(v.shape)) for v in head.trainable_variables) == (
        block_b + 2 * block_c + local_norms + block_d
    )
    assert PatchNetwork().features == 512


def test_classes_begin_as_the_same_ones_in_all_images():
    """Differences of two H_k, which classes are told apart by, are alike from image to image."""
    for seed in range(3):
        keras.utils.set_random_seed(seed)
        model = InfoSeg(3, 3, width=0.1, features=64)
        _, image = model.local_and_global(random_images(16, 32, 32, 3), training=True)
        between = image.numpy()[:, 0] - image.numpy()[:, 1]
        common = np.linalg.norm(between.mean(0))
        assert common > np.linalg.norm(between - between.mean(0), axis=-1).mean()


def test_segmentations_are_uncertain_at_the_beginning():
    for dimensions in (8, 256):
        keras.utils.set_random_seed(1)
        model = InfoSeg(3, 3, width=0.1, features=dimensions)
        features = model._features(random_images(8, 24, 24, 3), training=True)
        (found,) = model.small_maps(features, "main", training=True)
        assert 0.35 < found.numpy().max(-1).mean() < 0.85


# --- the model


def small(classes=2, width=0.05, features=8, **arguments):
    return InfoSeg(classes, 3, width, features, **arguments)


def noise_pairs(crop=10, batch=3, masks=False, **options):
    rng = np.random.default_rng(1)
    images = [rng.integers(0, 256, (20, 30, 3)).astype(np.uint8) for _ in range(2)]
    labels = [rng.integers(-1, 1, (20, 30)) for _ in range(2)]
    return Pairs(from_arrays(images, labels), crop, batch, masks=masks, **options)


def reference_pairs(model, batch, training):
    """The (T, weight) of a batch by nested loops, from the model's features."""
    local, image = (f.numpy() for f in model.local_and_global(batch["x"], training))
    mask = reference.box_means(batch["valid"].numpy(), 4) if "valid" in batch else None
    return reference.infoseg_scores(local, image, model.tau, model.assignment, mask)


def same(before, after):
    return all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_defaults_are_the_papers():
    model = InfoSeg(3, 4)
    assert (model.features, model.tau, model.objective, model.assignment) == (
        *(1024, 0.8, "jsd", "soft"),
    )
    model.compile()
    assert isinstance(model.optimizer, keras.optimizers.Adam)
    assert float(model.optimizer.learning_rate) == pytest.approx(1e-4)
    assert model.trunk.stride == 4
    assert (model.turns, model.overclusters, set(model.meters)) == (("main",), 0, {"main"})


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
        ({"lamb": -1.0}, "lamb >= 0"),
        ({"radius": -1}, "radius >= 0; received radius=-1"),
    ],
)
def test_construction_messages(wrong, message):
    with pytest.raises(InputError, match=message):
        InfoSeg(**{"classes": 2, "channels": 3, "width": 0.05, "features": 4, **wrong})


def test_bounds():
    assert small().bound("main") == pytest.approx(LOWEST)
    assert small(objective="dv").bound("main") == -np.inf
    assert small(3, objective="iic").bound("main") == pytest.approx(-np.log(3))
    assert small(3, objective="iic", lamb=1.5).bound("main") == pytest.approx(-2 * np.log(3))


@pytest.mark.parametrize("masks", [False, True])
@pytest.mark.parametrize(("objective", "assignment"), EVERY_OBJECTIVE)
def test_the_training_loss_is_the_references(objective, assignment, masks):
    model = small(objective=objective, assignment=assignment)
    model.compile(keras.optimizers.SGD(0.0))
    batch = noise_pairs(masks=masks)[0]
    assert ("valid" in batch) == masks
    exact = reference.infoseg_loss_of_scores(*reference_pairs(model, batch, True), objective)
    assert abs(exact) > 1e-4
    assert float(model.train_step(batch)["loss"]) == pytest.approx(exact, abs=2e-6)


@pytest.mark.parametrize("masks", [False, True])
@pytest.mark.parametrize("radius", [0, 4])
@pytest.mark.parametrize(("objective", "assignment"), EVERY_OBJECTIVE)
def test_the_paired_loss_is_the_references(objective, assignment, radius, masks):
    model = small(3, objective=objective, assignment=assignment, paired=True, radius=radius)
    model.compile()
    geometry = Geometry(0.5, quarter_turns=True)
    batch = noise_pairs(crop=12, batch=4, masks=masks, geometry=geometry)[0]
    signs = batch["flip"].numpy()
    assert (signs != np.eye(2)).any(axis=(1, 2)).any()
    both = model.local_and_global(np.concatenate([batch["x"], batch["gx"]]), training=True)
    (local, of_gx), (image, image_gx) = (np.split(f.numpy(), 2) for f in both)
    mask = reference.box_means(batch["valid"].numpy(), 4) if masks else np.ones((4, 3, 3))
    back = unflip(reference.infoseg_probabilities(of_gx, image_gx), signs).numpy()
    there = flip(reference.infoseg_probabilities(local, image), signs).numpy()
    of_x = reference.infoseg_displaced_scores(local, image_gx, back, assignment, mask, radius // 4)
    mask = flip(mask[..., None], signs).numpy()[..., 0]
    of_copy = reference.infoseg_displaced_scores(of_gx, image, there, assignment, mask, radius // 4)
    pairs = [a + b for a, b in zip(of_x, of_copy, strict=True)]
    exact = reference.infoseg_loss_of_scores(*pairs, objective)
    assert float(model.train_step(batch)["loss"]) == pytest.approx(exact, abs=2e-5)


def test_a_paired_cell_outside_the_copy_takes_no_part():
    model = small(2, paired=True, radius=0)
    batch = noise_pairs(crop=16, geometry=Geometry(rotation=40))[0]
    joints = model.joints(batch, ("main",), training=False)["main"].numpy()
    cells, weight = 2 * 3 * 4 * 4, joints[1]
    assert 0.5 * cells < weight < cells - 1


def test_paired_crops_are_whole_cells():
    model = small(2, paired=True)
    model.compile()
    with pytest.raises(InputError, match=r"a multiple of 4 pixels.*received crop=\(10, 10\)"):
        model.train_step(noise_pairs(crop=10)[0])


@pytest.mark.parametrize("geometry", [Geometry(0.5), Geometry(rotation=30)])
def test_the_iic_objective_is_the_references(geometry):
    model = small(objective="iic", radius=2, lamb=1.5)
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
    model = small(objective=objective, assignment=assignment)
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
    model = small(objective=objective, tau=0.1)
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
    model = small(3)
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
        model = small()
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
    model = small()
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
    model = small(objective="iic", radius=1)
    model.compile()
    assert np.isfinite(model.fit(noise_pairs(batch=1, steps=1), verbose=0).history["loss"]).all()


def test_batches_that_are_not_pairs_are_refused():
    model = small()
    model.compile()
    with pytest.raises(InputError, match=r"batches of pairs.*see iic_tf\.Pairs"):
        model.fit(np.zeros((4, 8, 8, 3), np.float32), verbose=0)
    with pytest.raises(InputError, match="of 3 channels; received channels=4"):
        model(np.zeros((1, 8, 8, 4), np.float32))


@pytest.mark.parametrize("objective", ["jsd", "dv", "iic"])
def test_training_can_be_had_again(objective):
    """No draw is made but from the data's seed: there is no other state."""
    results = []
    for _ in range(2):
        keras.utils.set_random_seed(0)
        model = small(objective=objective, radius=1)
        model.compile(keras.optimizers.Adam(1e-3))
        keras.utils.set_random_seed(len(results))
        history = model.fit(noise_pairs(steps=2), epochs=2, verbose=0)
        results.append((history.history["loss"], model.get_weights()))
    assert results[0][0] == pytest.approx(results[1][0], abs=1e-6)
    for a, b in zip(results[0][1], results[1][1], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.parametrize("objective", ["jsd", "dv"])
def test_micro_batches_pair_images_within_each(objective):
    keras.utils.set_random_seed(0)
    model = small(objective=objective)
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
def test_xla_agrees_with_the_graph(objective):
    results = []
    for jit in (False, True):
        keras.utils.set_random_seed(0)
        model = small(objective=objective)
        model.compile(keras.optimizers.SGD(0.1), jit_compile=jit)
        history = model.fit(noise_pairs(steps=1), epochs=1, verbose=0)
        results.append((history.history["loss"][0], model.get_weights()))
    assert results[0][0] == pytest.approx(results[1][0], abs=1e-5)
    for graph, xla in zip(results[0][1], results[1][1], strict=True):
        np.testing.assert_allclose(graph, xla, atol=1e-4)


@pytest.mark.parametrize("_precision", ["mixed_float16", "mixed_bfloat16"], indirect=True)
@pytest.mark.parametrize("objective", ["jsd", "dv", "iic"])
@pytest.mark.usefixtures("_precision")
def test_steps_in_mixed_precision_are_finite(objective):
    model = small(objective=objective, radius=1)
    model.compile(keras.optimizers.Adam(1e-3))
    before = model.get_weights()
    history = model.fit(noise_pairs(masks=True, steps=1), epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert all(np.isfinite(w).all() for w in model.get_weights())
    assert not same(before, model.get_weights())
    assert model.local_and_global(np.zeros((2, 8, 8, 3), np.float32))[0].dtype.is_floating
    assert model.predict(np.zeros((1, 8, 9, 3), np.float32), verbose=0).dtype == np.float32


def halves(count=8, size=24, seed=0):
    """Images of which one half is dark and even, the other bright and striped, in some tint."""
    rng = np.random.default_rng(seed)
    images = []
    for _ in range(count):
        image = rng.integers(20, 60, (size, size, 3))
        edge = int(rng.integers(size // 3, size - size // 3))
        image[:, edge:] = rng.integers(150, 190, (size, size - edge, 3))
        image[::2, edge:] += 40
        images.append((image * rng.uniform(0.6, 1, 3)).astype(np.uint8))
    return from_arrays(images)


@pytest.mark.parametrize("objective", ["jsd", "dv"])
def test_fit_learns_what_images_have_in_common_with_themselves(objective):
    model = small(width=0.1, features=16, objective=objective)
    model.compile(keras.optimizers.Adam(1e-3 if objective == "dv" else 3e-3))
    mild = Photometry(0.05, 0.05, 0.05, 0)
    held_out = Pairs(halves(), 24, 8, photometry=mild)
    before = model.evaluate(held_out, return_dict=True, verbose=0)["loss"]
    model.fit(Pairs(halves(), 24, 8, steps=20, photometry=mild), epochs=8, verbose=0)
    after = model.evaluate(held_out, return_dict=True, verbose=0)["loss"]
    assert after < min(before, 0) - 0.2
    assert after > model.bound("main")


FRESH = """
import sys
import keras
import numpy as np
import iic_tf

model = keras.models.load_model(sys.argv[1])
images = np.load(sys.argv[2])
assert isinstance(model, iic_tf.InfoSeg)
np.savez(sys.argv[3], maps=model(images), rate=float(model.optimizer.learning_rate),
         steps=int(model.optimizer.iterations))
"""


def test_a_saved_model_is_the_same_in_a_fresh_interpreter(tmp_path):
    model = small(inputs="bands+sobel", tau=0.5)
    model.compile(keras.optimizers.Adam(2e-3))
    model.fit(noise_pairs(steps=2), epochs=2, verbose=0)
    images = random_images(2, 9, 12, 3)
    files = [tmp_path / name for name in ("model.keras", "images.npy", "found.npz")]
    model.save(files[0])
    np.save(files[1], images)
    subprocess.run([sys.executable, "-c", FRESH, *files], check=True, capture_output=True)
    found = np.load(files[2])
    np.testing.assert_array_equal(found["maps"], model(images))
    assert found["rate"] == pytest.approx(2e-3)
    assert found["steps"] == 4


def test_training_goes_on_from_a_saved_model_as_if_never_stopped(tmp_path):
    model = small()
    model.compile(keras.optimizers.Adam(1e-3))
    model.fit(noise_pairs(), epochs=1, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    model.fit(noise_pairs(epoch=1), epochs=1, verbose=0)
    again.fit(noise_pairs(epoch=1), epochs=1, verbose=0)
    for a, b in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


# --- several replicas

TWO_REPLICAS = """
import sys
import keras
import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
sys.path.insert(0, sys.argv[3])
from test_infoseg import noise_pairs, small, spread

strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
pairs = noise_pairs(batch=7, masks=True)
assert [len(pairs[i]["x"]) for i in range(len(pairs))] == [7, 5]
found = {}
for objective in sys.argv[1].split():
    with strategy.scope():
        keras.utils.set_random_seed(0)
        model = spread(small(objective=objective, radius=1))
        model.compile(keras.optimizers.SGD(0.01))
    found |= {f"{objective}/start{i}": w for i, w in enumerate(model.get_weights())}
    dataset = strategy.experimental_distribute_dataset(pairs.dataset(0, 2))
    history = model.fit(dataset, steps_per_epoch=2, verbose=0).history
    found |= {f"{objective}/weight{i}": w for i, w in enumerate(model.get_weights())}
    dataset = strategy.experimental_distribute_dataset(pairs.dataset(0, 2))
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
    return np.load(file)


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
        found = model.joints(batch, ("main",), training)["main"]
        return model.head_loss(found, "main"), found
    from iic_tf.models.served import shrink

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
        for name in on_two_replicas.files
        if name.startswith(objective)
    }
    model = small(objective=objective, radius=1)
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
    assert found["loss"] == pytest.approx(np.mean(losses), rel=1e-5, abs=1e-6)
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
        exact = float(model.head_loss(total, "main"))
    else:
        exact = float(loss_of_sums(total, objective))
    assert found["evaluated"] == pytest.approx(exact, rel=2e-5, abs=1e-6)
    assert found["shares"].sum() == pytest.approx(1, abs=1e-6)
