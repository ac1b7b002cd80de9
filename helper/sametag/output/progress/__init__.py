"""A rollout as it goes on: lines for a log, a table for a terminal, JSON for programs."""
