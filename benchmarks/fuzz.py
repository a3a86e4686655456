"""Wrong command lines, damaged run folders and odd files: each must end in one line, or work.

    python benchmarks/fuzz.py --seconds 900

runs 500 command lines, 100 damaged run folders (each evaluated, predicted, exported and resumed)
and 200 damaged image files in this process, and prints a table of how they ended. A case is a
fault where it ends in a traceback, says more or other than one line `iic-tf: ...`, takes longer
than `LIMIT`, leaves something behind, or takes a damaged model for a whole one. The exit status is
1 where there is any. Cases are drawn from all that there are by `--seed`; where `--seconds` end
first, the table says how many were left out.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LIMIT = 60
"""Seconds that a case may take."""

KINDS = ("command lines", "damaged folders", "files")
COUNTS = {"command lines": 500, "damaged folders": 100, "files": 200}
ENCODINGS = ("utf-8", "cp1252", "ascii")


@dataclass(frozen=True)
class Case:
    """One thing to try.

    Attributes:
        name: what it is, for the report.
        words: of the command line; none for files, which are loaded by `load`.
        prepare: makes what the case needs.
        tidy: takes away what the case may leave.
        load: instead of a command.
        may_work: whether the status may be 0.
    """

    name: str
    words: tuple[str, ...] = ()
    prepare: Callable[[], Any] | None = None
    tidy: Callable[[], Any] | None = None
    load: Callable[[], Any] | None = None
    may_work: bool = True
    may_change: tuple[str, ...] = ()


@dataclass
class Table:
    """How the cases of each kind ended."""

    ended: dict[str, Counter[str]] = field(default_factory=lambda: {k: Counter() for k in KINDS})
    faults: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """A table of counts in Markdown."""
        columns: tuple[str, ...] = (
            "worked",
            "one line",
            "traceback",
            "other words",
            "too long",
            "left behind",
        )
        columns += ("not noticed", "not tried")
        lines = [f"| | cases | {' | '.join(columns)} |", f"|{'---|' * (len(columns) + 2)}"]
        for kind, counts in self.ended.items():
            tried = sum(counts.values()) - counts["not tried"] - counts["left behind"]
            cells = [str(counts[column]) for column in columns]
            lines.append(f"| {kind} | {tried} | {' | '.join(cells)} |")
        return lines


class TooLongError(BaseException):
    """A case took longer than `LIMIT`; no ordinary error, so that nobody takes it for one."""


@contextlib.contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise `TooLongError` in the body after so many seconds."""

    def stop(number: int, frame: Any) -> None:
        raise TooLongError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class Console(io.TextIOWrapper):
    """A stream of an encoding that refuses what it has no letters for, as a terminal's does."""

    def __init__(self, encoding: str):
        super().__init__(io.BytesIO(), encoding=encoding, errors="strict", write_through=True)

    def text(self) -> str:
        """What was written."""
        buffer: Any = self.buffer
        return str(buffer.getvalue().decode(self.encoding, "replace"))


def attempt(case: Case, encoding: str) -> tuple[str, str]:
    """Run a case; how it ended, and what is to be told of that."""
    out, err = Console(encoding), Console(encoding)
    status: Any = 0
    try:
        with limited(LIMIT), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            if case.load is not None:
                from iic_tf.errors import InputError

                try:
                    case.load()
                except InputError as error:
                    status = 2
                    print(f"iic-tf: {str(error).encode(encoding, 'replace')!r}", file=err)
            else:
                from iic_tf.cli import main

                status = main(list(case.words))
    except TooLongError:
        return "too long", ""
    except (Exception, SystemExit):
        return "traceback", traceback.format_exc(limit=-6)
    said = [line for line in err.text().splitlines() if line.strip()]
    if status == 0:
        return ("worked", "") if case.may_work else ("not noticed", out.text()[-300:])
    if status == 2 and len(said) == 1 and said[0].startswith("iic-tf: "):
        return "one line", said[0]
    if status == 2 and not case.words:
        return "one line", ""
    return "other words", f"status {status}: " + "\n".join(said)[-600:]


