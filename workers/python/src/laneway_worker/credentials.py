"""Where a host is, and how a worker proves itself there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import grpc

_UNIX = re.compile(r"unix:(//)?(?P<path>/.+)")
_TCP = re.compile(r"(\[(?P<bracketed>[^\]]+)\]|(?P<plain>[^:\[\]]+)):(?P<port>\d{1,5})")
_LOOPBACK = re.compile(r"localhost|127(\.\d{1,3}){3}|::1")


@dataclass(frozen=True)
class Tls:
    """How a worker knows its host, and the host the worker. Everything is PEM."""

    ca: bytes | None = None
    """Certificates of whoever may have signed the host's. Default: those of gRPC."""
    cert: bytes | None = None
    """The worker's own, with its key, where the host asks for one."""
    key: bytes | None = None
    server_name: str | None = None
    """The name in the host's certificate, where it is not the one of its address."""

    def __post_init__(self) -> None:
        if (self.cert is None) != (self.key is None):
            raise ValueError("tls: cert and key go together")


@dataclass(frozen=True)
class Address:
    """`unix:/path`, `host:port` or `[host]:port`."""

    text: str
    is_unix: bool
    is_local: bool
    """What is said to it stays on this machine."""

    @staticmethod
    def parse(text: str) -> Address:
        unix = _UNIX.fullmatch(text)
        if unix:
            return Address(f"unix:{unix['path']}", is_unix=True, is_local=True)
        tcp = _TCP.fullmatch(text)
        if tcp is None or int(tcp["port"]) > 65_535:
            raise ValueError(f"address: must be unix:/path, host:port or [host]:port, not {text!r}")
        return Address(text, is_unix=False, is_local=_LOOPBACK.fullmatch(tcp["bracketed"] or tcp["plain"]) is not None)

    def require_secured(self, is_secured: bool) -> None:
        if not is_secured and not self.is_local:
            raise ValueError(
                f"tls: is required for {self.text}, which is neither a Unix socket nor loopback (or insecure=True)"
            )


def open_channel(address: Address, tls: Tls | None) -> grpc.aio.Channel:
    options: list[tuple[str, int | str]] = [
        # The host bounds its frames, and its messages by what the worker says in its hello.
        ("grpc.max_receive_message_length", -1),
        ("grpc.max_send_message_length", -1),
        # The worker has a backoff of its own: a channel that remembered failures would add to it.
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.enable_retries", 0),
    ]
    if tls is None:
        return grpc.aio.insecure_channel(address.text, options=options)
    if tls.server_name is not None:
        options.append(("grpc.ssl_target_name_override", tls.server_name))
    credentials = grpc.ssl_channel_credentials(tls.ca, tls.key, tls.cert)
    return grpc.aio.secure_channel(address.text, credentials, options=options)


def call_metadata(token: str | None) -> Sequence[tuple[str, str]]:
    return () if token is None else (("authorization", f"Bearer {token}"),)
