"""Values computed once with other people's code, which are not part of the repository."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest


def golden(name):
    """The arrays of `golden/<name>` beside the folder of the real data; skips where absent.

    The data is looked for where the environment variable IIC_TF_DATA says, else in `shared/data`
    beside the repository.
    """
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    path = Path(os.environ.get("IIC_TF_DATA", beside)).parent / "golden" / name
    if not path.is_file():
        pytest.skip(f"needs golden/{name} beside the folder of the real data (set IIC_TF_DATA)")
    return np.load(path)
