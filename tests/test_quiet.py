"""What TensorFlow's C++ parts write past Python is not shown, unless the user asked for it."""

from __future__ import annotations

import os

import pytest
import tensorflow as tf

from iic_tf import quiet


def shown(capfd: pytest.CaptureFixture[str]) -> str:
    with quiet.without_notes():
        os.write(2, b"a note\n")
    os.write(2, b"an error\n")
    return capfd.readouterr().err


def test_notes_are_silenced_and_what_comes_later_is_not(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quiet, "_chosen_here", False)
    # Also the second time, when the level is one that was set here.
    monkeypatch.setenv(quiet._LEVEL, "0")  # so that it is as before afterwards
    monkeypatch.delenv(quiet._LEVEL)
    assert [shown(capfd) for _ in range(2)] == ["an error\n"] * 2
    assert os.environ[quiet._LEVEL] == "2"


def test_a_level_of_the_users_is_kept(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quiet, "_chosen_here", False)
    monkeypatch.setenv(quiet._LEVEL, "0")
    assert shown(capfd) == "a note\nan error\n"
    assert os.environ[quiet._LEVEL] == "0"


def test_a_process_without_that_descriptor_shows_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(_: int) -> int:
        raise OSError("bad file descriptor")

    monkeypatch.setattr(quiet, "_chosen_here", True)
    monkeypatch.setattr(os, "dup", closed)
    with quiet.without_notes():
        pass


def test_halves_are_met_unheard(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quiet, "_chosen_here", True)
    met = []

    def cast(value: tf.Tensor, dtype: tf.DType) -> None:
        met.append((value.dtype, dtype))
        os.write(2, b"a note\n")  # which TensorFlow itself writes but once in a process

    monkeypatch.setattr(tf, "cast", cast)
    quiet.meet_halves()
    assert met == [(tf.float16, tf.float32)]
    assert capfd.readouterr().err == ""
