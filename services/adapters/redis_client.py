"""The Redis that pods share."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from services.core.errors import InvalidInput, StoreUnavailable, StoreUnusable
from services.settings import RedisSettings

if TYPE_CHECKING:
    from redis.asyncio import Redis

CONNECTIONS = 64
"""At most so many; more commands at a time wait for one of them, as long as for an answer."""


_FOR_NOW = ("MISCONF", "BUSY", "NOREPLICAS")
"""What the server says, in the first word of an error, when it may serve later."""


def connect(settings: RedisSettings) -> "Redis":
    """Return a client of the server at `KOT_REDIS_URL`; it connects when it is first used. Close it with `aclose`.

    A command that fails on a connection that was cut is sent once more, so commands take at most two
    `KOT_REDIS_TIMEOUT`. Raises `InvalidInput` if the settings are wrong or the extra is missing; what the server
    refuses, such as a wrong password, the first command raises as a `redis.RedisError`.
    """
    try:
        from redis.asyncio import BlockingConnectionPool, Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
    except ImportError as error:
        raise _wrong("needs another package: pip install 'kube-of-thoughts[redis]'") from error
    password = _password(settings)
    try:
        if urlsplit(settings.redis_url).password is not None:
            raise _wrong("must hold no password; it goes to KOT_REDIS_PASSWORD or KOT_REDIS_PASSWORD_FILE")
        pool = BlockingConnectionPool.from_url(
            settings.redis_url,
            password=password or None,
            max_connections=CONNECTIONS,
            timeout=settings.redis_timeout,
            socket_timeout=settings.redis_timeout,
            socket_connect_timeout=settings.redis_timeout,
            retry=Retry(NoBackoff(), 1),
        )
    except ValueError as error:
        raise _wrong("is no URL such as redis://localhost:6379/0") from error
    return Redis.from_pool(pool)


@contextmanager
def commanding() -> Iterator[None]:
    """Mend what the client does to a command; enter it in a task, for each command.

    A connection that was cut just before a command was written to it is a `redis.ConnectionError`: the client knows
    what asyncio's own loop does then, and uvloop raises a `RuntimeError`. And a task that was cancelled is cancelled:
    the client uses `asyncio.wait_for`, which in Python 3.11 drops a cancellation that comes just when it is done.
    """
    from redis.exceptions import ConnectionError as Cut

    task = asyncio.current_task()
    cancels = task.cancelling() if task else 0
    try:
        yield
    except RuntimeError as error:
        if "handler is closed" not in str(error):
            raise
        raise Cut("the connection was cut") from error
    finally:
        if task and task.cancelling() > cancels:
            raise asyncio.CancelledError


@contextmanager
def store_errors() -> Iterator[None]:
    """Raise `StoreUnavailable` if Redis is away or full, `StoreUnusable` if it refuses; for each command of a store."""
    from redis import exceptions

    try:
        with commanding():
            yield
    except (exceptions.AuthenticationError, exceptions.AuthorizationError, exceptions.NoPermissionError) as error:
        raise _locked(error) from error
    except (exceptions.ConnectionError, exceptions.TimeoutError, OSError) as error:
        # What is refused while a connection is made comes as the cause of one that cannot be made.
        if isinstance(error.__cause__, (exceptions.AuthenticationError, exceptions.AuthorizationError)):
            raise _locked(error.__cause__) from error
        raise StoreUnavailable(f"Redis cannot be reached ({error or type(error).__name__})") from error
    except exceptions.OutOfMemoryError as error:
        raise StoreUnavailable("Redis is full: it has reached its `maxmemory`") from error
    except exceptions.RedisError as error:
        said = str(error)
        # A server that starts anew has no scripts; one that does so twice within a call lets that be seen.
        for_now = (exceptions.ReadOnlyError, exceptions.MasterDownError, exceptions.NoScriptError)
        if isinstance(error, for_now) or said.startswith(_FOR_NOW):
            raise StoreUnavailable(f"Redis cannot do it for now ({said})") from error
        raise StoreUnusable(f"Redis refuses ({said}): another program may use this server's keys") from error


def _locked(error: BaseException) -> StoreUnusable:
    return StoreUnusable(f"Redis lets nobody in, or not do this, with this password ({error}): set KOT_REDIS_PASSWORD")


def _password(settings: RedisSettings) -> str:
    if path := settings.redis_password_file:
        try:
            return path.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInput(
                f"no password can be read from KOT_REDIS_PASSWORD_FILE, {path}", field="KOT_REDIS_PASSWORD_FILE"
            ) from error
    return settings.redis_password.get_secret_value()


def _wrong(what: str) -> InvalidInput:
    return InvalidInput(f"KOT_REDIS_URL {what}", field="KOT_REDIS_URL")
