"""The objectives against nested loops in NumPy (`reference.py`), by value and by gradient."""

import functools
import math

import numpy as np
import pytest
import reference
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from iic_tf.errors import InputError
from iic_tf.losses import block_correlation, iic_clustering_loss, iic_segmentation_loss, information
from iic_tf.losses.displacement import displaced_joints
from iic_tf.losses.information import most_information
from iic_tf.losses.segmentation import loss_of_joints, segmentation_joints

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


# --- the reference itself


def test_reference_gradients_agree_with_central_differences():
    p, q = reference.similar_maps((1, 3, 4, 3), dtype=np.float64)
    mask = np.random.default_rng(0).uniform(size=(1, 3, 4))
    for collapsed in (False, True):
        arguments = (1, 1.5, mask, collapsed)
        by_p, by_q = reference.segmentation_gradients(p, q, *arguments)
        numerical = reference.numerical_gradient(
            lambda x, a=arguments: reference.segmentation_loss(x, q, *a), p
        )
        np.testing.assert_allclose(by_p, numerical, atol=1e-8)
        numerical = reference.numerical_gradient(
            lambda x, a=arguments: reference.segmentation_loss(p, x, *a), q
        )
        np.testing.assert_allclose(by_q, numerical, atol=1e-8)
    p, q = reference.similar_rows((4, 3), dtype=np.float64)
    numerical = reference.numerical_gradient(lambda x: reference.clustering_loss(x, q, 0.5), p)
    np.testing.assert_allclose(reference.clustering_gradients(p, q, 0.5)[0], numerical, atol=1e-8)


# --- information


@pytest.mark.parametrize("k", [2, 3, 10])
def test_information_of_known_joints(k):
    assert float(information(np.ones((k, k), np.float32))) == pytest.approx(0, abs=1e-6)
    assert float(information(np.eye(k, dtype=np.float32))) == pytest.approx(math.log(k), rel=1e-6)
    # λ = 1.5 adds half of H(z) + H(z'): of uniform shares, ln k.
    assert float(information(np.ones((k, k), np.float32), 1.5)) == pytest.approx(math.log(k))
    # λ = 0 leaves minus the joint entropy.
    assert float(information(np.ones((k, k), np.float32), 0)) == pytest.approx(-2 * math.log(k))


def test_information_of_a_joint_worked_out_by_hand():
    joint = np.array([[4.0, 1.0], [3.0, 2.0]])  # symmetrised and normalised: .4 .2 / .2 .2
    by_hand = (
        0.4 * math.log(0.4 / 0.36) + 2 * 0.2 * math.log(0.2 / 0.24) + 0.2 * math.log(0.2 / 0.16)
    )
    assert float(information(joint)) == pytest.approx(by_hand, rel=1e-12)


@pytest.mark.parametrize("lamb", [0, 0.25, 0.5, 1, 1.5, 3])
@pytest.mark.parametrize("k", [2, 5])
def test_no_joint_has_more_than_the_most_information(k, lamb):
    rng = np.random.default_rng(k)
    most = most_information(k, lamb)
    # Where it is reached: all alike and certain, or, for a small λ, one cluster for everything.
    best = np.eye(k) if lamb >= 0.5 else np.eye(k) * (np.arange(k) == 0)
    assert float(information(best, lamb)) == pytest.approx(most, abs=1e-6)
    powers = 10.0 ** rng.uniform(-1, 2, 500)
    joints = rng.dirichlet(np.ones(k * k), 500).reshape(-1, k, k) ** powers[:, None, None] + 1e-30
    assert np.all(np.asarray(information(joints, lamb)) <= most + 1e-6)


def test_information_of_many_joints_at_once():
    joints = np.random.default_rng(0).uniform(size=(3, 2, 4, 4))
    joints[1, 1] = 0
    values = information(joints, 1.5).numpy()
    assert values.shape == (3, 2)
    assert values[1, 1] == 0
    for index in np.ndindex(3, 2):
        assert values[index] == pytest.approx(reference.information(joints[index], 1.5), rel=1e-12)


