"""InfoSeg's objective against nested loops."""

import numpy as np
import pytest
import reference
import tensorflow as tf

from iic_tf.errors import InputError
from iic_tf.losses import infoseg_loss
from iic_tf.losses.infoseg import class_probabilities, loss_of_sums, pair_sums

LOWEST = -2 * np.log(2)
EVERY_OBJECTIVE = [("jsd", "soft"), ("jsd", "hard"), ("dv", "soft"), ("dv", "hard")]


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


@pytest.mark.parametrize("objective", ["jsd", "dv"])
def test_xla_agrees_with_the_graph(objective):
    local, image = map(tf.constant, features(dtype=np.float32))

    def of(local, image):
        with tf.GradientTape() as tape:
            tape.watch([local, image])
            loss = infoseg_loss(local, image, estimator=objective)
        return [loss, *tape.gradient(loss, [local, image])]

    graph, xla = (tf.function(of, jit_compile=jit)(local, image) for jit in (False, True))
    assert abs(float(graph[0])) > 0.1
    for a, b in zip(graph, xla, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
