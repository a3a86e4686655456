"""`iic-tf agree`: how far runs of several seeds find the same, and what says so."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contract_runs import arguments

from iic_tf.cli import main
from iic_tf.errors import InputError
from iic_tf.training.agreement import Agreement, agreement
from iic_tf.training.run import Run

FEW = ["--set", "epochs=1", "--set", "steps=1"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: Any) -> list[Run]:
    """Of two seeds, and a copy of the first."""
    place = Path(tmp_path_factory.mktemp("agreement"))
    given = arguments(place, "iic", "segmentation", place / "run-0")[:-2]
    found = []
    for seed in (0, 1):
        out = place / f"run-{seed}"
        assert main([*given, *FEW, "--seed", str(seed), "--out", str(out)]) == 0
        found.append(Run.open(out))
    shutil.copytree(found[0].folder, place / "copy")
    return [*found, Run.open(place / "copy")]


def test_a_copy_agrees_wholly_and_the_table_is_kept(runs: list[Run], capsys: Any) -> None:
    assert main(["agree", *(str(run.folder) for run in runs)]) == 0
    said = capsys.readouterr().out
    assert f"{runs[0].folder} agrees most with the others" in said
    for number, run in enumerate(runs):
        kept = json.loads(run.agreement_file.read_text(encoding="utf-8"))
        nmi = np.array(kept["nmi"])
        np.testing.assert_array_equal(nmi, nmi.T)
        assert nmi[0, 2] == pytest.approx(1, abs=1e-9)
        assert nmi[0, 1] == pytest.approx(nmi[1, 2], abs=1e-9)
        assert 0 <= nmi[0, 1] < 0.999
        assert (kept["this"], kept["chosen"], kept["seeds"]) == (number, 0, [0, 1, 0])
        page = (run.folder / "report.html").read_text(encoding="utf-8")
        assert "Agreement of seeds: not measured" not in page
        assert f"{nmi[number, 1]:.3f}" in page


def test_a_class_file_elsewhere_is_no_other_data_and_another_stretch_is(
    runs: list[Run], tmp_path: Path
) -> None:
    def copy_with(name: str, **values: Any) -> Run:
        shutil.copytree(runs[0].folder, tmp_path / name)
        run = Run.open(tmp_path / name)
        config = run.config()
        config["source"] |= values
        run.config_file.write_text(json.dumps(config), encoding="utf-8")
        return run

    assert agreement([runs[0], copy_with("moved", class_file="elsewhere.yaml")]).nmi[0, 1] == (
        pytest.approx(1, abs=1e-9)
    )
    with pytest.raises(InputError, match=r"another --stretch in '.*' \(\[2, 98\]\)"):
        agreement([runs[0], copy_with("other", stretch=[2, 98])])


def test_of_whole_images_likewise(tmp_path: Path) -> None:
    given = arguments(tmp_path, "kmeans", "clustering", tmp_path / "0")[:-2]
    found = []
    for seed in (0, 1):
        assert main([*given, "--seed", str(seed), "--out", str(tmp_path / str(seed))]) == 0
        found.append(Run.open(tmp_path / str(seed)))
    compared = agreement(found)
    assert (compared.places, compared.unit) == (16, "images")
    assert 0 <= compared.nmi[0, 1] <= 1 + 1e-9


def test_the_one_in_the_middle_is_chosen() -> None:
    nmi = np.array([[1, 0.9, 0.1], [0.9, 1, 0.6], [0.1, 0.6, 1]])
    three = tuple(Run(Path(name)) for name in "abc")
    found = Agreement(three, (0, 1, 2), nmi, 100, "pixels")
    np.testing.assert_allclose(found.means, [0.5, 0.75, 0.35])
    assert found.chosen == 1
    assert found.lines()[-1].startswith("b agrees most with the others, on 100 pixels")


def test_what_cannot_be_compared_is_refused(runs: list[Run], tmp_path: Path, capsys: Any) -> None:
    with pytest.raises(InputError, match="Expected at least 2 runs to compare; received 1"):
        agreement(runs[:1])
    with pytest.raises(InputError, match=r"runs of their own; received .* twice"):
        agreement([runs[0], runs[1], runs[0]])
    other = shutil.copytree(runs[0].folder, tmp_path / "other")
    (other / "agreement.json").unlink(missing_ok=True)
    config = json.loads((other / "config.json").read_text(encoding="utf-8"))
    config["recipe"]["downscale"] = 2
    (other / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert main(["agree", str(runs[0].folder), str(other)]) == 2
    assert "received another downscale in" in capsys.readouterr().err
    assert not (other / "agreement.json").exists()
