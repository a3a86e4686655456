"""What is told of an epoch: its line, and no bar that outlives it."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from iic_tf.models.self_supervised import Monitor
from iic_tf.training import progress as progress_module
from iic_tf.training.epoch_progress import Progress


@pytest.fixture
def terminal(monkeypatch) -> io.StringIO:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=100, soft_wrap=True, _environ={})
    monkeypatch.setattr(progress_module, "terminal", lambda: console)
    return file


def test_the_bar_counts_steps_and_goes_before_the_line_comes(terminal):
    lines = []

    def say(line: str) -> None:
        assert progress_module._shown is None
        lines.append(line)

    callback = Progress(say, epochs=2, steps=3)
    for epoch in range(2):
        callback.on_epoch_begin(epoch)
        for step in range(3):
            callback.on_train_batch_end(step, {"loss": -0.5})
        assert progress_module._shown is not None
        progress_module._shown.refresh()
        assert f"epoch {epoch + 1}/2" in terminal.getvalue()
        monitor = Monitor(losses=[-0.75], bound=-1.0, shares=[[0.97, 0.03]])
        callback.on_epoch_end(epoch, {"monitors": {"main": monitor}, "is_lowest": epoch == 1})
    assert "3/3  0:00  loss -0.5000" in terminal.getvalue()
    assert [line.startswith("epoch ") for line in lines] == [True, False] * 2
    assert "main -0.750 of −1.00  shares █▁ (largest 0.97)" in lines[0]
    assert [line.endswith("best so far") for line in lines[::2]] == [False, True]
    assert "(collapse)" in lines[1]


def test_closing_takes_the_bar_of_a_broken_epoch_away(terminal):
    callback = Progress(print, epochs=2, steps=3)
    callback.close()
    callback.on_epoch_begin(0)
    callback.on_train_batch_end(0, {"loss": 1.0})
    callback.close()
    callback.close()
    assert progress_module._shown is None
    assert terminal.getvalue().count("\x1b[?25h") == 1
