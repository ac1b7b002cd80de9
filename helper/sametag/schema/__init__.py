"""Check merged values against the chart's schema."""

from sametag.schema.checking import check, validate

__all__ = ["check", "validate"]
