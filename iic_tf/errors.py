"""The errors that users can mend, each with one clear message.

Every message says what was expected, then what came. The command line prints the message alone
and exits with status 2; in user code the classes are ordinary `ValueError`s.
"""

from __future__ import annotations

from pathlib import Path

LONGEST = 300
"""Characters of what came that a message repeats."""


class InputError(ValueError):
    """A value, file or setting given by the user does not fit."""


class UnfinishedError(Exception):
    """A part of what was asked for failed, which the user was told: exit status 1."""


class DataMissingError(InputError):
    """A data set's files are not where they were looked for."""


def require_text(path: Path) -> None:
    """Refuse a path that is no text: TensorFlow writes to none.

    Raises:
        InputError: it has bytes that are no UTF-8, or a zero byte.
    """
    try:
        absolute = str(path.absolute())
        absolute.encode("utf-8")
    except UnicodeEncodeError as error:
        raise expected("a path that is text in UTF-8", repr(str(path))) from error
    if "\0" in absolute:
        raise expected("a path without a zero byte", repr(str(path)))


def expected(what: str, received: object, name: str | None = None) -> InputError:
    """Build the one form of message: `Expected <what>; received <name>=<received>`."""
    came = repr(received) if name is not None else str(received)
    if len(came) > LONGEST:
        came = f"{came[:LONGEST]}… ({len(came)} characters)"
    return InputError(f"Expected {what}; received {came if name is None else f'{name}={came}'}.")
