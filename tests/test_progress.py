"""Bars: on a terminal only, gone in the end, and out of the way of what is printed."""

from __future__ import annotations

import io
import re
import sys

import pytest
from rich.console import Console

from iic_tf.training import progress as progress_module
from iic_tf.training.progress import clock, progress, track

HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"


class Terminal(io.StringIO):
    """What was written to it; `screen` is what one would see."""

    def isatty(self) -> bool:
        return True

    def screen(self) -> list[str]:
        lines, row, column = [""], 0, 0
        for part in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", self.getvalue()):
            if part == "\r":
                column = 0
            elif part == "\n":
                row, column = row + 1, 0
                lines += [""] * (row + 1 - len(lines))
            elif part.startswith("\x1b"):
                count = int(part[2:-1]) if part[2:-1].isdigit() else 1
                if part[-1] == "A":
                    row -= count
                elif part[-1] == "K":
                    assert part == "\x1b[2K"
                    lines[row] = ""
            else:
                lines[row] = (
                    lines[row][:column].ljust(column) + part + lines[row][column + len(part) :]
                )
                column += len(part)
        return [line.rstrip() for line in lines]


@pytest.fixture
def terminal(monkeypatch) -> Terminal:
    file = Terminal()
    console = Console(file=file, force_terminal=True, width=100, soft_wrap=True, _environ={})
    monkeypatch.setattr(progress_module, "terminal", lambda: console)
    return file


def refresh() -> None:
    """Draw now, not a quarter of a second later."""
    assert progress_module._shown is not None
    progress_module._shown.refresh()


def test_count_time_spent_and_time_left_are_shown(terminal, monkeypatch):
    now = [0.0]
    console = progress_module.terminal()
    monkeypatch.setattr(console, "get_time", lambda: now[0])
    with progress("labelling", 10) as bar:
        refresh()
        assert terminal.screen()[-1].startswith("labelling ")
        assert terminal.screen()[-1].endswith("0/10  0:00")
        for _ in range(4):
            now[0] += 20
            bar.advance()
        bar.note("loss 1.5000")
        refresh()
        assert terminal.screen()[-1].endswith("4/10  1:20, 2:00 left  loss 1.5000")
        bar.advance(6)
        refresh()
        assert terminal.screen()[-1].endswith("10/10  1:20  loss 1.5000")


def test_without_a_total_the_time_spent_is_shown(terminal):
    with progress("loading the model"):
        refresh()
        assert terminal.screen()[-1].startswith("loading the model ")
        assert terminal.screen()[-1].endswith(" 0:00")


def test_nothing_is_left_on_the_screen(terminal, monkeypatch):
    monkeypatch.setattr(sys, "stdout", terminal)
    for _ in track(range(3), "reading"):
        refresh()
    assert "reading" in terminal.getvalue()
    assert "".join(terminal.screen()) == ""
    assert terminal.getvalue().count(HIDE) == terminal.getvalue().count(SHOW) == 1
    assert sys.stdout is terminal


def test_lines_appear_above_the_bar_and_stay_whole(terminal, monkeypatch):
    monkeypatch.setattr(sys, "stdout", terminal)
    long = "epoch 1/2  " + "a long line " * 15 + "[bold] {end}"
    with progress("epoch 1/2", 2) as bar:
        refresh()
        print("first", flush=True)
        bar.advance()
        print(long, flush=True)
        refresh()
        assert [line for line in terminal.screen() if line][:2] == ["first", long]
        assert terminal.screen()[-1].startswith("epoch 1/2 ")
        assert "1/2  0:00" in terminal.screen()[-1]
    assert [line for line in terminal.screen() if line] == ["first", long]


def test_lines_for_a_file_go_there(terminal, monkeypatch):
    file = io.StringIO()
    monkeypatch.setattr(sys, "stdout", file)
    with progress("epoch 1/2", 2):
        refresh()
        print("a line", flush=True)
    assert file.getvalue() == "a line\n"
    assert "a line" not in terminal.getvalue()


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_whatever_stops_it_leaves_the_terminal_as_it_was(terminal, monkeypatch, error):
    monkeypatch.setattr(sys, "stdout", terminal)

    def work() -> None:
        with progress("outer", 2):
            for _ in track(range(5), "inner"):
                refresh()
                raise error

    with pytest.raises(error):
        work()
    assert terminal.getvalue().count(HIDE) == terminal.getvalue().count(SHOW) == 1
    assert terminal.getvalue().rindex(SHOW) > terminal.getvalue().rindex(HIDE)
    assert "".join(terminal.screen()) == ""
    assert sys.stdout is terminal
    assert progress_module._shown is None


def test_bars_within_bars_stand_below_one_another(terminal):
    for i in track(range(2), "images"):
        for _ in track(range(3), "windows [a]"):
            refresh()
            shown = [line for line in terminal.screen() if line]
            assert [line.split(" ")[0] for line in shown] == ["images", "windows"]
            assert f"{i}/2" in shown[0]
            assert shown[1].startswith("windows [a]")
        refresh()
        assert [line.split(" ")[0] for line in terminal.screen() if line] == ["images"]


def test_no_line_is_wider_than_a_narrow_terminal(terminal, monkeypatch):
    console = Console(file=terminal, force_terminal=True, width=40, soft_wrap=True, _environ={})
    monkeypatch.setattr(progress_module, "terminal", lambda: console)
    with progress("something with a long name of its own", 1000) as bar:
        bar.note("loss 1.5000")
        refresh()
        assert all(len(line) <= 40 for line in terminal.screen())


def test_without_a_terminal_nothing_is_written(capsys):
    assert progress_module.terminal() is None
    assert list(track([1, 2], "reading")) == [1, 2]
    with progress("labelling", 2) as bar:
        bar.advance()
        bar.note("loss")
        print("a line")
    read = capsys.readouterr()
    assert (read.out, read.err) == ("a line\n", "")


@pytest.mark.parametrize(
    ("environment", "shown"), [({"TERM": "xterm"}, True), ({"TERM": "dumb"}, False)]
)
def test_which_terminals_are_written_to(monkeypatch, environment, shown):
    for name in ("TERM", "TTY_COMPATIBLE", "FORCE_COLOR", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert (progress_module.terminal() is not None) == shown


def test_a_generator_has_no_length_unless_told(terminal):
    for _ in track((i for i in range(3)), "reading"):
        refresh()
        assert "/" not in terminal.screen()[-1]
    for _ in track((i for i in range(3)), "reading", 3):
        refresh()
        assert "/3" in terminal.screen()[-1]


def test_clock():
    assert [clock(s) for s in (0, 59.9, 60, 3723)] == ["0:00", "0:59", "1:00", "62:03"]
