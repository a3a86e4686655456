"""The segmentation objective against nested loops in NumPy, by value and by gradient."""

import functools
import math

import numpy as np
import pytest
import reference
import tensorflow as tf
from beside_reference import CASES, LAMBDAS, assert_slope, assert_value, maps_of, one_hot, run
from hypothesis import given, settings
from hypothesis import strategies as st

from iic_tf.losses import block_correlation, iic_clustering_loss, iic_segmentation_loss
from iic_tf.losses.displacement import displaced_joints


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
