"""The documentation: commands can be given, links lead somewhere, pictures are small."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from documents import DOCS, PAGES, ROOT, commands_in, headings, links_in

from iic_tf.cli import ABOUT, VERBS
from iic_tf.data.registry import dataset_names
from iic_tf.errors import InputError
from iic_tf.options import command
from iic_tf.training.methods.registry import methods
from iic_tf.training.recipe_files import recipe_names

pytestmark = pytest.mark.skipif(not DOCS.is_dir(), reason="needs the checkout's docs")

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
OF_GUIDES = {"methods": {"squares"}, "datasets": {"numpy"}}
"""What guides add; their own test runs it."""


@every_page
def test_commands_can_be_given(page: Path) -> None:
    """Each option exists, with a value of its kind, and names are those of something."""
    added = page.parent.name == "guides"
    for words in commands_in(page):
        if added and "numpy" in words:
            continue  # with an option of a data set that the guide adds
        command("iic-tf", "", ABOUT, VERBS, words)
        given = dict(pairwise(words))
        for option, names in (
            ("--method", {*methods(), *(OF_GUIDES["methods"] if added else ())}),
            ("--dataset", set(dataset_names())),
            ("--recipe", set(recipe_names())),
        ):
            value = given.get(option)
            assert value is None or value in names or value.endswith(".yaml"), (option, value)


def test_commands_are_found() -> None:
    assert sum(len(commands_in(page)) for page in PAGES) > 100


def test_a_wrong_command_is_met(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```\niic-tf train --colour 3 --out DIR   # no such option\n```\n")
    (words,) = commands_in(page)
    assert words == ["train", "--colour", "3", "--out", "DIR"]
    with pytest.raises(InputError, match="--colour"):
        command("iic-tf", "", ABOUT, VERBS, words)


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    for target in links_in(page):
        place, _, anchor = target.partition("#")
        file = page if not place else page.parent / place
        assert file.exists(), target
        if anchor:
            assert anchor in headings(file), target


def test_every_page_can_be_reached() -> None:
    """What the site's menu has is there, and the other way round."""
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    # Tags of Python are MkDocs' own.
    menu = yaml.safe_load(re.sub(r"!!python/\S+ ", "", text))["nav"]

    def files(entry: object) -> list[str]:
        if isinstance(entry, dict):
            entry = list(entry.values())
        return [entry] if isinstance(entry, str) else [f for e in entry for f in files(e)]  # type: ignore[attr-defined]

    assert sorted(files(menu)) == sorted(
        page.relative_to(DOCS).as_posix() for page in PAGES if DOCS in page.parents
    )


def test_reference_names_what_there_is() -> None:
    """Of all that `iic_tf` exports something is said."""
    import iic_tf

    text = "\n".join(page.read_text("utf-8") for page in (DOCS / "reference").glob("*.md"))
    for name in set(iic_tf.__all__) - {"__version__"}:
        assert f"`{name}`" in text, name


def test_pictures_are_small() -> None:
    sizes = [f.stat().st_size for f in (DOCS / "pictures").rglob("*") if f.is_file()]
    assert max(sizes) < 160_000
    assert sum(sizes) < 400_000