def tree(folder: Path) -> set[str]:
    """All that lies in a folder."""
    found = set()
    for place, folders, files in os.walk(folder):
        found |= {os.path.relpath(os.path.join(place, name), folder) for name in folders + files}
    return found


def run(kind: str, cases: list[Case], work: Path, until: float, table: Table, loud: bool) -> None:
    """Try the cases of one kind in a folder, until the time is up."""
    encodings = itertools.cycle(ENCODINGS)
    for number, case in enumerate(cases):
        if time.monotonic() > until:
            table.ended[kind]["not tried"] += len(cases) - number
            break
        if case.prepare is not None:
            case.prepare()
        before, encoding = tree(work), next(encodings)
        ended, told = attempt(case, encoding)
        table.ended[kind][ended] += 1
        left = sorted(tree(work) - before)
        if ended == "worked":
            left = [name for name in left if Path(name).name.startswith(".") and "tmp" in name]
        left = (
            [name for name in left if not name.startswith(case.may_change)]
            if (case.may_change)
            else left
        )
        if "a finite loss" in told:
            # Met in training: the run stays, as its last good checkpoint does.
            left = []
        if left:
            table.ended[kind]["left behind"] += 1
        if left or ended not in ("worked", "one line"):
            table.faults.append(f"{kind}: {case.name} ({encoding}): {ended} {left[:5]}\n{told}")
            print(table.faults[-1], file=sys.__stdout__, flush=True)
        elif loud:
            print(f"{kind}: {case.name}: {ended} {told}", file=sys.__stdout__, flush=True)
        for name in sorted(tree(work) - before, reverse=True):
            gone = work / name
            if gone.is_dir() and not gone.is_symlink():
                shutil.rmtree(gone, ignore_errors=True)
            else:
                gone.unlink(missing_ok=True)
        if case.tidy is not None:
            case.tidy()


def fuzz(
    seed: int, seconds: float, counts: dict[str, int], loud: bool = False, verbs: int = 4
) -> Table:
    """Draw and try cases; the table."""
    from fuzz_commands import commands
    from fuzz_files import files
    from fuzz_folders import folders, made_data, made_run

    until, table = time.monotonic() + seconds, Table()
    started = os.getcwd()
    with tempfile.TemporaryDirectory(prefix="iic-tf-fuzz-") as name:
        work = Path(name)
        os.chdir(work)
        try:
            made_data(work)
            if counts["command lines"] or counts["damaged folders"]:
                made_run(work)
            for kind, make in (
                ("files", files),
                ("command lines", commands),
                ("damaged folders", folders),
            ):
                cases = make(work, seed, counts[kind])
                run(kind, cases, work, until, table, loud)
        finally:
            os.chdir(started)
    return table


def main() -> int:
    """Run the program of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0, help="of which cases are drawn")
    parser.add_argument("--seconds", type=float, default=900, help="all of it takes no longer")
    parser.add_argument("--only", choices=KINDS, help="one kind")
    parser.add_argument("--part", type=float, default=1.0, help="of the counts")
    parser.add_argument("--loud", action="store_true", help="also tell of what went well")
    given = parser.parse_args()
    # A case that asks for the whole memory must not take the machine along.
    resource.setrlimit(resource.RLIMIT_DATA, (12 << 30, resource.RLIM_INFINITY))
    counts = {
        kind: int(count * given.part) if given.only in (None, kind) else 0
        for kind, count in COUNTS.items()
    }
    started = time.monotonic()
    table = fuzz(given.seed, given.seconds, counts, given.loud)
    print(f"\nseed {given.seed}, {time.monotonic() - started:.0f} s\n")
    print("\n".join(table.lines()))
    print(f"\n{len(table.faults)} faults")
    return 1 if table.faults else 0


if __name__ == "__main__":
    sys.exit(main())
