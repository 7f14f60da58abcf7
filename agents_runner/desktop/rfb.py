"""What a browser says to a VNC server (RFB 3.8): in a view-only connection only what asks for pictures passes."""

from __future__ import annotations

from agents_runner.core.errors import InvalidInput

VERSION = b"RFB 003.008\n"
MAX_MESSAGE = 1024 * 1024
"""Bytes of one message; more is no honest client."""
# Message type to its whole length, or to (head, where a count is, its width, bytes an item).
_FIXED = {0: 20, 3: 10, 4: 8, 5: 6, 150: 10, 250: 4, 255: 12}
_COUNTED = {2: (4, 2, 2, 4), 6: (8, 4, 4, 1), 248: (9, 8, 1, 1), 251: (8, 6, 1, 16)}
_PASSES = frozenset({0, 2, 3, 150, 248})
"""Pixel format, encodings, update request, continuous updates, fence: no keys, pointer, clipboard or size."""


class ViewOnly:
    """Feeds on a client's bytes, cut anywhere; gives those that may pass."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._greeting = [len(VERSION), 1, 1]  # version, security type, shared flag
        self._begun = False

    def feed(self, data: bytes) -> bytes:
        """The messages of these bytes that may pass.

        Raises InvalidInput for what is no message of the protocol: nothing behind it can be understood.
        """
        self._buffer += data
        passed = bytearray()
        while (message := self._next()) is not None:
            passed += message
        return bytes(passed)

    def _next(self) -> bytes | None:
        if self._greeting:
            part = self._take(self._greeting[0])
            if part is not None:
                if not self._begun and part != VERSION:
                    raise InvalidInput("The viewer speaks another version of the protocol.")
                self._begun = True
                del self._greeting[0]
            return part
        length = self._length()
        message = self._take(length) if length else None
        if message is None:
            return None
        return message if message[0] in _PASSES else b""

    def _take(self, length: int) -> bytes | None:
        if len(self._buffer) < length:
            return None
        part = bytes(self._buffer[:length])
        del self._buffer[:length]
        return part

    def _length(self) -> int:
        """The whole length of the message at the buffer's beginning; 0 while that is not known."""
        if not self._buffer:
            return 0
        kind = self._buffer[0]
        if kind in _FIXED:
            return _FIXED[kind]
        if kind not in _COUNTED:
            raise InvalidInput(f"The viewer sent a message of the unknown kind {kind}.")
        head, at, width, each = _COUNTED[kind]
        if len(self._buffer) < head:
            return 0
        # A clipboard's length is negative where its text is packed in an extension's form.
        count = abs(int.from_bytes(self._buffer[at : at + width], "big", signed=kind == 6))
        if count * each > MAX_MESSAGE:
            raise InvalidInput("The viewer sent a message that is too long.")
        return head + count * each
