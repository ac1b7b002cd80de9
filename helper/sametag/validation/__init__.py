"""Check merged values against the chart's schema."""

from sametag.validation.check import check, checker, validate

__all__ = ["check", "checker", "validate"]
