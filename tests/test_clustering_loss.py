"""The clustering objective against nested loops in NumPy (`reference.py`)."""

import functools
import math

import numpy as np
import pytest
import reference
from beside_reference import LAMBDAS, SLOPE, assert_value, one_hot, run
from hypothesis import given, settings
from hypothesis import strategies as st

from iic_tf.losses import iic_clustering_loss


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
