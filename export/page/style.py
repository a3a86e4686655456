"""What all pages look like: colours by day and night, letters, buttons and fields."""

from __future__ import annotations

from importlib import resources


def base_style() -> str:
    """The style that every page begins with; its own follows."""
    place = resources.files("iic_tf.export.page") / "assets" / "base.css"
    return place.read_text(encoding="utf-8")
