"""What a notebook shows of a movie or a model: a table of what is known, no pixels."""

from __future__ import annotations

import html
from collections.abc import Mapping


def as_table(title: str, facts: Mapping[str, object]) -> str:
    """Return HTML of facts, one a row; those that are None are left out.

    Examples
    --------
    >>> as_table("a", {"detectors": "ADF & BF", "voltage": None})
    '<table><caption>a</caption><tr><th>detectors</th><td>ADF &amp; BF</td></tr></table>'
    """
    rows = "".join(
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(str(value))}</td></tr>"
        for name, value in facts.items()
        if value is not None
    )
    return f"<table><caption>{html.escape(title)}</caption>{rows}</table>"
