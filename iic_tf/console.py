"""What is printed where the console has no letters for it, and mistakes as one line."""

from __future__ import annotations

import codecs
import io
import re
import sys

_PLAIN = {
    **{"−": "-", "–": "-", "—": "-", "×": "x", "…": "...", "→": "->", "≥": ">=", "≤": "<="},
    **{"λ": "lambda", "τ": "tau", "²": "^2", "·": "*", "⟨": "<", "⟩": ">", "Σ": "sum"},
    # The bars of cluster shares, eight heights.
    **{bar: str(height) for height, bar in enumerate("▁▂▃▄▅▆▇█", 1)},
}
"""What stands for letters that a console may not have."""

_NAME = "iic_tf_plain"


def _plain(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letters = error.object[error.start : error.end]
    # A stand-in may be no letter of the encoding itself: these are plain ASCII, all of them.
    return "".join(_PLAIN.get(one) or escaped(one) for one in letters), error.end


def escaped(letter: str) -> str:
    """A letter by its number, as Python writes it in text: a backslash, and the number."""
    return letter.encode("unicode_escape").decode("ascii")


def prepare_console() -> None:
    """Let standard output and error show what they can, whatever their encoding.

    Letters that an encoding does not have are written otherwise: a minus as a hyphen, others by
    their number. So are the bytes of file names that are no text.
    """
    codecs.register_error(_NAME, _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_NAME)


def one_line(text: object) -> str:
    """A message in one line; what would steer a terminal is shown by its number."""
    joined = re.sub(r"\s*[\r\n]+\s*", " ", str(text))
    return "".join(c if c.isprintable() else escaped(c) for c in joined)
