"""
The record of every start and every end of a handler, which the harness checks for loss, duplicates and order: 16 bytes
each, little-endian: u32 key number, u32 (sequence number << 1 | ended), u64 microseconds since the epoch. The first two
come from the message's value.
"""

from __future__ import annotations

import os
import struct
import time

RECORD = struct.Struct("<IIQ")
MESSAGE = struct.Struct("<II")
BUFFER_BYTES = 64 * 1024


class Ledger:
    """
    Appends, so that processes that were forked after its making share the file and its order; each of them must then
    write record by record.
    """

    def __init__(self, path: str, *, each: bool) -> None:
        self._file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)
        self._limit = RECORD.size if each else BUFFER_BYTES
        self._buffer = bytearray()

    def started(self, value: bytes) -> None:
        self._write(value, 0)

    def ended(self, value: bytes) -> None:
        self._write(value, 1)

    def _write(self, value: bytes, ended: int) -> None:
        key, sequence = MESSAGE.unpack_from(value)
        self._buffer += RECORD.pack(key, sequence << 1 | ended, time.time_ns() // 1000)
        if len(self._buffer) >= self._limit:
            self.flush()

    def flush(self) -> None:
        while self._buffer:
            del self._buffer[: os.write(self._file, self._buffer)]

    def close(self) -> None:
        self.flush()
        os.close(self._file)
