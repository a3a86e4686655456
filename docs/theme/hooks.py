"""What the build of the site does beside MkDocs: formulas as MathML, drawings in place, sources.

Formulas are fences of LaTeX called `math`, which code hosts show, too. They become MathML, which
browsers draw by themselves: no script and no font is fetched.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.exceptions import PluginError

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "build" / "docs-source" / "iic_tf"
PRIME = r"<msup>(<mi>[^<]*</mi>)<m[io]>&#x02032;</m[io]></msup>"
PARTS = ("training", "export")
"""Folders beside the package's that are imported as parts of it (`setup.cfg`, package_dir)."""


def on_startup(**_: Any) -> None:
    """Lay out the package as it is imported, before anybody looks for it."""
    SOURCE.mkdir(parents=True, exist_ok=True)
    places = [part for part in (ROOT / "iic_tf").iterdir() if part.name not in PARTS]
    for place in (*places, *(ROOT / part for part in PARTS)):
        link = SOURCE / place.name
        if not link.exists():
            link.unlink(missing_ok=True)
            link.symlink_to(place)


def on_config(config: Any) -> Any:
    """Say what fences of formulas become."""
    fence = {"name": "math", "class": "formula", "format": formula}
    config.mdx_configs.setdefault("pymdownx.superfences", {})["custom_fences"] = [fence]
    return config


def formula(source: str, *_: Any, **__: Any) -> str:
    """A fence of LaTeX as a block of MathML.

    Raises:
        PluginError: it holds a command that is not known, which would be shown as it is written.
    """
    # MathML sets no space behind a function, and text fonts raise a prime by themselves.
    made = convert(source.strip().replace(r"\ln ", r"\ln\, "), display="block")
    made = re.sub(PRIME, r"<mrow>\1<mtext>′</mtext></mrow>", made)
    if "\\" in made or "&amp;" in made:
        raise PluginError(f"Expected LaTeX that becomes MathML; received {source.strip()!r}.")
    return f'<div class="formula">{made}</div>'


def on_page_content(html: str, page: Any, **_: Any) -> str:
    """Put drawings into the page, whose colours then follow the page's."""

    def drawing(match: re.Match[str]) -> str:
        place = Path(page.file.abs_src_path).parent / match[1]
        return place.read_text(encoding="utf-8")

    return re.sub(r'<img [^>]*src="([^":]+\.svg)"[^>]*>', drawing, html)
