"""The report of a run: right figures, escaped, whole in one file, of any run there is."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from iic_tf.cli import main
from iic_tf.errors import InputError
from iic_tf.export.report import report_page, write_report
from iic_tf.export.report.embedded import Embedding
from iic_tf.training.json_files import write_json
from iic_tf.training.meaning import model_mark
from iic_tf.training.run import Run
from iic_tf.training.training_facts import note_begun, note_done, read_facts

VOID = {"meta", "img"}
EVIL = "<script>alert('&\"')</script>"
BOUND = -1.0986122886681098
SHARES = [0.5, 0.3, 0.2]


class Parsed(HTMLParser):
    """Elements that are closed in the order in which they were opened; texts, links, alts."""

    def __init__(self, page: str):
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.alts: list[str | None] = []
        self.names: list[str] = []
        self.cells: list[str] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.names.append(tag)
        self.links += [v for k, v in attrs if k in ("src", "href", "srcset", "action", "data")]
        if tag == "img":
            self.alts.append(values.get("alt"))
        if tag not in VOID:
            self.open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")
            assert tag == "td" or values.get("scope") in ("row", "col")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and {"td", "th"} & set(self.open):
            self.cells[-1] += data


def made(
    folder: Path, task: str = "segmentation", method: str = "iic", epochs: int = 2, asked: int = 2
) -> Run:
    """A run folder of text files, as far as a training comes."""
    config = {
        "recipe": {
            **{"task": task, "method": method, "name": "folder", "classes": 3},
            **{"epochs": asked, "steps": 5, "batch": 4, "downscale": 2},
        },
        "seed": 7,
        "source": {"dataset": "folder", "data": f"/data/{EVIL}"},
        "data": {"images": {"count": 9, "sha256": "ab12", "files": {"a.tif": "5 260×300 17"}}},
        **{"channels": 4, "low": [0.0] * 4, "high": [255.0] * 4, "images": 9},
        "resolution": 0.6,
        "versions": {"iic_tf": "0.1.0", "keras": EVIL},
    }
    run = Run.create(folder / "run", config)
    names = [f"main_share_{i}" for i in range(3)]
    lines = [",".join(["epoch", "seconds", "best", "main_loss", "main_bound", *names])]
    for epoch in range(1, epochs + 1):
        values = [epoch, 10.0 * epoch, 1, -0.1 * epoch, BOUND, *SHARES]
        lines.append(",".join(map(str, values)))
    if epochs:
        run.metrics_file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    run.log_file.write_text(
        f"note: 3 files of {EVIL} left out\nepoch 1/2\n  warning: one cluster of the main head "
        "holds 97% of everything (collapse).\n",
        encoding="utf-8",
    )
    return run


def scored(run: Run, accuracy: float = 0.9274) -> dict:
    """Scores as `iic-tf evaluate` keeps them."""

    def one(iou: float) -> dict:
        line = {"share": 0.6, "precision": 0.5, "recall": 0.75, "iou": iou}
        return {
            **{"accuracy": accuracy - 0.1, "mean_iou": iou, "nmi": 0.31, "ari": 0.21},
            "per_class": [{"name": EVIL, **line}, {"name": "tree", **line, "iou": None}],
        }

    result = {
        **one(0.412),
        "accuracy": accuracy,
        "mapping": "one to one",
        "baselines": {"kmeans": one(0.111), "kmeans_statistics": one(0.222)},
        "largest_class": {"name": EVIL, "share": 0.589},
        "images": 60,
        "protocol": "main head: one to one",
        "confusion": [[30, 10], [0, 0]],
        "sub_head": 1,
        "sub_heads": {"losses": [-0.5, -0.625], "accuracies": [0.61, accuracy]},
        "notes": [f"note of {EVIL}"],
    }
    write_json(run.evaluation_file, result)
    return result


def test_what_evaluation_says_is_on_the_page(tmp_path: Path) -> None:
    run = made(tmp_path)
    scored(run)
    cells = Parsed(report_page(run)).cells
    assert "92.7 %" in cells  # the run
    assert cells.count("82.7 %") == 2  # both kinds of k-means
    assert "58.9 %" in cells  # saying the largest class
    row = cells.index("k-means on local statistics")
    assert cells[row : row + 5] == [
        "k-means on local statistics",
        "82.7 %",
        "0.222",
        "0.310",
        "0.210",
    ]
    # A class beside the baselines: share, recall, precision, IoU, and theirs.
    row = max(i for i, cell in enumerate(cells) if cell == EVIL and cells[i + 1] == "60.0 %")
    assert cells[row + 1 : row + 7] == ["60.0 %", "75.0 %", "50.0 %", "0.412", "0.111", "0.222"]
    # The confusion, of a class that never occurs, too.
    row = cells.index("true class")
    assert cells[row + 3 : row + 9] == [EVIL, "75 %", "25 %", "tree", "—", "—"]
    row = cells.index("1, chosen by its loss")
    assert cells[row + 1 : row + 3] == ["-0.625", "92.7 %"]


def test_what_it_means_and_what_labels_make_of_features_are_on_the_page(tmp_path: Path) -> None:
    run = made(tmp_path)
    result = scored(run)
    row = {"all": 0.871, "images_5": 0.762, "points_50": 0.653}
    linear = {"features": row, "colours": {**row, "all": 0.544}}
    more = {"verdict": [f"the main head gets {EVIL}"], "probe": {"linear": linear}}
    write_json(run.evaluation_file, {**result, **more})
    page = report_page(run)
    cells = Parsed(page).cells
    assert "The main head gets &lt;" in page
    at = cells.index("the trunk's features")
    assert cells[at + 1 : at + 4] == ["65.3 %", "76.2 %", "87.1 %"]
    assert cells[cells.index("colours and their products") + 3] == "54.4 %"


def test_a_run_that_is_no_better_than_what_is_simple_says_so(tmp_path: Path) -> None:
    run = made(tmp_path)
    scored(run, accuracy=0.58)
    assert "this run is no better than that" in report_page(run)
    scored(run, accuracy=0.93)
    assert "no better" not in report_page(run)


def test_texts_from_data_are_escaped_and_nobody_is_asked(tmp_path: Path) -> None:
    run = made(tmp_path)
    scored(run)
    Image.new("RGB", (30, 20), "red").save(run.pictures / "examples.png")
    note_begun(run, f"iic-tf train --data '{EVIL}'", 1)
    page = report_page(run)
    parsed = Parsed(page)
    assert "<script" not in page
    assert page.count("&lt;script&gt;") > 8
    assert parsed.links
    assert all(link.startswith("data:image/") for link in parsed.links)
    assert not re.search(r"https?:|@import|url\(", page)
    assert all(parsed.alts)
    assert parsed.names.count("h1") == 1
    assert "width=device-width" in page
    assert "prefers-color-scheme: dark" in page
    assert "{{" not in page


def test_curves_show_the_lowest_value_and_shares_every_group(tmp_path: Path) -> None:
    page = report_page(made(tmp_path))
    assert "main: −1.099" in page
    assert page.count('class="bound"') == 1
    line = re.search(r'<polyline points="([^"]+)"', page)
    assert line is not None
    (_, first), (_, second) = (map(float, p.split(",")) for p in line[1].split())
    bound = float(re.search(r'y1="([\d.]+)"[^>]*class="bound"', page)[1])  # type: ignore[index]
    # Downwards on the page, evenly by 0.1 an epoch, above the lowest value.
    assert first < second < bound
    assert (bound - second) / (second - first) == pytest.approx((-0.2 - BOUND) / 0.1, abs=0.1)
    assert page.count("<polygon") == 3
    assert "the largest group has 50.0 %, the smallest 20.0 %" in page


@pytest.mark.parametrize("method", ["iic", "infoseg", "deepcluster", "kmeans"])
@pytest.mark.parametrize("task", ["segmentation", "clustering"])
def test_any_method_and_task(tmp_path: Path, task: str, method: str) -> None:
    page = report_page(made(tmp_path, task, method))
    Parsed(page)
    assert f"sorted the {'images' if task == 'clustering' else 'pixels'} of 9 images" in page
    assert ("no data" in page) == (task == "segmentation")
    assert "0.6 m; the network saw 1.2 m" in page or task == "clustering"
    assert "Not evaluated yet" in page
    assert "iic-tf evaluate" in page
    assert "collapse" in page


@pytest.mark.parametrize("epochs", [0, 1])
def test_unfinished_runs(tmp_path: Path, epochs: int) -> None:
    page = report_page(made(tmp_path, epochs=epochs, asked=8))
    Parsed(page)
    assert f"not finished: {epochs} of 8 epochs" in page
    assert ("No epoch was finished" in page) == (epochs == 0)


def test_runs_of_older_versions_and_damaged_files(tmp_path: Path) -> None:
    folder = tmp_path / "old"
    folder.mkdir()
    (folder / "config.json").write_text('{"recipe": {}, "source": {}}', encoding="utf-8")
    run = Run.open(folder)
    Parsed(report_page(run))
    for file in (run.metrics_file, run.evaluation_file, run.tree_file, run.naming_file):
        file.write_bytes(b"\xff{[\x00,")
    run.facts_file.write_text("[1]", encoding="utf-8")
    run.classes_file.write_text("classes: 5", encoding="utf-8")
    run.pictures.mkdir()
    (run.pictures / "found.png").write_bytes(b"no picture")
    page = report_page(run)
    Parsed(page)
    assert "found.png, which cannot be read" in page
    assert "The command was not recorded" in page
    run.config_file.write_text("[", encoding="utf-8")
    with pytest.raises(InputError, match="readable configuration"):
        write_report(run)
    assert not (folder / "report.html").exists()


def test_the_tree_of_this_model_alone_is_shown(tmp_path: Path) -> None:
    run = made(tmp_path)
    run.best.write_bytes(b"a model")
    tree = {"merges": [[0, 1], [2, 3]], "losses": [0.01, 0.25], "shares": SHARES}
    mark = {"head": "main", "sub_head": None, "model": model_mark(run)}
    write_json(run.tree_file, {**mark, **tree})
    page = report_page(run)
    Parsed(page)
    assert "group 2  20.0 %" in page
    assert page.count('class="branch"') == 2
    run.best.write_bytes(b"another model")
    assert "No tree of the groups yet" in report_page(run)


def test_a_page_stays_below_5_mb_and_says_what_is_left_out(tmp_path: Path) -> None:
    run = made(tmp_path)
    scored(run)
    noise = np.random.default_rng(0).integers(0, 256, (1500, 1200, 3), dtype=np.uint8)
    for name in ("examples.png", *(f"examples-{i}.png" for i in range(2, 8)), "confusion.png"):
        Image.fromarray(noise).save(run.pictures / name, compress_level=0)
    page = report_page(run)
    assert 2e6 < len(page.encode()) < 5e6
    assert "for which there was no room" in page
    assert Embedding(room=10).figure([run.pictures / "confusion.png"], "a", "b") == ""


def test_a_training_notes_what_it_cost(tmp_path: Path) -> None:
    run = made(tmp_path)
    note_begun(run, "iic-tf train --out a", 1)
    note_begun(run, "iic-tf train --resume --out a", 2)
    note_done(run, [{"seconds": 5.0}, {"seconds": 10.0}], batch=4, steps=5, epochs=2)
    facts = read_facts(run)
    assert facts["commands"] == ["iic-tf train --out a", "iic-tf train --resume --out a"]
    assert facts["pairs_per_second"] == 4.0  # 2 epochs · 5 steps · 4 pairs in 10 s
    assert 5e7 < facts["peak_memory_bytes"] < 1e12
    assert facts["machine"]["replicas"] == 2
    write_json(run.found_file, {"windows": 16, "no_data": 0.125, "certainty": 0.8})
    cells = Parsed(report_page(run)).cells
    assert "4.0" in cells
    assert "12.5 % of 16 windows drawn from all images" in cells


def test_the_command_writes_it_where_it_is_asked_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = made(tmp_path)
    assert main(["report", str(run.folder)]) == 0
    assert f"written: {run.folder / 'report.html'}" in capsys.readouterr().out
    assert main(["report", str(run.folder), "--out", str(tmp_path / "a/b.html")]) == 0
    assert (tmp_path / "a/b.html").read_text() == (run.folder / "report.html").read_text()
    assert main(["report", str(run.folder), "--out", str(tmp_path)]) == 2
    assert "received the folder" in capsys.readouterr().err
    assert main(["report", str(tmp_path / "none")]) == 2
    assert json.loads(run.config_file.read_text())["seed"] == 7
