"""The values that the command line gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sametag import values

if TYPE_CHECKING:
    import argparse

    from sametag.chart import Chart
    from sametag.values import Values


def sources(arguments: argparse.Namespace) -> values.Sources:
    """Return where the values come from."""
    return values.Sources(
        files=tuple(arguments.values),
        set=tuple(arguments.set),
        set_string=tuple(arguments.set_string),
        set_json=tuple(arguments.set_json),
        set_file=tuple(arguments.set_file),
        set_literal=tuple(arguments.set_literal),
        tag=arguments.tag,
    )


def defaults_of(chart: Chart) -> Values:
    """Read the chart's own values, which those of the user go over."""
    return values.from_text(chart.defaults, f"{chart.path}/values.yaml")


def user_values(arguments: argparse.Namespace) -> Values:
    """Read and merge the values."""
    return values.load(sources(arguments))
