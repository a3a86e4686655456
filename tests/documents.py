"""What the documentation holds, for the tests of it: blocks, commands, links, headings."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = [*sorted(DOCS.rglob("*.md")), *(p for p in [ROOT / "README.md"] if p.is_file())]

FENCE = re.compile(
    r"^(?:<!-- (?P<mark>[^\n]*?) -->\n)?"
    r"(?P<space> *)```(?P<kind>\w*)\n(?P<text>.*?)^(?P=space)```$",
    re.MULTILINE | re.DOTALL,
)
STANDS_FOR = {"K": "3", "N": "5", "F": "2", "FILE": "file.csv", "FORMAT": "onnx"}
"""Values in the place of what stands for one in commands."""


@dataclass(frozen=True)
class Block:
    """A fenced block: what the comment above it says, its language, and its lines."""

    mark: str
    kind: str
    text: str


@cache
def blocks_in(page: Path) -> tuple[Block, ...]:
    text = page.read_text(encoding="utf-8")
    return tuple(Block(m["mark"] or "", m["kind"], m["text"]) for m in FENCE.finditer(text))


def commands_of(text: str) -> list[list[str]]:
    """The arguments of every `iic-tf` in lines of a shell."""
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        head, command, rest = line.partition("iic-tf ")
        # In front there may be a prompt's indent or a variable, as TF_CONFIG.
        if not command or (head.strip() and "=" not in head):
            continue
        found.append([STANDS_FOR.get(word, word) for word in shlex.split(rest, comments=True)])
    return found


def commands_in(page: Path) -> list[list[str]]:
    """Of a page: those of fenced and of indented blocks, and in a sentence or a table."""
    text = page.read_text(encoding="utf-8")
    shown = [block.text for block in blocks_in(page) if block.kind in ("", "bash")]
    rest = FENCE.sub("", text)
    indented = "\n".join(re.findall(r"(?:^    .*\S.*\n)+", rest, re.MULTILINE))
    whole = [found for block in (*shown, indented) for found in commands_of(block)]
    words = [w for span in re.findall(r"`(iic-tf [^`]+)`", rest) for w in commands_of(span)]
    # In a sentence a command may be half of one: those that say where they write are whole.
    return whole + [w for w in words if "--out" in w]


def links_in(page: Path) -> list[str]:
    """The targets of links and pictures that lie within the repository."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    text = re.sub(r"`[^`\n]*`", "", text)
    return [t for t in re.findall(r"\]\(([^)\s]+)\)", text) if not re.match(r"[a-z]+:", t)]


@cache
def headings(page: Path) -> frozenset[str]:
    """The anchors of a page, as code hosts make them, and the site."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    kept = (re.sub(r"[^\w\- ]", "", title.lower().replace("`", "")) for title in titles)
    return frozenset(title.replace(" ", "-") for title in kept)
