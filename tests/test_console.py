"""Consoles of few letters, and mistakes as one line."""

from __future__ import annotations

import io
import sys

import pytest

from iic_tf.cli import main
from iic_tf.console import one_line, prepare_console
from iic_tf.errors import LONGEST, expected


def console(encoding: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("ascii", "-0.69 of 64x64 ... 1258 \\xe9 \\u65e5 \\udcff"),
        ("cp1252", "-0.69 of 64×64 … 1258 é \\u65e5 \\udcff"),
        ("utf-8", "−0.69 of 64×64 … ▁▂▅█ é 日 \\udcff"),
    ],
)
def test_what_a_console_cannot_show_is_written_otherwise(monkeypatch, encoding, shown) -> None:
    out, err = console(encoding), console(encoding)
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    prepare_console()
    for stream in (out, err):
        print("−0.69 of 64×64 … ▁▂▅█ é 日 \udcff", file=stream)
        assert stream.buffer.getvalue().decode(encoding).strip() == shown


def test_lists_and_mistakes_on_an_ascii_console(monkeypatch) -> None:
    out, err = console("ascii"), console("ascii")
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    assert main(["methods"]) == 0
    assert main(["recipes", "日本\udcff\n"]) == 2
    said = err.buffer.getvalue().decode()
    assert said.startswith("iic-tf: Expected a recipe file")
    assert said.count("\n") == 1
    assert "\\u65e5" in said


def test_messages_are_one_line_that_steers_no_terminal() -> None:
    assert one_line("Expected a; received\n  'b'\r\n") == "Expected a; received 'b' "
    assert one_line("\x1b[31mred\0") == "\\x1b[31mred\\x00"
    assert one_line("−×é日") == "−×é日"


def test_messages_do_not_repeat_all_that_came() -> None:
    said = str(expected("a number", "x" * 10_000, "rate"))
    assert len(said) < LONGEST + 100
    assert said.startswith("Expected a number; received rate='xxx")
    assert said.endswith("(10002 characters).")
