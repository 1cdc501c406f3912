"""The Redis that pods share."""

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from services.core.errors import InvalidInput
from services.settings import RedisSettings

if TYPE_CHECKING:
    from redis.asyncio import Redis

CONNECTIONS = 64
"""At most so many; more commands at a time wait for one of them, as long as for an answer."""


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
