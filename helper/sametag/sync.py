"""The calls of `sametag` for programs without an event loop: the same arguments, and each blocks until it is done.

outcome = sametag.sync.upgrade("shop", tag="0.0.6", namespace="shop")
"""

from __future__ import annotations

import asyncio
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from sametag import api
from sametag.api import load_chart, validate

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

__all__ = ["history", "install", "load_chart", "rollback", "status", "uninstall", "unlock", "upgrade", "validate"]

_Given = ParamSpec("_Given")
_Answer = TypeVar("_Answer")


def _blocking(call: Callable[_Given, Coroutine[Any, Any, _Answer]]) -> Callable[_Given, _Answer]:
    @wraps(call)
    def run(*arguments: _Given.args, **options: _Given.kwargs) -> _Answer:
        return asyncio.run(call(*arguments, **options))

    return run


install = _blocking(api.install)
upgrade = _blocking(api.upgrade)
rollback = _blocking(api.rollback)
uninstall = _blocking(api.uninstall)
unlock = _blocking(api.unlock)
status = _blocking(api.status)
history = _blocking(api.history)
