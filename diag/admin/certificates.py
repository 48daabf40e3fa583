"""Who a client is by the certificate it showed; the server took none but those of the authority it knows."""

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import Request

from diag.admin.bounded_http import CERTIFICATE
from diag.admin.roles import Caller, Role


def certified_caller(request: Request, roles: Mapping[str, Role]) -> Caller | None:
    """The caller by the highest role that a name of its certificate has; None for no such name."""
    certificate = request.scope.get("state", {}).get(CERTIFICATE)
    known = [(roles[name], name) for name in _names(certificate or {}) if name in roles]
    if not known:
        return None
    role, name = max(known)
    return Caller(name, role, "certificate")


def _names(certificate: Mapping[str, Any]) -> Iterator[str]:
    """The subject's common names, and its alternative names of any kind."""
    for part in certificate.get("subject", ()):
        yield from (value for key, value in part if key == "commonName")
    yield from (value for _, value in certificate.get("subjectAltName", ()))
