"""Run folders of another form, or damaged: one message, and never a wrong model for a right one."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from tiny_run import make_run

from iic_tf.errors import InputError
from iic_tf.training.best_losses import best_losses
from iic_tf.training.model_file import check_model_file
from iic_tf.training.recipe_files import run_recipe
from iic_tf.training.run import Run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return make_run(tmp_path)


def changed(run: Run, **values: object) -> Run:
    config = json.loads(run.config_file.read_text()) | values
    run.config_file.write_text(json.dumps(config))
    return run


@pytest.mark.parametrize("text", ["[1, 2]", "7", "null", '"x"', "{", "[" * 100_000, "\0", ""])
def test_a_configuration_of_another_form(run: Run, text: str) -> None:
    run.config_file.write_text(text)
    with pytest.raises(InputError, match=r"config\.json"):
        run.config()


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("recipe", [1]),
        ("source", "folder"),
        ("seed", None),
        ("seed", 10**20),
        ("channels", "3"),
        ("channels", 10**6),
        ("height", 1e400),
        ("low", 0),
        ("low", [0, 0, float("nan")]),
        ("low", [0, 0]),
        ("high", [[255]]),
        ("high", [-1, -1, -1]),
        ("fill", "grey"),
        ("fill", [0.5, float("nan"), 0.5]),
    ],
)
def test_values_of_another_kind_are_named(run: Run, name: str, wrong: object) -> None:
    with pytest.raises(InputError, match=rf"config\.json; received (low|{name})="):
        changed(run, **{name: wrong}).config()


def test_what_is_missing_is_named_where_it_is_asked_for(run: Run) -> None:
    run.config_file.write_text("{}")
    assert run.config() == {}
    with pytest.raises(InputError, match=r"Expected 'recipe' in .*config\.json; received none"):
        run_recipe(run)


def test_a_recipe_of_absurd_size_in_a_run_is_refused(run: Run) -> None:
    recipe = run.config()["recipe"] | {"width": 1e6}
    with pytest.raises(InputError, match=r"machine has memory for.*width=1e\+06"):
        run_recipe(changed(run, recipe=recipe))


def test_a_flipped_byte_anywhere_is_met_or_changes_nothing(run: Run) -> None:
    whole = run.best.read_bytes()

    def parts(stored: bytes) -> list[bytes]:
        with zipfile.ZipFile(io.BytesIO(stored)) as archive:
            return [archive.read(name) for name in archive.namelist()]

    refused = 0
    for place in np.random.default_rng(1).integers(len(whole), size=60):
        stored = bytearray(whole)
        stored[place] ^= 0x10
        run.best.write_bytes(stored)
        try:
            check_model_file(run.best)
        except InputError as error:
            assert "best.keras" in str(error)  # noqa: PT017 (either answer is right)
            refused += 1
        else:
            # In the archive's own notes, such as a time.
            assert parts(bytes(stored)) == parts(whole)
    assert refused > 45


@pytest.mark.parametrize("junk", [b"", b"PK", b"\0" * 1000, b"{}"])
def test_no_model_at_all(run: Run, junk: bytes) -> None:
    run.best.write_bytes(junk)
    with pytest.raises(InputError, match=r"a readable model in .*best\.keras"):
        run.load_best()


def rewritten(run: Run, **values: object) -> None:
    """The model's file with other values in its configuration."""
    with zipfile.ZipFile(run.best) as archive:
        stored = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(stored["config.json"])
    config["config"] |= values
    stored["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(run.best, "w") as archive:
        for name, content in stored.items():
            archive.writestr(name, content)


@pytest.mark.parametrize("values", [{"width": 1e6}, {"overclusters": 10**9}, {"channels": 10**12}])
def test_a_stranger_s_model_of_absurd_size_is_refused_before_it_is_built(run, values) -> None:
    rewritten(run, **values)
    with pytest.raises(InputError, match="machine has memory for"):
        run.load_best()


@pytest.mark.parametrize("values", [{"width": "x"}, {"width": None}, {"classes": [1]}])
def test_a_stranger_s_model_of_odd_values(run: Run, values: dict[str, object]) -> None:
    rewritten(run, **values)
    with pytest.raises(InputError, match=r"a readable model in .*best\.keras"):
        run.load_best()


@pytest.mark.parametrize("text", ["", "epoch\n1\n", "epoch,main_loss\n1,x\n", "\0", '"\n' * 10])
def test_figures_that_cannot_be_read(run: Run, text: str) -> None:
    run.metrics_file.write_text(text)
    with pytest.raises(InputError, match=r"figures of each epoch in .*metrics\.csv"):
        best_losses(run)
    run.metrics_file.unlink()
    with pytest.raises(InputError, match=r"metrics\.csv"):
        best_losses(run)
