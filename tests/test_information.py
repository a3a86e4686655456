"""Mutual information of joints."""

import math

import numpy as np
import pytest
import reference

from iic_tf.losses import information
from iic_tf.losses.information import most_information


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
