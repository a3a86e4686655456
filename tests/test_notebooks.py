"""The notebooks, run from their first cell to their last as plain Python, without a kernel."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from documents import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
pytestmark = pytest.mark.skipif(not NOTEBOOKS, reason="needs the checkout's notebooks")

every_notebook = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)

OF_A_MACHINE = re.compile(r"(^|[\s\"'(=])(/(home|root|tmp|work|Users|mnt|data)/|~/|[A-Z]:\\)")


def cells(notebook: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return found


def code(notebook: Path) -> list[str]:
    return ["".join(cell["source"]) for cell in cells(notebook) if cell["cell_type"] == "code"]


@every_notebook
def test_holds_no_outputs(notebook: Path) -> None:
    for cell in cells(notebook):
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None
        assert cell["metadata"] == {}


@every_notebook
def test_holds_no_path_of_a_machine(notebook: Path) -> None:
    for cell in cells(notebook):
        assert not OF_A_MACHINE.search("".join(cell["source"])), cell["id"]


def test_a_path_of_a_machine_is_met() -> None:
    for text in ('Path("/home/me/x")', "cd /work/here", "~/pictures", r"open('C:\x')"):
        assert OF_A_MACHINE.search(text), text


@every_notebook
def test_links_lead_somewhere(notebook: Path) -> None:
    text = "\n".join("".join(c["source"]) for c in cells(notebook) if c["cell_type"] == "markdown")
    targets = re.findall(r"\]\(([^)#]+)", text)
    assert targets
    for target in targets:
        assert (notebook.parent / target).is_file(), target


@every_notebook
def test_runs_and_holds_its_claim(notebook: Path, tmp_path: Path) -> None:
    """The last cell asserts what the notebook claims, and says the figures."""
    *_, claim = code(notebook)
    assert "assert result.accuracy > largest_share" in claim
    program = tmp_path / "cells.py"
    program.write_text("\n".join(code(notebook)), encoding="utf-8")
    environment = {**os.environ, "MPLBACKEND": "Agg", "TF_CPP_MIN_LOG_LEVEL": "3"}
    # Found where this test finds it, from another folder, too.
    environment["PYTHONPATH"] = os.pathsep.join(p for p in sys.path if p)
    run = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", str(program)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    said = re.search(r"learned ([\d.]+), named ([\d.]+), most frequent ([\d.]+)", run.stdout)
    assert said is not None
    learned, named, frequent = map(float, said.groups())
    assert min(learned, named) > frequent
    assert list(tmp_path.glob("*.onnx"))
