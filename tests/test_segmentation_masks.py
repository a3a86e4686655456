"""Masks of the segmentation objective, and what else has no weight."""

import functools

import numpy as np
import pytest
import reference
from beside_reference import CASES, assert_slope, assert_value, maps_of, one_hot, run

from iic_tf.losses import iic_segmentation_loss
from iic_tf.losses.segmentation import loss_of_joints, segmentation_joints


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
