"""Keras with other settings than this package needs: made right, or one line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

from iic_tf.backend import load_keras, require_no_limits
from iic_tf.errors import InputError


def start(home: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command with another home of Keras."""
    return subprocess.run(
        [sys.executable, *words],
        env={**os.environ, "KERAS_HOME": str(home), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_other_settings_are_made_right_for_this_process(tmp_path: Path) -> None:
    settings = {"backend": "jax", "floatx": "float16", "image_data_format": "channels_first"}
    (tmp_path / "keras.json").write_text(json.dumps(settings))
    program = (
        "import iic_tf, keras; c = keras.config; "
        "print(c.backend(), c.floatx(), c.image_data_format(), c.dtype_policy().name)"
    )
    done = start(tmp_path, "-c", program, KERAS_BACKEND="torch")
    assert done.stdout.split() == ["tensorflow", "float32", "channels_last", "float32"], done.stderr
    assert json.loads((tmp_path / "keras.json").read_text()) == settings


@pytest.mark.parametrize("wrong", [[1], {"floatx": "float8"}, {"epsilon": None}])
def test_a_keras_json_that_keras_refuses_is_one_line(tmp_path: Path, wrong: object) -> None:
    (tmp_path / "keras.json").write_text(json.dumps(wrong))
    done = start(tmp_path, "-m", "iic_tf.cli", "recipes")
    assert done.returncode == 2
    assert done.stderr.startswith(f"iic-tf: Expected settings of Keras in {tmp_path}")
    assert done.stderr.count("\n") == 1


def test_keras_that_was_loaded_before_with_other_settings_is_refused() -> None:
    before = keras.config.floatx()
    keras.config.set_floatx("float16")
    try:
        with pytest.raises(InputError, match=r"floatx float32.*received floatx float16 \(not"):
            load_keras()
    finally:
        keras.config.set_floatx(before)
    load_keras()


def test_limits_of_keras_end_no_training_early(tmp_path: Path) -> None:
    require_no_limits()
    keras.config.set_max_steps_per_epoch(2)
    try:
        with pytest.raises(InputError, match="received KERAS_MAX_STEPS_PER_EPOCH=2"):
            require_no_limits()
    finally:
        keras.config.set_max_steps_per_epoch(None)
    done = start(tmp_path, "-m", "iic_tf.cli", "recipes", KERAS_MAX_EPOCHS="two")
    assert done.returncode == 2
    assert done.stderr == (
        "iic-tf: Expected a whole number in KERAS_MAX_EPOCHS, or none; received 'two'.\n"
    )
