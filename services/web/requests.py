"""From what a browser sends to a request of the wire."""

import json
import re
from typing import TypeVar

from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import Message
from starlette.requests import Request

from services.core.errors import InvalidInput

MOST_BYTES = 256 * 1024
"""Of a request's body; a definition's prompts have at most a third of that."""

RequestT = TypeVar("RequestT", bound=Message)

_PARSING = re.compile(r"Failed to parse (\w+) field: ")
_PLACE = re.compile(r" at \w+\.([\w.]+)\.*$")


class BodyTooLarge(InvalidInput):
    """A request has more bytes than are read."""


async def read_request(request: Request, kind: type[RequestT]) -> RequestT:
    """Return the body, JSON with the names of the proto, as a message. Raises `InvalidInput`, with the field."""
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise InvalidInput("the body has to be JSON, and say so in its content type")
    body = await _read(request)
    try:
        fields = json.loads(body or b"{}")
        # What JSON may spell and no message may hold: half a character, a number without end.
        json.dumps(fields, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise InvalidInput("the body is no JSON, or has a number or a character that there is not") from error
    if not isinstance(fields, dict):
        raise InvalidInput("the body has to be a JSON object")
    try:
        return ParseDict(fields, kind())
    except ParseError as error:
        raise _invalid(str(error)) from error
    except RecursionError as error:
        raise InvalidInput("the body is nested too deeply") from error


async def _read(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise BodyTooLarge(f"the request has more than {MOST_BYTES:,} bytes")
    return body


def _invalid(said: str) -> InvalidInput:
    """Return the error with the path of the field, as far as the parser names it."""
    place = _PLACE.search(said)
    field = place[1] if place else ".".join(_PARSING.findall(said))
    what = _PLACE.sub("", _PARSING.sub("", said)).partition("\n")[0].rstrip(".")
    return InvalidInput(f"{field}: {what}" if field else what, field=field)
