"""The count of pixels by true class and predicted cluster, from which every score follows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from iic_tf.data.scene import IGNORE
from iic_tf.errors import InputError, expected


def confusion_matrix(
    truth: NDArray[np.integer],
    predicted: NDArray[np.integer],
    classes: int,
    clusters: int,
) -> NDArray[np.int64]:
    """Count the labelled pixels (or images) by true class and predicted cluster.

    The result is additive: the matrix of an image is the sum of the matrices of its windows.

    Args:
        truth: integers of any shape, 0 to `classes` − 1, or `IGNORE` where nothing is counted.
        predicted: integers of the same shape, 0 to `clusters` − 1; not looked at where `truth`
            is `IGNORE`.
        classes: number of rows, at least 1.
        clusters: number of columns, at least 1.

    Returns:
        int64 `[classes, clusters]`.

    Raises:
        InputError: shapes differ, an array is not of integers or a value is out of its range.

    Examples:
        >>> confusion_matrix(np.array([0, 0, 1, -1]), np.array([1, 1, 0, 0]), 2, 2).tolist()
        [[0, 2], [1, 0]]
    """
    if classes < 1 or clusters < 1:
        raise expected("at least 1 class and 1 cluster", (classes, clusters), "(classes, clusters)")
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    if truth.shape != predicted.shape:
        raise InputError(
            f"Expected truth and predicted of one shape; "
            f"received {truth.shape} and {predicted.shape}."
        )
    for name, array in (("truth", truth), ("predicted", predicted)):
        # An empty list becomes float64 in NumPy, and there is nothing in it to be wrong.
        if array.size and not np.issubdtype(array.dtype, np.integer):
            raise expected(f"integers in {name}", str(array.dtype), f"{name}.dtype")
    counted = truth != IGNORE
    # int64 before the multiplication below, which would overflow in uint8.
    rows = truth[counted].astype(np.int64)
    columns = predicted[counted].astype(np.int64)
    _check_range(rows, classes, f"class indices 0 to {classes - 1}, or {IGNORE}, in truth")
    _check_range(columns, clusters, f"cluster indices 0 to {clusters - 1} in predicted")
    counts = np.bincount(rows * clusters + columns, minlength=classes * clusters)
    return counts.astype(np.int64, copy=False).reshape(classes, clusters)


def require_confusion(confusion: NDArray[np.integer]) -> NDArray[np.int64]:
    """The matrix as int64 `[classes, clusters]`.

    Raises:
        InputError: it is not a matrix of counts, 0 or more, with at least one row and column.
    """
    matrix = np.asarray(confusion)
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise expected("a confusion matrix [classes, clusters]", matrix.shape, "confusion.shape")
    if not np.issubdtype(matrix.dtype, np.integer):
        raise expected("a confusion matrix of integers", str(matrix.dtype), "confusion.dtype")
    if matrix.min() < 0:
        raise expected("counts of 0 or more in the confusion matrix", int(matrix.min()), "minimum")
    return matrix.astype(np.int64, copy=False)


def _check_range(values: NDArray[np.int64], count: int, what: str) -> None:
    if values.size and (values.min() < 0 or values.max() >= count):
        raise InputError(f"Expected {what}; received {values.min()} to {values.max()}.")
