"""The parser made of options at run time: what is given, what is refused, what is shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import pytest

from iic_tf.errors import InputError
from iic_tf.options import Option, Verb, command

TRAIN = [
    Option("data", str, "folder", "DIR", "data"),
    Option("class_file", str, "meaning of masks", "YAML", "data"),
    Option("stretch", tuple[float, float], "percentiles", "LOW HIGH", "data"),
    Option("bands", Literal["RGBIR", "RGB"], "bands", None, "data"),
    Option("out", str, "run folder", "RUN", "run", required=True),
    Option("seed", int, "of every draw", "N", "run", default=0),
    Option("overwrite", bool, "replace a run", None, "run"),
    Option("devices", str, "GPUs", "N|all", "run", default=1),
    Option("rate", float, "learning rate", "R", "recipe"),
    Option("classes", int, "classes to find", "K", "recipe"),
    Option("set", list[str], "any other value", "NAME=VALUE", "recipe"),
]
PREDICT = [
    Option("run", str, "a run folder", "RUN", "arguments", required=True, positional=True),
    Option("images", str, "images", "IMAGES", "arguments", required=True, positional=True),
    Option("out", str, "folder", "DIR", required=True),
    Option("confidence", bool, "maps, too"),
]
NAME = Option("name", str, "show this one", "NAME", "arguments", positional=True)


def run(words: Sequence[str]) -> Any:
    """What the command is given, or None where it only shows something."""
    received: list[dict[str, Any]] = []

    def never() -> list[Option]:
        raise AssertionError("options of another command were asked for")

    def options(name: str, own: list[Option]) -> Any:
        return (lambda: own) if name in words else never

    verbs = [
        Verb("train", "learn", received.append, options("train", TRAIN), "For example:\n  x --y"),
        Verb("predict", "label images", received.append, options("predict", PREDICT)),
        Verb("recipes", "list the recipes", received.append, options("recipes", [NAME])),
    ]
    command("iic-tf", "1.2", "Learn.\n\nFor example:\n  iic-tf train", verbs, words)()
    return received[0] if received else None


@pytest.mark.parametrize(
    ("words", "given"),
    [
        ([], {}),
        (["--data", "a b", "--bands", "RGB"], {"data": "a b", "bands": "RGB"}),
        (["--data", "None"], {"data": "None"}),
        (["--data", ""], {"data": ""}),
        (["--data", "[1]"], {"data": "[1]"}),
        (["--data=-x"], {"data": "-x"}),
        (["--class-file", "c.yaml"], {"class_file": "c.yaml"}),
        (["--stretch", "2", "98"], {"stretch": (2.0, 98.0)}),
        (["--stretch", "-2", "98"], {"stretch": (-2.0, 98.0)}),
        (["--stretch", "2", "98", "--stretch", "1", "99"], {"stretch": (1.0, 99.0)}),
        (["--seed", "-1"], {"seed": -1}),
        (["--seed=3"], {"seed": 3}),
        (["--seed", "0", "--devices", "1"], {"seed": 0, "devices": "1"}),
        (["--devices", "all", "--overwrite"], {"devices": "all", "overwrite": True}),
        (["--rate", "1e30"], {"rate": 1e30}),
        (["--rate", "-1e-4"], {"rate": -1e-4}),
        (["--classes", "2", "--classes", "1"], {"classes": 1}),
        (["--set", "lamb=1.5"], {"set": ["lamb=1.5"]}),
        (["--set=n=-1"], {"set": ["n=-1"]}),
        (
            ["--set", "x={crops: [16], size: 16}", "--set", "turns=[main]", "--set", "a=b, c"],
            {"set": ["x={crops: [16], size: 16}", "turns=[main]", "a=b, c"]},
        ),
        (["--set", "[1]", "--set", "{}"], {"set": ["[1]", "{}"]}),
    ],
)
def test_only_what_was_given_arrives(words: list[str], given: dict[str, Any]) -> None:
    assert run(["train", "--out", "r", *words]) == {"out": "r", **given}
    assert run(["train", *words, "--out", "r"]) == {"out": "r", **given}


@pytest.mark.parametrize(
    "words",
    [
        ["a", "b", "--out", "o", "--confidence"],
        ["--out", "o", "--confidence", "a", "b"],
        ["a", "--out=o", "--confidence", "b"],
    ],
)
def test_options_stand_before_or_behind_positionals(words: list[str]) -> None:
    assert run(["predict", *words]) == {"run": "a", "images": "b", "out": "o", "confidence": True}


def test_a_positional_that_may_be_left_out() -> None:
    assert run(["recipes"]) == {}
    assert run(["recipes", "mnist"]) == {"name": "mnist"}
    assert run(["recipes", "--", "-x"]) == {"name": "-x"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["trian"], "a command among train, predict, recipes; received trian. Did you mean train?"),
        (["--nonsense"], "a command among train, predict, recipes; received --nonsense."),
        (["--seed", "1", "train"], "a command among train, predict, recipes; received --seed."),
        (["train"], "--out RUN; received none."),
        (["train", "--ot", "r"], "an option of train; received --ot. Did you mean --out?"),
        (["train", "--clases", "3"], "received --clases. Did you mean --classes?"),
        (["train", "--out", "r", "--class", "3"], "received --class. Did you mean --classes?"),
        (["train", "--out", "r", "--clas=3"], "received --clas. Did you mean --classes?"),
        (["train", "--out", "r", "-x"], "an option of train; received -x."),
        (["train", "--out", "r", "--no-overwrite"], "an option of train; received --no-overwrite"),
        (["train", "--out", "r", "--overwrite=maybe"], "true or false after --overwrite; received"),
        (["train", "--out", "r", "--set.0", "3"], "an option of train; received --set.0"),
        (["train", "--out"], "a value after --out; received none."),
        (["train", "--out", "r", "--seed"], "a whole number after --seed; received none."),
        (["train", "--out", "r", "--seed", "x"], "a whole number after --seed; received x."),
        (["train", "--out", "r", "--seed", "2.5"], "a whole number after --seed; received 2.5."),
        (["train", "--out", "r", "--seed", "0x10"], "a whole number after --seed; received 0x10."),
        (["train", "--out", "r", "--seed", ""], "a whole number after --seed; received ''."),
        (["train", "--out", "r", "--rate", "high"], "a number after --rate; received high."),
        (["train", "--out", "r", "--stretch", "2"], "2 numbers after --stretch; received 2."),
        (
            ["train", "--out", "r", "--stretch", "2", "--seed", "1"],
            "2 numbers after --stretch; received 2.",
        ),
        (["train", "--out", "r", "--stretch", "2", "x"], "2 numbers after --stretch; received 2 x"),
        (["train", "--out", "r", "--bands", "RG"], "one of RGBIR, RGB after --bands; received RG."),
        (["train", "--out", "r", "--set"], "NAME=VALUE after --set; received none."),
        (["train", "--out", "r", "--data", "--seed", "1"], "a value after --data; received none."),
        (["train", "--out", "r", "more"], "nothing but options after train; received more."),
        (["predict", "a", "--out", "o"], "IMAGES; received none."),
        (["predict", "a", "b", "c", "--out", "o"], "options after predict RUN IMAGES; received c."),
    ],
)
def test_mistakes_are_one_line_in_our_form(words: list[str], said: str) -> None:
    with pytest.raises(InputError) as raised:
        run(words)
    assert str(raised.value).startswith("Expected ")
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_help_of_a_command(capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    for words in (["train", "--help"], ["train", "-h"], ["train", "--out", "r", "--help"]):
        assert run(words) is None
        shown = capsys.readouterr().out
        assert "For example:\n  x --y" in shown
        assert shown.index(" data ") < shown.index(" run ") < shown.index(" recipe ")
        assert "--class-file YAML" in shown
        assert "of every draw [default: 0]" in shown
        assert "[required]" in shown
        assert max(map(len, shown.splitlines())) <= 100


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) is run(["--help"]) is None
    shown = capsys.readouterr().out
    assert "For example:\n  iic-tf train" in shown
    assert shown.index("train  ") < shown.index("predict  ") < shown.index("recipes  ")
    assert run(["--version"]) is None
    assert capsys.readouterr().out == "iic-tf 1.2\n"