# --- clustering


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("mode", "lamb"), [*(("eager", v) for v in LAMBDAS), ("graph", 1), ("xla", 1.5)]
)
def test_clustering_agrees_with_the_reference(mode, lamb, dtype):
    for shape in [(40, 5)] if mode == "xla" else [(40, 5), (7, 2), (1, 3)]:
        p, q = reference.similar_rows(shape, dtype=dtype)
        value, by_p, by_q = run(functools.partial(iic_clustering_loss, lamb=lamb), p, q, mode)
        assert_value(value, reference.clustering_loss(p, q, lamb), shape[1], dtype)
        for slope, exact in zip(
            (by_p, by_q), reference.clustering_gradients(p, q, lamb), strict=True
        ):
            assert np.abs(slope - exact).max() <= SLOPE[dtype] * max(np.abs(exact).max(), 0.1)


@pytest.mark.parametrize("k", [2, 3, 10])
def test_clustering_at_its_bounds(k):
    labels = np.repeat(np.arange(k), 6)
    agreeing = one_hot(labels, k)
    assert float(iic_clustering_loss(agreeing, agreeing)) == pytest.approx(-math.log(k), rel=1e-6)
    uniform = np.full((12, k), 1 / k, np.float32)
    assert float(iic_clustering_loss(uniform, uniform)) == pytest.approx(0, abs=1e-6)
    # Labels that meet each other equally often have nothing in common.
    independent = one_hot(np.tile(np.arange(k), k), k), one_hot(np.repeat(np.arange(k), k), k)
    assert float(iic_clustering_loss(*independent)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("k", [2, 7])
def test_clustering_all_in_one_cluster_gives_zero_and_finite_gradients(k):
    collapsed = one_hot(np.zeros(9, int), k)
    value, *slopes = run(iic_clustering_loss, collapsed, collapsed)
    assert value == pytest.approx(0, abs=1e-6)
    assert np.isfinite(slopes).all()


# --- segmentation

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


@functools.cache
def gradients_of(case, lamb, collapsed):
    p, q, joints = maps_of(case)
    return reference.segmentation_gradients(
        p, q, CASES[case][1], lamb, None, collapsed, joints=joints
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("collapsed", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_segmentation_agrees_with_the_reference(case, collapsed, dtype):
    shape, radius = CASES[case]
    p, q, joints = maps_of(case)
    p, q = p.astype(dtype), q.astype(dtype)
    for lamb in LAMBDAS:
        value = iic_segmentation_loss(p, q, radius, lamb, collapsed=collapsed).numpy()
        assert_value(value, reference.loss_of_joints(joints, lamb, collapsed), shape[-1], dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("collapsed", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_segmentation_gradients_agree_with_the_reference(case, collapsed, dtype):
    p, q, _ = maps_of(case)
    # λ = 1.5: at 1 the gradient of a far displacement's small information is mostly rounding.
    loss = functools.partial(
        iic_segmentation_loss, radius=CASES[case][1], lamb=1.5, collapsed=collapsed
    )
    _, by_p, by_q = run(loss, p.astype(dtype), q.astype(dtype))
    exact_p, exact_q = gradients_of(case, 1.5, collapsed)
    assert_slope(by_p, exact_p, dtype)
    assert_slope(by_q, exact_q, dtype)


@pytest.mark.parametrize("case", ["radius 1", "several blocks", "a strip of four blocks"])
def test_segmentation_gradients_at_lambda_1(case):
    p, q, _ = maps_of(case)
    loss = functools.partial(iic_segmentation_loss, radius=CASES[case][1])
    for dtype in ("float32", "float64"):
        _, *slopes = run(loss, p.astype(dtype), q.astype(dtype))
        for slope, exact in zip(slopes, gradients_of(case, 1, False), strict=True):
            assert_slope(slope, exact, dtype)


@pytest.mark.parametrize("mode", ["graph", "xla"])
@pytest.mark.parametrize(
    ("case", "collapsed"),
    [
        ("radius 1", False),
        ("radius 4, the smallest by blocks", True),
    ],
)
def test_segmentation_in_graphs_and_under_xla(case, collapsed, mode):
    shape, radius = CASES[case]
    p, q, joints = maps_of(case)
    loss = functools.partial(iic_segmentation_loss, radius=radius, lamb=1.5, collapsed=collapsed)
    value, by_p, by_q = run(loss, p, q, mode)
    assert_value(value, reference.loss_of_joints(joints, 1.5, collapsed), shape[-1])
    exact_p, exact_q = gradients_of(case, 1.5, collapsed)
    assert_slope(by_p, exact_p)
    assert_slope(by_q, exact_q)


@pytest.fixture(params=[1, 100_000], ids=["one by one", "several"])
def few_frequencies_at_a_time(request, monkeypatch):
    monkeypatch.setattr(block_correlation, "BUDGET", request.param)


@pytest.mark.usefixtures("few_frequencies_at_a_time")
@pytest.mark.parametrize(
    ("mode", "dtype"),
    [("eager", "float32"), ("eager", "float64"), ("graph", "float32"), ("xla", "float32")],
)
@pytest.mark.parametrize("case", ["several blocks", "one block taller than wide"])
def test_spectra_made_in_parts_agree_with_the_reference(case, mode, dtype):
    shape, radius = CASES[case]
    p, q, joints = maps_of(case)
    plan = block_correlation.BlockCorrelation(shape, (radius, radius), dtype)
    assert plan.parts > 1
    loss = functools.partial(iic_segmentation_loss, radius=radius, lamb=1.5)
    value, *slopes = run(loss, p.astype(dtype), q.astype(dtype), mode)
    assert_value(value, reference.loss_of_joints(joints, 1.5), shape[-1], dtype)
    for slope, exact in zip(slopes, gradients_of(case, 1.5, False), strict=True):
        assert_slope(slope, exact, dtype)


def test_parts_grow_with_clusters_and_batch_only_where_they_must():
    def parts(*shape):
        return block_correlation.BlockCorrelation(shape, (10, 10), "float32").parts

    assert parts(2, 128, 128, 3) == 1
    assert 1 < parts(2, 128, 128, 15) < parts(2, 128, 128, 45)
    assert 1 < parts(16, 128, 128, 3) < parts(64, 128, 128, 3)
    assert parts(None, 128, 128, 3) == parts(16, 128, 128, 3)


@pytest.mark.parametrize("half", ["bfloat16", "float16"])
@pytest.mark.parametrize(
    ("case", "mode"),
    [
        ("radius 1", "eager"),
        ("radius 1", "xla"),
        ("radius 4, the smallest by blocks", "eager"),
    ],
)
def test_half_precision_inputs_are_computed_in_float32(case, mode, half):
    shape, radius = CASES[case]
    p, q = (tf.cast(v, half) for v in maps_of(case)[:2])
    rounded = [tf.cast(v, tf.float64).numpy() for v in (p, q)]
    value, *slopes = run(functools.partial(iic_segmentation_loss, radius=radius), p, q, mode)
    assert_value(value, reference.segmentation_loss(*rounded, radius), shape[-1])
    assert all(slope.dtype == tf.as_dtype(half).as_numpy_dtype for slope in slopes)
    rows = [v[:, 0, 0] for v in rounded]
    value, *_ = run(iic_clustering_loss, p[:, 0, 0], q[:, 0, 0])
    assert_value(value, reference.clustering_loss(*rows), shape[-1])


def test_one_view_in_half_precision_and_one_in_double():
    p, q, joints = maps_of("radius 1")
    value = iic_segmentation_loss(p.astype(np.float64), q, 1).numpy()
    assert_value(value, reference.loss_of_joints(joints), 3, "float64")


def test_displacements_lead_from_the_first_view_to_the_second():
    p, q = np.zeros((1, 9, 11, 2)), np.zeros((1, 9, 11, 2))
    p[0, 2, 3, 0] = 1
    q[0, 4, 6, 1] = 1
    for radius in (3, 4):  # direct and by blocks
        joints = displaced_joints(tf.constant(p), tf.constant(q), radius).numpy()
        where = reference.window(radius).index((2, 3))
        assert joints[where, 0, 1] == pytest.approx(1)
        joints[where, 0, 1] = 0
        assert np.abs(joints).max() < 1e-12


@pytest.mark.parametrize("k", [2, 5])
@pytest.mark.parametrize("radius", [0, 1, 4])
def test_segmentation_of_constant_maps_is_zero(k, radius):
    for p in (np.full((1, 8, 9, k), 1 / k, np.float32), one_hot(np.full((1, 8, 9), 1), k)):
        for collapsed in (False, True):
            loss = functools.partial(iic_segmentation_loss, radius=radius, collapsed=collapsed)
            value, *slopes = run(loss, p, p)
            assert value == pytest.approx(0, abs=1e-6)
            assert np.isfinite(slopes).all()


@pytest.mark.parametrize("radius", [0, 2, 4])
def test_segmentation_of_balanced_agreeing_labels_is_minus_ln_k(radius):
    # Each image wears one label: no displacement leaves it.
    k = 5
    p = one_hot(np.arange(k)[:, None, None] * np.ones((1, 6, 7), int), k)
    for collapsed in (False, True):
        value = iic_segmentation_loss(p, p, radius, collapsed=collapsed)
        assert float(value) == pytest.approx(-math.log(k), rel=1e-6)


# --- masks


def masks_of(shape):
    rng = np.random.default_rng(1)
    masks = {name: np.zeros(shape[:3], np.float32) for name in ("column", "two corners", "pixel")}
    masks["column"][:, :, shape[2] // 2] = 1
    masks["two corners"][:, :2, :2] = 1
    masks["two corners"][:, -2:, -2:] = 1
    masks["pixel"][0, 1, 2] = 1
    masks["half"] = np.zeros(shape[:3], np.float32)
    masks["half"][:, : shape[1] // 2] = 1
    masks["one image of the batch"] = np.ones(shape[:3], np.float32)
    masks["one image of the batch"][1:] = 0
    masks["shares"] = rng.uniform(size=shape[:3]).astype(np.float32)
    masks["scattered"] = (rng.uniform(size=shape[:3]) < 0.3).astype(np.float32)
    return masks


MASKED = {
    "direct": ((2, 9, 8, 3), 1),
    "direct, 25": ((2, 9, 8, 3), 2),
    "blocks": ((2, 13, 16, 3), 4),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("collapsed", [False, True])
@pytest.mark.parametrize("name", masks_of((2, 9, 9)))
@pytest.mark.parametrize("case", MASKED)
def test_masks_agree_with_the_reference(case, name, collapsed, dtype):
    """Above all where a displacement is left without any pair: it has no weight."""
    shape, radius = MASKED[case]
    mask = masks_of(shape)[name]
    p, q = reference.similar_maps(shape, dtype=dtype)
    joints = reference.displaced_joints(p, q, radius, mask)
    loss = functools.partial(
        iic_segmentation_loss, radius=radius, lamb=1.5, mask=mask, collapsed=collapsed
    )
    value, *slopes = run(loss, p, q)
    assert_value(value, reference.loss_of_joints(joints, 1.5, collapsed), shape[-1], dtype)
    exact = reference.segmentation_gradients(
        p, q, radius, 1.5, mask, collapsed=collapsed, joints=joints
    )
    assert_slope(slopes[0], exact[0], dtype)
    assert_slope(slopes[1], exact[1], dtype)


@pytest.mark.parametrize("name", ["column"])
def test_masks_under_xla(name):
    shape, radius = MASKED["blocks"]
    mask = masks_of(shape)[name]
    p, q = reference.similar_maps(shape)
    value, *slopes = run(
        functools.partial(iic_segmentation_loss, radius=radius, lamb=1.5, mask=mask), p, q, "xla"
    )
    joints = reference.displaced_joints(p, q, radius, mask)
    assert_value(value, reference.loss_of_joints(joints, 1.5), shape[-1])
    exact = reference.segmentation_gradients(p, q, radius, 1.5, mask, joints=joints)
    assert_slope(slopes[0], exact[0])


@pytest.mark.parametrize("kind", [bool, np.uint8, np.float32, np.float64])
def test_masks_of_any_type(kind):
    p, q, _ = maps_of("radius 1")
    mask = np.zeros(p.shape[:3])
    mask[:, 2:8, 3:] = 1
    value = iic_segmentation_loss(p, q, 1, mask=mask.astype(kind)).numpy()
    assert_value(value, reference.segmentation_loss(p, q, 1, mask=mask), 3)


@pytest.mark.parametrize(
    ("radius", "collapsed", "mode"),
    [
        *((radius, collapsed, "eager") for radius in (0, 1, 4) for collapsed in (False, True)),
        (4, False, "graph"),
        (4, False, "xla"),
    ],
)
def test_an_empty_mask_gives_zero_loss_and_gradients(radius, collapsed, mode):
    p, q = reference.similar_maps((2, 8, 9, 3))
    loss = functools.partial(
        iic_segmentation_loss,
        radius=radius,
        mask=np.zeros((2, 8, 9), bool),
        collapsed=collapsed,
    )
    value, *slopes = run(loss, p, q, mode)
    assert value == 0
    assert not np.any(slopes)


def test_a_full_mask_changes_nothing():
    for case in ("radius 1", "several blocks"):
        p, q, _ = maps_of(case)
        radius = CASES[case][1]
        full = iic_segmentation_loss(p, q, radius, mask=np.ones(p.shape[:3], bool))
        assert float(full) == float(iic_segmentation_loss(p, q, radius))


@pytest.mark.parametrize("radius", [1, 4])
@pytest.mark.parametrize("k", [2, 6])
def test_certain_predictions_have_finite_gradients(k, radius):
    rng = np.random.default_rng(0)
    p, q = (one_hot(rng.integers(0, 2, (2, 10, 9)), k) for _ in range(2))
    for collapsed in (False, True):
        loss = functools.partial(iic_segmentation_loss, radius=radius, collapsed=collapsed)
        value, *slopes = run(loss, p, q)
        assert_value(value, reference.segmentation_loss(p, q, radius, 1, None, collapsed), k)
        assert np.isfinite(slopes).all()


def test_views_warped_out_of_the_image_weigh_nothing():
    p, q = reference.similar_maps((1, 12, 11, 3))
    q[:, :, 6:] = 0  # as `warp` leaves what g moved out of the image
    for radius in (1, 4):
        value, *slopes = run(functools.partial(iic_segmentation_loss, radius=radius), p, q)
        assert_value(value, reference.segmentation_loss(p, q, radius), 3)
        assert np.isfinite(slopes).all()


def test_joints_are_never_negative():
    # Rounding of the transforms would make some zeros so, where the logarithm is clamped.
    labels = np.random.default_rng(0).integers(0, 2, (2, 13, 16))
    joints = segmentation_joints(one_hot(labels, 4), one_hot(labels, 4), 4).numpy()
    assert joints.min() >= 0
    assert np.abs(joints[:, 2:]).max() < 1e-4


def test_joints_of_batches_add_up():
    p, q = reference.similar_maps((3, 10, 9, 3))
    parts = [segmentation_joints(p[i : i + 1], q[i : i + 1], 4) for i in range(3)]
    value = loss_of_joints(sum(parts), 1.5).numpy()
    assert_value(value, reference.segmentation_loss(p, q, 4, 1.5), 3)


# --- properties


def rows(k, batch):
    return st.lists(
        st.lists(st.floats(-8, 8, width=32), min_size=k, max_size=k),
        min_size=batch,
        max_size=batch,
    ).map(lambda logits: reference.softmax(np.asarray(logits, np.float32)).astype(np.float32))


@st.composite
def two_sets(draw):
    k, batch = draw(st.integers(2, 5)), draw(st.integers(1, 6))
    return draw(rows(k, batch)), draw(rows(k, batch)), draw(st.permutations(range(k)))


@settings(max_examples=40, deadline=None)
@given(two_sets(), st.sampled_from(LAMBDAS))
def test_clustering_bounds_and_symmetries(drawn, lamb):
    p, q, permutation = drawn
    loss = float(iic_clustering_loss(p, q, lamb))
    assert loss == pytest.approx(float(iic_clustering_loss(q, p, lamb)), abs=1e-5)
    permuted = iic_clustering_loss(p[:, permutation], q[:, permutation], lamb)
    assert loss == pytest.approx(float(permuted), abs=1e-5)
    at_1 = float(iic_clustering_loss(p, q))
    assert -math.log(p.shape[1]) - 1e-5 <= at_1 <= 1e-5
    again = float(iic_clustering_loss(np.concatenate([p, p]), np.concatenate([q, q]), lamb))
    assert loss == pytest.approx(again, abs=1e-5)


@st.composite
def two_maps(draw):
    shape = tuple(draw(st.integers(1, high)) for high in (2, 7, 7))
    seed, contrast = draw(st.integers(0, 999)), draw(st.sampled_from([0.1, 2.0, 20.0]))
    k = draw(st.integers(2, 4))
    mask = np.random.default_rng(seed).uniform(size=shape) < draw(st.sampled_from([0.1, 0.5, 1]))
    maps = reference.similar_maps((*shape, k), seed, contrast=contrast)
    return *maps, draw(st.permutations(range(k))), mask


@settings(max_examples=30, deadline=None)
@given(two_maps(), st.sampled_from([0, 1, 3]), st.booleans(), st.sampled_from(LAMBDAS))
def test_segmentation_bounds_and_symmetries(drawn, radius, collapsed, lamb):
    p, q, permutation, mask = drawn

    def loss(p, q, lamb=lamb):
        return float(iic_segmentation_loss(p, q, radius, lamb, mask, collapsed))

    # The window is symmetric: a pair displaced by t is the swapped pair displaced by −t.
    assert loss(p, q) == pytest.approx(loss(q, p), abs=1e-5)
    permuted = loss(p[..., permutation], q[..., permutation])
    assert loss(p, q) == pytest.approx(permuted, abs=1e-5)
    assert -math.log(p.shape[-1]) - 1e-5 <= loss(p, q, 1) <= 1e-5
    assert loss(p, q) == pytest.approx(
        reference.segmentation_loss(p, q, radius, lamb, mask, collapsed), abs=1e-5
    )


# --- messages


def maps(*shape):
    return np.full(shape, 1 / shape[-1], np.float32)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: iic_clustering_loss(maps(2, 3, 4), maps(2, 3, 4)), r"\[batch, clusters\]"),
        (lambda: iic_clustering_loss(maps(2, 3), maps(3, 3)), r"of one shape.*\(2, 3\), \(3, 3\)"),
        (lambda: iic_clustering_loss(maps(2, 1), maps(2, 1)), "at least 2 clusters.*clusters=1"),
        (lambda: iic_clustering_loss(maps(2, 3), maps(2, 3), -0.5), "lamb >= 0.*lamb=-0.5"),
        (lambda: iic_clustering_loss(maps(2, 3), maps(2, 3), math.nan), "lamb >= 0.*lamb=nan"),
        (lambda: iic_segmentation_loss(maps(2, 3), maps(2, 3)), r"p\.shape=\(2, 3\)"),
        (
            lambda: iic_segmentation_loss(maps(2, 4, 4, 3), maps(4, 4, 3)),
            r"\[batch, height, width, clusters\]; received q\.shape=\(4, 4, 3\)",
        ),
        (
            lambda: iic_segmentation_loss(maps(2, 4, 4, 3), maps(2, 4, 5, 3)),
            r"\(2, 4, 4, 3\), \(2, 4, 5, 3\)",
        ),
        (lambda: iic_segmentation_loss(maps(1, 4, 4, 1), maps(1, 4, 4, 1)), "clusters=1"),
        (
            lambda: iic_segmentation_loss(maps(1, 4, 4, 3), maps(1, 4, 4, 3), -1),
            "radius >= 0; received radius=-1",
        ),
        (
            lambda: iic_segmentation_loss(maps(1, 4, 4, 3), maps(1, 4, 4, 3), 1, -1.0),
            "lamb >= 0 and finite; received lamb=-1.0",
        ),
        (
            lambda: iic_segmentation_loss(
                maps(1, 4, 4, 3), maps(1, 4, 4, 3), mask=np.ones((1, 4, 4, 1))
            ),
            r"a mask \[batch, height, width\]; received mask.shape=\(1, 4, 4, 1\)",
        ),
    ],
)
def test_messages_say_what_was_expected_and_what_came(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_a_graph_without_static_size_is_refused():
    unknown = tf.TensorSpec((None, None, 8, 3), tf.float32)
    graph = tf.function(iic_segmentation_loss, autograph=False)
    with pytest.raises(InputError, match="height and width known"):
        graph.get_concrete_function(unknown, unknown)


def test_a_mask_of_another_size_is_refused():
    p, q = reference.similar_maps((1, 6, 6, 3))
    for shape in ((1, 6, 1), (1, 1, 6), (2, 6, 6)):
        with pytest.raises(InputError, match="mask"):
            iic_segmentation_loss(p, q, 1, mask=np.ones(shape, bool))


def test_a_broken_network_shows_in_the_loss():
    p = np.full((1, 4, 4, 3), 1 / 3, np.float32)
    p[0, 1, 1] = np.nan
    for radius in (1, 5):
        assert math.isnan(float(iic_segmentation_loss(p, p, radius=radius)))
    assert math.isnan(float(iic_clustering_loss(p[0, 1], p[0, 1])))
