"""The records between the stages: RuleHit and Finding, and the context of an explanation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from sametag.validation import wording
from sametag.values import get

if TYPE_CHECKING:
    from sametag.validation.engine import Compiled, Engine
    from sametag.validation.schema_tree import Shape
    from sametag.values import Path, Values


class Finding(NamedTuple):
    """What is wrong, before it is located.

    Attributes:
        rule: As in `Problem`.
        path: The setting.
        message: As in `Problem`.
        remedy: As in `Problem`.
        key_at: The path whose key is the location (default: the value at `path`).
        rank: Of several findings about one value, the lowest is reported.
        needs: The missing paths; a mistake elsewhere can explain them.
        meant: For an unknown key: the paths that it probably stands for.
        severity: As in `Problem`.
        breaks: For a setting of `defaults`: the service that it breaks.
    """

    rule: str
    path: Path
    message: str
    remedy: str | None = None
    key_at: Path | None = None
    rank: int = 0
    needs: tuple[Path, ...] = ()
    meant: tuple[Path, ...] = ()
    severity: Literal["error", "warning"] = "error"
    breaks: str | None = None


class RuleHit(NamedTuple):
    """What a rule finds.

    Attributes:
        path: What it is about; in a rule about one service, below the service.
        text: What is wrong, read after the path.
        remedy: As in `Problem`.
        at_key: Whether the key shows the place, not the value.
        message: A whole sentence that replaces path and text; `{service}` stands for the service's path.
    """

    path: Path
    text: str = ""
    remedy: str | None = None
    at_key: bool = False
    message: str | None = None


class Context(NamedTuple):
    """What an explanation needs."""

    values: Values
    shape: Shape
    engine: Engine
    compiled: Compiled

    def value(self, path: Path) -> Any:
        """Return the value at a path."""
        return get(self.values.tree, path)

    def name(self, path: Path) -> str:
        """Name a path; the root by its title."""
        return wording.named(path, self.shape.title(path))
