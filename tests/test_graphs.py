"""`iic_tf.graphs`: what is traced is the code that was written."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import numpy as np
import tensorflow as tf

import iic_tf.export
import iic_tf.training
from iic_tf.annotations import Batch
from iic_tf.data.array_scene import from_arrays
from iic_tf.graphs import as_graph, as_written
from iic_tf.views.pairs import Pairs

FOLDERS = [Path(str(part.__file__)).parent for part in (iic_tf, iic_tf.training, iic_tf.export)]


def _file_of_this_frame(seen: list[str]) -> None:
    frame = inspect.currentframe()
    assert frame is not None
    seen.append(frame.f_code.co_filename)


def test_a_graph_is_of_the_function_itself_and_of_what_it_calls() -> None:
    seen: list[str] = []

    def doubled(x: tf.Tensor) -> tf.Tensor:
        _file_of_this_frame(seen)
        return 2 * x

    assert float(as_graph(doubled)(tf.constant(3.0))) == 6
    assert seen == [__file__]


def test_without_it_tensorflow_would_rewrite_the_source() -> None:
    seen: list[str] = []

    def doubled(x: tf.Tensor) -> tf.Tensor:
        _file_of_this_frame(seen)
        return 2 * x

    tf.function(doubled)(tf.constant(3.0))
    assert seen != [__file__]


def test_batches_of_other_sizes_share_a_graph() -> None:
    traced = []

    @as_graph  # type: ignore[untyped-decorator]
    def total(x: tf.Tensor) -> tf.Tensor:
        traced.append(x.shape)
        return tf.reduce_sum(x)

    assert [float(total(tf.ones(size))) for size in (2, 3, 4, 5)] == [2, 3, 4, 5]
    assert len(traced) == 2


def test_data_sets_trace_what_was_written() -> None:
    seen: list[str] = []

    def load(number: tf.Tensor) -> tf.Tensor:
        _file_of_this_frame(seen)
        return number + 1

    found = list(tf.data.Dataset.range(3).map(as_written(load)).as_numpy_iterator())
    np.testing.assert_array_equal(found, [1, 2, 3])
    assert seen == [__file__]


def test_pairs_as_data_sets_are_traced_as_written() -> None:
    seen: list[str] = []

    class Watched(Pairs):
        def _views(self, drawn: Batch) -> Batch:
            _file_of_this_frame(seen)
            return super()._views(drawn)

    images = [np.zeros((12, 12, 3), np.uint8)]
    pairs = Watched(from_arrays(images), crop=8, batch=2, steps=1)
    assert len(list(pairs.dataset(0, 1))) == 1
    assert set(seen) == {__file__}


def test_nothing_else_in_the_package_makes_graphs() -> None:
    """A graph by `tf.function` would be rewritten in silence."""
    files = {file for folder in FOLDERS for file in folder.rglob("*.py")}
    assert len(files) > 400
    found = [
        f"{file.name}: {line.strip()}"
        for file in files
        if file.name != "graphs.py"
        for line in file.read_text(encoding="utf-8").splitlines()
        if re.search(r"tf\.function\(|@tf\.function", line)
    ]
    assert not found
