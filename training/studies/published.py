"""What the paper's study of labels found: IIC 2019, supplementary tables 3 and 4, in per cent."""

from __future__ import annotations

CLUSTER_SHARES = (1.0, 0.5, 0.25, 0.125)
"""Shares of the largest number of clusters k."""

LABEL_SHARES = (1.0, 0.5, 0.25, 0.1, 0.01)
"""Shares of the labels of the training part."""

BY_CLUSTERS: dict[str, tuple[tuple[int, float], ...]] = {
    "STL10": ((140, 63.1), (70, 61.4), (35, 59.7), (18, 54.8)),
    "CIFAR10": ((140, 65.0), (70, 62.2), (35, 60.5), (18, 53.7)),
    "CIFAR100-20": ((280, 34.7), (140, 33.1), (70, 30.0), (35, 25.7)),
    "CIFAR100": ((1000, 20.3), (500, 20.3), (250, 19.1), (125, 15.0)),
    "MNIST": ((100, 98.6), (50, 98.6), (25, 98.7), (13, 97.9)),
}
"""Table 3: k and accuracy for each of `CLUSTER_SHARES`, with all labels."""

STL10_BY_LABELS: tuple[tuple[float, ...], ...] = (
    (63.1, 61.0, 58.6, 52.4, 25.5),
    (61.4, 59.8, 59.1, 57.8, 30.7),
    (59.7, 59.2, 58.5, 57.6, 44.1),
    (54.8, 54.8, 54.1, 50.6, 41.3),
)
"""Table 4, top: STL10's accuracies, a row for each of `CLUSTER_SHARES`, for each label share."""

BY_LABELS: dict[str, tuple[int, tuple[float, ...]]] = {
    "STL10": (5000, (63.1, 61.0, 58.6, 52.4, 25.5)),
    "CIFAR10": (50000, (62.9, 62.7, 62.6, 62.0, 53.9)),
    "CIFAR100-20": (50000, (34.5, 34.0, 33.6, 31.9, 20.1)),
    "CIFAR100": (50000, (20.3, 19.2, 17.9, 15.1, 7.43)),
    "MNIST-25": (60000, (98.9, 98.9, 98.9, 98.9, 98.9)),
}
"""Table 4, bottom: how many labels there are, and accuracies for each of `LABEL_SHARES`."""
