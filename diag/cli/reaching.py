"""Why a node was not reached, in a sentence that says what to do about it."""

import ssl

import httpx

from diag.errors import ConfigError, MetaError, Unavailable


def not_reached(url: str, error: Exception) -> MetaError:
    """ConfigError where the call is wrong and the node may be well, else Unavailable."""
    failure = _of_tls(error)
    if isinstance(failure, ssl.SSLCertVerificationError):
        return ConfigError(
            f"the certificate that answers for {url} is not trusted: {failure.verify_message}; name its "
            "authority with --ca, and the node as the certificate does"
        )
    if failure is not None and failure.reason == "WRONG_VERSION_NUMBER":
        return ConfigError(f"{url} does not speak TLS; give it as http://, without --ca")
    if failure is not None:
        said = (failure.reason or str(failure)).replace("_", " ").lower()
        return ConfigError(
            f"{url} refuses TLS ({said}); it may want a client certificate of its authority: --cert"
        )
    if isinstance(error, httpx.RemoteProtocolError) and url.startswith("http://"):
        return Unavailable(
            f"{url} ended the connection without an answer; if it serves TLS, name its authority with --ca"
        )
    return Unavailable(f"cannot reach {url}: {error}; is the node up, and --endpoint right?")


def _of_tls(error: BaseException | None) -> ssl.SSLError | None:
    """What TLS said, beneath what the client made of it."""
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return error
        error = error.__cause__ or error.__context__
    return None
