"""Try again while the API server is away or another client changes the object, and finish despite cancellation."""

from __future__ import annotations

import asyncio
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

import httpx2
from lightkube import ApiError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

#: The pause between two attempts while the API server is away.
RETRY_SECONDS = 1.0

_ATTEMPTS = 5

_TRANSIENT = (
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.GONE,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)


def is_transient(error: ApiError | httpx2.TransportError) -> bool:
    """Whether the API server is restarting or overloaded, or has forgotten the version that was asked for."""
    return not isinstance(error, ApiError) or error.status.code in _TRANSIENT


async def patiently(ask: Callable[[], Awaitable[_Result]], seconds: float = 120) -> _Result:
    """Repeat a request until the API server answers: an outage does not end a rollout.

    Args:
        ask: Makes one attempt.
        seconds: How long to try; then the error of the last attempt is raised.
    """
    until = time.monotonic() + seconds
    while True:
        try:
            return await ask()
        except (ApiError, httpx2.TransportError) as error:
            if not is_transient(error) or time.monotonic() > until:
                raise
        await asyncio.sleep(RETRY_SECONDS)


async def on_conflict(
    item: _Item, attempt: Callable[[_Item], Awaitable[_Result]], reread: Callable[[], Awaitable[_Item]]
) -> _Result:
    """Change an object, again from its newest state if another client, such as a controller, changed it meanwhile.

    Args:
        item: The object as it was last read.
        attempt: Makes one attempt on a state of the object.
        reread: Returns the object as it is now.

    Raises:
        ApiError: The API server rejects a request, or the object has changed before each of 5 attempts.
    """
    for _ in range(_ATTEMPTS - 1):
        try:
            return await attempt(item)
        except ApiError as error:
            if error.status.code != HTTPStatus.CONFLICT:
                raise
        item = await reread()
    return await attempt(item)


async def finish_despite_cancel(work: Coroutine[Any, Any, None]) -> None:
    """Finish the work even if cancelled, then raise the cancellation again."""
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise
