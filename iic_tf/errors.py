"""The errors that users can mend, each with one clear message.

Every message says what was expected, then what came. The command line prints the message alone
and exits with status 2; in user code the classes are ordinary `ValueError`s.
"""

from __future__ import annotations

LONGEST = 300
"""Characters of what came that a message repeats."""


class InputError(ValueError):
    """A value, file or setting given by the user does not fit."""


class DataMissingError(InputError):
    """A data set's files are not where they were looked for."""


def expected(what: str, received: object, name: str | None = None) -> InputError:
    """Build the one form of message: `Expected <what>; received <name>=<received>`."""
    came = repr(received) if name is not None else str(received)
    if len(came) > LONGEST:
        came = f"{came[:LONGEST]}… ({len(came)} characters)"
    return InputError(f"Expected {what}; received {came if name is None else f'{name}={came}'}.")
