"""What the subcommands that ask the admin API share: its endpoint option, and errors as sentences."""

from collections.abc import Callable
from typing import Any

import click
import httpx

from diag.errors import MetaError, Unavailable

DEFAULT_ADMIN = "127.0.0.1:28101"


def admin_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--endpoint`` and ``--token``."""
    command = click.option(
        "--token", envvar="METADIAG_TOKEN", help="Bearer token, needed from another machine."
    )(command)
    return click.option(
        "--endpoint", default=DEFAULT_ADMIN, show_default=True, help="Admin address, host:port or URL."
    )(command)


def url_of(endpoint: str) -> str:
    """``host:port`` is http; a URL stays as it is."""
    return endpoint.rstrip("/") if "://" in endpoint else f"http://{endpoint}"


def headers_of(token: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def fetch(
    endpoint: str, token: str | None, path: str, params: dict[str, str] | None = None, wait: float = 10
) -> httpx.Response:
    """GET a path of the admin API within ``wait`` seconds; MetaError with a sentence when it fails."""
    url = f"{url_of(endpoint)}{path}"
    try:
        response = httpx.get(url, params=params, headers=headers_of(token), timeout=wait)
    except (httpx.TransportError, httpx.InvalidURL) as error:
        raise Unavailable(f"cannot reach {url}: {error}; is the node up, and --endpoint right?") from None
    if response.is_error:
        raise MetaError(f"{response.status_code} {response.text.strip() or response.reason_phrase}")
    return response
