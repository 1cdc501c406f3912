"""HTTP/2 in clear text on asyncio: connections whose streams are passed on, frame by frame and bounded."""

import asyncio
from collections import deque
from contextlib import suppress

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    DataReceived,
    PingAckReceived,
    RequestReceived,
    ResponseReceived,
    StreamReset,
    TrailersReceived,
    WindowUpdated,
)
from h2.exceptions import ProtocolError

CONNECTION_WINDOW = 2**30
"""So much may be under way in all streams together; each has 64 KiB, so that a slow one does not stop the others."""
GOAWAY = 7
FRAME_HEAD = 9


class Wire(asyncio.Protocol):
    """One connection; with `accept`, a server's: it is given each stream that the other side begins, and its headers.

    Without, a client's: it gives streams. What comes in on a stream goes to its `hear`.
    """

    def __init__(self, accept=None):
        as_it_is = {
            f"{what}_headers": False for what in ("validate_inbound", "validate_outbound", "normalize_outbound")
        }
        self.http = H2Connection(H2Configuration(client_side=accept is None, header_encoding=None, **as_it_is))
        self.pings = 0
        """How many were answered."""
        self.leaves = False
        """Whether the other side takes no more streams."""
        self.lost = asyncio.Event()
        self._accept = accept
        self._streams = {}
        self._transport = None
        self._unread = b""
        self._flushing = False

    def begin(self, headers, hear):
        """Begin a stream."""
        stream = Stream(self, self.http.get_next_available_stream_id(), hear)
        self._streams[stream.number] = stream
        stream.send(headers=headers)
        return stream

    def abort(self):
        """Break the connection, as the death of a process does."""
        if self._transport:
            self._transport.abort()

    def flush_soon(self):
        """Write what there is to be written, once for all that this turn of the loop brings."""
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def forget(self, stream):
        """Hear no more of a stream."""
        self._streams.pop(stream.number, None)

    def connection_made(self, transport):
        self._transport = transport
        self.http.initiate_connection()
        self.http.increment_flow_control_window(CONNECTION_WINDOW)
        self.flush_soon()

    def connection_lost(self, _error):
        self.lost.set()
        for stream in list(self._streams.values()):
            self.forget(stream)
            stream.hear(None)

    def data_received(self, data):
        try:
            events = self.http.receive_data(data if self._accept else self._without_goaway(data))
        except ProtocolError:
            self._flush()
            self.abort()
            return
        for event in events:
            self._take(event)
        self.flush_soon()

    def _take(self, event):
        number = getattr(event, "stream_id", None)
        if isinstance(event, RequestReceived):
            stream = self._streams[number] = Stream(self, number, None)
            stream.hear = self._accept(stream, event.headers)
            if event.stream_ended:
                stream.hear(DataReceived(stream_id=number, data=b"", flow_controlled_length=0, stream_ended=True))
        elif isinstance(event, WindowUpdated):
            for stream in [self._streams[number]] if number in self._streams else list(self._streams.values()):
                stream.push()
        elif isinstance(event, PingAckReceived):
            self.pings += 1
        elif number in self._streams and isinstance(
            event, ResponseReceived | DataReceived | TrailersReceived | StreamReset
        ):
            self._streams[number].hear(event)
        elif isinstance(event, DataReceived):
            self.http.acknowledge_received_data(event.flow_controlled_length, number)

    def _without_goaway(self, data):
        """Return the whole frames: h2 takes a GOAWAY for the end of all, but streams that run go on to their end."""
        self._unread += data
        frames = b""
        while len(self._unread) >= FRAME_HEAD:
            end = FRAME_HEAD + int.from_bytes(self._unread[:3])
            if len(self._unread) < end:
                break
            if self._unread[3] == GOAWAY:
                self.leaves = True
            else:
                frames += self._unread[:end]
            self._unread = self._unread[end:]
        return frames

    def _flush(self):
        self._flushing = False
        if data := self.http.data_to_send():
            self._transport.write(data)


class Stream:
    """One stream of a connection: what is sent waits here for the other side's window."""

    def __init__(self, wire, number, hear):
        self.number = number
        self.hear = hear
        """Called with each event of h2; with None when the connection breaks."""
        self._wire = wire
        self._unsent = deque()

    def send(self, *, headers=None, data=b"", end=False, sent=None):
        """Send headers, or data, in turn; `sent` is called when they are on their way."""
        self._unsent.append((headers, data, end, sent))
        self.push()

    def push(self):
        """Send what the window lets through; a server's stream is done when its answer is sent."""
        http = self._wire.http
        with suppress(ProtocolError):  # the other side has left the stream
            while self._unsent:
                headers, data, end, sent = self._unsent[0]
                if headers is not None:
                    http.send_headers(self.number, headers, end_stream=end)
                else:
                    room = min(http.local_flow_control_window(self.number), http.max_outbound_frame_size)
                    if data and room <= 0:
                        break
                    now, later = data[:room], data[room:]
                    http.send_data(self.number, now, end_stream=end and not later)
                    if later:
                        self._unsent[0] = headers, later, end, sent
                        continue
                self._unsent.popleft()
                if sent:
                    sent()
                if end and not http.config.client_side:
                    self.forget()
        self._wire.flush_soon()

    def heard(self, event):
        """Let the other side send as much again."""
        with suppress(ProtocolError):
            self._wire.http.acknowledge_received_data(event.flow_controlled_length, self.number)
        self._wire.flush_soon()

    def forget(self):
        """Hear no more of it."""
        self._wire.forget(self)

    def reset(self, code=ErrorCodes.CANCEL):
        """Break the stream off; what waits to be sent is dropped."""
        self._unsent.clear()
        self.forget()
        with suppress(ProtocolError):
            self._wire.http.reset_stream(self.number, code)
        self._wire.flush_soon()
