"""Certificates that a test makes, with the openssl of the system: an authority, and what it signs."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass(frozen=True)
class Signed:
    cert: bytes
    key: bytes


class Authority:
    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        shape = ("-x509", "-days", "1", "-subj", "/CN=authority of a test")
        self._openssl("req", *shape, *_NEW_KEY, "-keyout", "ca.key", "-out", "ca.pem")
        self.cert = self._read("ca.pem")

    def sign(self, name: str) -> Signed:
        """For 127.0.0.1."""
        (self._folder / "extensions").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        self._openssl("req", *_NEW_KEY, "-subj", f"/CN={name}", "-keyout", "signed.key", "-out", "signed.csr")
        authority = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "1", "-extfile", "extensions")
        self._openssl("x509", "-req", "-in", "signed.csr", *authority, "-out", "signed.pem")
        return Signed(self._read("signed.pem"), self._read("signed.key"))

    def _openssl(self, *args: str) -> None:
        subprocess.run(["openssl", *args], cwd=self._folder, check=True, capture_output=True)

    def _read(self, name: str) -> bytes:
        return (self._folder / name).read_bytes()
