"""Check merged values against the chart's schema."""

from sametag.schema.checking import check, checker, validate

__all__ = ["check", "checker", "validate"]
