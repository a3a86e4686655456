"""Which class each cluster stands for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from iic_tf.errors import InputError, expected
from iic_tf.metrics.confusion import require_confusion


def one_to_one(confusion: NDArray[np.integer]) -> NDArray[np.int64]:
    """Match clusters and classes one to one so that the most pixels agree.

    Solved exactly by the Hungarian method (Kuhn 1955), in SciPy's implementation.

    Args:
        confusion: counts `[classes, clusters]`, as many clusters as classes.

    Returns:
        int64 `[clusters]`, the class of each cluster; a permutation of 0 to classes − 1.

    Raises:
        InputError: the numbers of classes and clusters differ.

    Examples:
        >>> one_to_one(np.array([[1, 9], [8, 2]])).tolist()
        [1, 0]
    """
    matrix = require_confusion(confusion)
    classes, clusters = matrix.shape
    if classes != clusters:
        raise InputError(
            f"Expected as many clusters as classes to match them one to one; "
            f"received {clusters} clusters and {classes} classes."
        )
    rows, columns = linear_sum_assignment(matrix, maximize=True)
    mapping = np.empty(clusters, np.int64)
    mapping[columns] = rows
    return mapping


def many_to_one(confusion: NDArray[np.integer]) -> NDArray[np.int64]:
    """Give each cluster the class that it overlaps most.

    The mapping should come from other pixels than those scored with it: with enough clusters it
    would otherwise reach any accuracy.

    Args:
        confusion: counts `[classes, clusters]` of the labelled part that the mapping may see.

    Returns:
        int64 `[clusters]`, the class of each cluster. Of classes with equal overlap the first is
        taken. A cluster without any labelled pixel gets the most frequent class, the best guess
        in absence of evidence.

    Examples:
        >>> many_to_one(np.array([[1, 9, 4], [8, 2, 0]])).tolist()
        [1, 0, 0]
    """
    matrix = require_confusion(confusion)
    mapping: NDArray[np.int64] = matrix.argmax(axis=0).astype(np.int64)
    mapping[matrix.sum(axis=0) == 0] = matrix.sum(axis=1).argmax()
    return mapping


def apply_mapping(
    confusion: NDArray[np.integer], mapping: NDArray[np.integer], classes: int
) -> NDArray[np.int64]:
    """Turn counts by class and cluster into counts by true and predicted class.

    Args:
        confusion: counts `[classes, clusters]`.
        mapping: integers `[clusters]`, the class of each cluster, 0 to `classes` − 1.
        classes: the number of rows of `confusion`.

    Returns:
        int64 `[classes, classes]`: rows are true, columns predicted classes.

    Raises:
        InputError: the shapes do not fit or a class in `mapping` is out of range.

    Examples:
        >>> apply_mapping(np.array([[1, 9, 4], [8, 2, 0]]), np.array([1, 0, 0]), 2).tolist()
        [[13, 1], [2, 8]]
    """
    matrix = require_confusion(confusion)
    target = np.asarray(mapping)
    if matrix.shape[0] != classes:
        raise expected(f"a confusion matrix of {classes} rows", matrix.shape, "confusion.shape")
    if target.shape != (matrix.shape[1],) or not np.issubdtype(target.dtype, np.integer):
        raise InputError(
            f"Expected one class index for each of the {matrix.shape[1]} clusters; "
            f"received mapping of shape {target.shape} and type {target.dtype}."
        )
    if target.min() < 0 or target.max() >= classes:
        raise expected(f"class indices 0 to {classes - 1}", target.tolist(), "mapping")
    mapped = np.zeros((classes, classes), np.int64)
    # Unbuffered: several clusters may add to one column.
    np.add.at(mapped.T, target, matrix.T)
    return mapped
