"""Maps brought back to the size of the image."""

import numpy as np
import pytest
import reference
import tensorflow as tf

from iic_tf.networks.resize import enlarge


@pytest.mark.parametrize("factor", [1, 2, 3])
@pytest.mark.parametrize("size", [(12, 15), (11, 13), (10, 14)])
def test_enlarged_cells_stay_centred_on_their_pixels(size, factor):
    rows, columns = (-(-s // factor) for s in size)
    # Every cell holds the centre of its pixels, so that every pixel gets its own place.
    y, x = np.mgrid[:rows, :columns].astype(np.float32) * factor + (factor - 1) / 2
    large = enlarge(tf.constant(np.stack([y, x], axis=-1)[None]), factor, *size).numpy()[0]
    assert large.shape == (*size, 2)
    places = np.stack(np.mgrid[: size[0], : size[1]], axis=-1)
    last = [(rows - 1) * factor + (factor - 1) / 2, (columns - 1) * factor + (factor - 1) / 2]
    held = np.clip(places, (factor - 1) / 2, last)  # constant beyond the outermost centres
    np.testing.assert_allclose(large, held, atol=1e-5)


def test_enlarged_probabilities_sum_to_one():
    maps = reference.similar_maps((2, 5, 6, 4))[0]
    large = enlarge(tf.constant(maps), 2, 9, 12).numpy()
    assert large.shape == (2, 9, 12, 4)
    np.testing.assert_allclose(large.sum(axis=-1), 1, atol=1e-6)
