"""Pages that people read: a template beside its subject, around it the one frame and stylesheet of this folder.

A page is one file that needs no network. Whatever a template prints is escaped; only charts are markup already. jinja2
is imported when a page is made, not before.
"""

from __future__ import annotations

import base64
import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..files.atomic import atomic_path
from .chart import svg

if TYPE_CHECKING:
    import jinja2

_FOLDER = Path(__file__).resolve().parent


def render(template: Path, **values: Any) -> str:
    """The page as text.

    Args:
        template: a file that extends "base.html"; it finds this folder's templates and its own folder's by name.
        values: what the template speaks of; one that it asks for and does not get is an error.
    """
    return _environment(template.parent).get_template(template.name).render(values)


def write_page(path: str | os.PathLike, template: Path, **values: Any) -> None:
    """Write what `render` makes, atomically.

    Raises:
        PointVidError: an unwritable folder.
    """
    text = render(template, **values)
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def data_url(data: bytes, kind: str) -> str:
    """An address that holds the bytes themselves; `kind` is their media type."""
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


@cache
def _environment(folder: Path) -> jinja2.Environment:
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([folder, _FOLDER]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    # Keys keep the order that they were given in, and text stays readable; <, > and & are escaped all the same.
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False}
    environment.globals["style"] = Markup((_FOLDER / "style.css").read_text(encoding="utf-8"))
    environment.filters["svg"] = lambda chart: Markup(svg(chart))  # every text in it is escaped there
    return environment
