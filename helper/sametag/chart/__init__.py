"""Everything that knows the chart: where it is, what a service gets from it, and which setting a field comes from."""

from sametag.chart.bundled import Chart, Dependency, bundled, defaults_of, described_schema, is_remote, load, pinned

__all__ = ["Chart", "Dependency", "bundled", "defaults_of", "described_schema", "is_remote", "load", "pinned"]
