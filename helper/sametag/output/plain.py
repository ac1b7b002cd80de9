"""Text of others, such as a log line or a message of the cluster, made safe to show."""

from __future__ import annotations

import re

# Colours and whatever else a program writes for a terminal, and what no terminal shows.
_CONTROL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.?)|[\x00-\x08\x0a-\x1f\x7f-\x9f]")

# What changes the order of the letters around it, breaks a line, or is not seen: text could look as if it were another.
# The joiners U+200C and U+200D are part of words in many scripts, and of emoji. Source: UAX #9, and category Cf
_UNSEEN = re.compile(
    r"[\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e007f\ud800-\udfff]"
)


def plain(text: str) -> str:
    """Return a line without what moves the cursor or colours what comes after it; what hides or turns is spelt out."""
    return _UNSEEN.sub(_spelt_out, _CONTROL.sub("", text))


def _spelt_out(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()
