"""Certificates as a cluster has them: an authority, a server that it vouches for, and clients."""

from __future__ import annotations

import ssl
import subprocess
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

#: The name in the server's certificate; the other is 127.0.0.1.
SERVER_NAME = "api.example.com"


class Pair(NamedTuple):
    """A certificate and its key, as files in PEM."""

    certificate: Path
    key: Path


class Authority:
    """Signs certificates; its own has no key identifiers, as that of many clusters."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        config = folder / "authority.cnf"
        config.write_text(
            "[req]\nprompt = no\ndistinguished_name = name\nx509_extensions = extensions\n[name]\nCN = authority\n"
            "[extensions]\nbasicConstraints = critical,CA:true\nkeyUsage = critical,keyCertSign\n"
            "subjectKeyIdentifier = none\nauthorityKeyIdentifier = none\n"
        )
        self.pair = Pair(folder / "authority.pem", folder / "authority.key")
        _openssl("req", "-x509", "-days", "2", "-config", config, *_key(self.pair.key), "-out", self.pair.certificate)

    def sign(self, name: str, extensions: str) -> Pair:
        """Return a new certificate with these extensions."""
        pair = Pair(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        request, config = self._folder / f"{name}.csr", self._folder / f"{name}.cnf"
        config.write_text(f"subjectKeyIdentifier = none\nauthorityKeyIdentifier = none\n{extensions}\n")
        _openssl("req", "-new", "-subj", f"/CN={name}", *_key(pair.key), "-out", request)
        signed_by = ("-CA", self.pair.certificate, "-CAkey", self.pair.key, "-CAcreateserial")
        _openssl("x509", "-req", "-days", "2", "-in", request, *signed_by, "-extfile", config, "-out", pair.certificate)
        return pair

    def server(self) -> ssl.SSLContext:
        """Return what serves as 127.0.0.1 and as SERVER_NAME, and takes the certificates that we have signed."""
        pair = self.sign("server", f"subjectAltName = IP:127.0.0.1,DNS:{SERVER_NAME}")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*pair)
        context.load_verify_locations(self.pair.certificate)
        context.verify_mode = ssl.CERT_OPTIONAL
        return context

    def client(self, name: str) -> Pair:
        """Return a client's certificate."""
        return self.sign(name, "extendedKeyUsage = clientAuth")


def _key(path: Path) -> tuple[object, ...]:
    return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", path)


def _openssl(*words: object) -> None:
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)
