"""The fuzz program on a few of its cases; `benchmarks/fuzz.py` runs them all."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="no benchmarks beside the tests")
def test_no_case_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    for name in ("fuzz", "fuzz_commands", "fuzz_files", "fuzz_folders"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    from fuzz import fuzz

    table = fuzz(2, 12.0, {"command lines": 25, "damaged folders": 2, "files": 15})
    assert table.faults == []
    assert sum(table.ended["files"].values()) >= 15
    assert table.lines()[0].startswith("| | cases | worked |")
