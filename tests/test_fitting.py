"""What methods fit beside the steps: which features they are fitted to."""

from __future__ import annotations

import numpy as np

from iic_tf.models.fitting import drawn_rows


def parts(count: int = 50, rows: int = 20) -> list[np.ndarray]:
    return list(np.arange(count * rows, dtype=np.float32).reshape(count, rows, 1))


def test_all_rows_where_there_are_no_more() -> None:
    drawn = drawn_rows(parts(), 1000, np.random.default_rng(0))
    np.testing.assert_array_equal(drawn, np.concatenate(parts()))


def test_so_many_rows_each_once_and_in_order() -> None:
    for most in (1, 7, 500, 999):
        drawn = drawn_rows(iter(parts()), most, np.random.default_rng(0))[:, 0]
        assert len(drawn) == most
        assert (np.diff(drawn) > 0).all()


def test_each_row_is_as_likely() -> None:
    """Of 1,000 rows 100, 400 times: each fifth has a fifth of them."""
    drawn = [drawn_rows(parts(), 100, np.random.default_rng(i)) for i in range(400)]
    shares = np.histogram(np.concatenate(drawn), 5, (0, 1000))[0] / 40_000
    np.testing.assert_allclose(shares, 0.2, atol=0.01)


def test_empty_parts_are_passed_over() -> None:
    empty = np.zeros((0, 1), np.float32)
    drawn = drawn_rows([empty, *parts(2, 3), empty], 4, np.random.default_rng(0))
    assert drawn.shape == (4, 1)
