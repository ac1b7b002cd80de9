"""Check values against the chart's schema and rules, and say what was meant.

    values ── engine ──> SchemaError ── explain ──> Finding ── locate ──> Problem
           └─ rules ───> RuleHit ─────────────────────┘

check runs the pipeline. engine finds what the schema rejects; defaults judges what a service inherits in part; explain,
with suggest, convert and wording, turns it into the user's words. rules find what no schema can express. locate gives
each finding its file, line and column; ignore drops the warnings that a comment silences.
"""

from sametag.validation.check import check, checker, validate

__all__ = ["check", "checker", "validate"]
