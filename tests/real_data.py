"""Real images, which are not part of the repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def shared_data(name: str) -> Path:
    """The folder `name` of the real data; skips the test where it is not there.

    Looked for in the folder that the environment variable IIC_TF_DATA names, else in
    `shared/data` beside the repository.
    """
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("IIC_TF_DATA", beside)) / name
    if not folder.is_dir():
        pytest.skip(f"needs the real data set '{name}' (set IIC_TF_DATA)")
    return folder
