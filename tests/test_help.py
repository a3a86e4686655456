"""Help of every command fits a screen; rare options, and completion, are there when asked for."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

import pytest

from iic_tf.cli import VERBS, main

MOST = 40


@pytest.mark.parametrize("verb", ["", *(verb.name for verb in VERBS)])
def test_help_fits_a_screen(verb: str, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main([word for word in (verb, "--help") if word]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert 3 < len(lines) <= MOST
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("verb", [verb for verb in VERBS if any(o.rare for o in verb.options())])
def test_all_options_are_shown_when_asked_for(verb: Any, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    rare = [option.flag for option in verb.options() if option.rare]
    assert main([verb.name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert f"iic-tf {verb.name} --help-all shows {len(rare)} more options." in shown
    assert not [flag for flag in rare if f"{flag} " in shown]
    assert main([verb.name, "--help-all"]) == 0
    shown = capsys.readouterr().out
    assert not [option.flag for option in verb.options() if f"{option.flag} " not in shown]
    assert "more options" not in shown


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_options(shell: str, capsys: Any) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for word in ("iic-tf", "train", "predict", "smallest-area", "fine-tune-trunk"):
        assert word in script
    if shutil.which(shell):
        checked = subprocess.run([shell, "-n"], input=script, text=True, capture_output=True)
        assert checked.returncode == 0, checked.stderr


def test_a_shell_that_is_none_is_refused(capsys: Any) -> None:
    assert main(["completion", "csh"]) == 2
    assert "Expected one of bash, zsh, fish" in capsys.readouterr().err
