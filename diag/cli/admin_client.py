"""What the subcommands that ask the admin API share: its endpoint option, and errors as sentences."""

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import httpx
from click.core import ParameterSource

from diag.cli.reaching import not_reached
from diag.errors import ConfigError, InvalidRequest, MetaError, Unavailable

DEFAULT_ADMIN = "127.0.0.1:28101"
_CA = "metadiag.ca"
_TOKEN = "metadiag.token_file"  # noqa: S105 - a key

#: How the raft port answers whatever is not etcd's.
_NO_ROUTE_OF_ETCD = "404 page not found"
_NOT_NOW = {httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.GATEWAY_TIMEOUT}


def credential_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--token`` or ``--token-file``, ``--ca``, and ``--cert`` with ``--key``."""
    command = ca_option(command)
    for name, told in (
        ("--key", "PEM file of the key of --cert, where that file does not hold it."),
        ("--cert", "PEM file of a client certificate that the node gives a role."),
    ):
        kind = click.Path(path_type=Path, exists=True, dir_okay=False)
        command = click.option(name, type=kind, help=told, expose_value=False, callback=_remembered)(command)
    command = click.option(
        "--token-file",
        type=click.Path(path_type=Path, dir_okay=False),
        envvar="METADIAG_TOKEN_FILE",
        help="File that holds the token: other users of the machine see the words of a command.",
        expose_value=False,
        is_eager=True,
        callback=lambda context, _, value: context.meta.__setitem__(_TOKEN, value),
    )(command)
    return click.option(
        "--token",
        envvar="METADIAG_TOKEN",
        help="Token of the node; needed where it has a tokens file, or from another machine.",
        callback=_chosen,
    )(command)


def admin_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--endpoint``, and the options of credentials."""
    command = credential_options(command)
    return click.option(
        "--endpoint", default=DEFAULT_ADMIN, show_default=True, help="Admin address, host:port or URL."
    )(command)


def _chosen(context: click.Context, _: click.Parameter, token: str | None) -> str | None:
    """``--token``, else what the file holds, else the environment's."""
    file: Path | None = context.meta[_TOKEN]
    if file is None or context.get_parameter_source("token") is ParameterSource.COMMANDLINE:
        return token
    try:
        return file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--token-file {file} cannot be read: {error}") from None


def _remembered(context: click.Context, option: click.Parameter, value: Path | None) -> None:
    context.meta[f"metadiag.{option.name}"] = value


def tls() -> ssl.SSLContext | bool:
    """What ``--ca``, ``--cert`` and ``--key`` of the running command make. ConfigError for other files."""
    meta = click.get_current_context().meta
    ca, cert, key = authority(), meta.get("metadiag.cert"), meta.get("metadiag.key")
    if ca is None and cert is None:
        return True
    try:
        context = ssl.create_default_context(cafile=None if ca is None else str(ca))
    except (ssl.SSLError, OSError):
        raise ConfigError(f"--ca {ca} cannot be used: it must hold a certificate in PEM") from None
    if cert is not None:
        try:
            context.load_cert_chain(cert, key)
        except (ssl.SSLError, OSError):
            raise ConfigError(
                f"--cert {cert} cannot be used: it must hold a certificate in PEM, and its key or --key that"
            ) from None
    return context


def node_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--node``: whom the node at ``--endpoint`` asks in its turn."""
    return click.option("--node", metavar="ID|all", help="Ask that node, or all, through this one.")(command)


def of_node(node: str | None) -> dict[str, str]:
    """What ``--node`` adds to the parameters of a request."""
    return {} if node is None else {"node": node}


def ca_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--ca``: the authority a node's certificate is checked with. Read by ``authority``."""
    return click.option(
        "--ca",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        help="PEM file of the authority of the node's certificate.",
        expose_value=False,
        callback=lambda context, _, value: context.meta.__setitem__(_CA, value),
    )(command)


def authority() -> Path | None:
    """What ``--ca`` of the running command names."""
    path: Path | None = click.get_current_context().meta.get(_CA)
    return path


def url_of(endpoint: str) -> str:
    """``host:port`` is http, or https with ``--ca``; a URL stays as it is."""
    scheme = "https" if authority() else "http"
    return endpoint.rstrip("/") if "://" in endpoint else f"{scheme}://{endpoint}"


def headers_of(token: str | None) -> dict[str, str]:
    if token and not (token.isascii() and token.isprintable()):
        raise InvalidRequest(
            "the token has characters that a header cannot carry; it must be of printable ASCII, in one line"
        )
    return {"Authorization": f"Bearer {token}"} if token else {}


def fetch(
    endpoint: str,
    token: str | None,
    path: str,
    params: dict[str, str] | None = None,
    wait: float = 10,
    method: str = "GET",
    content: bytes | None = None,
) -> httpx.Response:
    """Ask for a path of the admin API within ``wait`` seconds; MetaError with a sentence when it fails.

    ``content`` is the body that is sent.
    Unavailable when the node cannot be reached, or answers that it or its cluster cannot serve now;
    ConfigError when it may be well and the call is wrong.
    """
    url, verify = f"{url_of(endpoint)}{path}", tls()
    try:
        response = httpx.request(
            method,
            url,
            params=params,
            headers=headers_of(token),
            timeout=wait,
            verify=verify,
            content=content,
        )
    except (httpx.TransportError, httpx.InvalidURL) as error:
        raise not_reached(url, error) from None
    if response.is_error:
        kind = Unavailable if response.status_code in _NOT_NOW else MetaError
        if response.text.strip() == _NO_ROUTE_OF_ETCD:
            raise kind(f"{url_of(endpoint)} is a raft address; give the admin address of the node")
        raise kind(f"{response.status_code} {response.text.strip() or response.reason_phrase}")
    return response
