"""Who may use a route: the caller's role against the route's rule.

A caller is known by a token, by a client certificate, by the session a browser has for a token, or by
another node's word: that node let it pass by the same rules, and the tunnel that brings its question puts
the caller into the request's scope, where no header of a client reaches. Without a tokens file and roles for
certificates this machine may do everything, and elsewhere whoever holds the one token of ``[admin] token``
or ``token_file``.

Profiles and stacks show file names, query shapes and timing, so they are not open to the network.
"""

import hmac
from collections.abc import Mapping
from pathlib import Path

from fastapi import Request

from diag.admin.certificates import certified_caller
from diag.admin.local import why_not_local
from diag.admin.own_page import is_a_program, why_not_own_page
from diag.admin.roles import ANONYMOUS, CALLER, LOOPBACK, Caller, Role
from diag.admin.rules import Rule, rule_of
from diag.admin.sessions import Sessions, cookie_of
from diag.admin.tokens import Token, TokensFile, digest_of
from diag.errors import Forbidden, Unauthenticated
from diag.tries import Tries

_REMEDY = "Call it from the node's own machine, or send 'Authorization: Bearer TOKEN'"
_NO_TOKEN = "; no token is configured, set [admin] tokens_file first."  # noqa: S105 - a sentence
_SEND_ONE = "send 'Authorization: Bearer TOKEN', or log in at /login with a browser."
_WRONG_ONE = f"The token sent is not one of this node's, or expired; {_SEND_ONE}"

#: What the one token of ``[admin] token`` or ``token_file`` is called.
ONE_TOKEN = "the admin token"  # noqa: S105 - a name


class Guard:
    """``token_file`` holds one token and is read at each use.

    ``tokens``, and roles for ``certificates``, close the doors to loopback too.
    """

    def __init__(
        self,
        token: str | None = None,
        token_file: Path | None = None,
        *,
        tokens: TokensFile | None = None,
        sessions: Sessions | None = None,
        tries: Tries | None = None,
        certificates: Mapping[str, Role] | None = None,
    ) -> None:
        self._token = token
        self._token_file = token_file
        self._tokens = tokens
        self._certificates = certificates or {}
        self._is_closed = tokens is not None or bool(certificates)
        self._tries = Tries() if tries is None else tries
        self.sessions = Sessions() if sessions is None else sessions

    @property
    def has_keys(self) -> bool:
        """Whether there is anything to log in with."""
        return bool(self._tokens or self._token or self._token_file)

    def tokens_fault(self) -> str | None:
        """Why the tokens file as it is now is not used; None when it is, and where there is none."""
        return None if self._tokens is None else self._tokens.fault()

    async def __call__(self, request: Request) -> None:
        """As a dependency of every route: Forbidden, Unauthenticated or TooManyTries with the reason."""
        rule = rule_of(request.method, request.scope["route"].path)
        if rule is None:
            raise Forbidden(f"{request.method} {request.url.path} has no rule that says who may use it.")
        if rule.role is None or (rule.contract and not self._is_closed):
            return
        caller = self.caller(request, rule)
        if caller.role is None:
            raise self._unknown(_host(request), request.headers)
        request.scope[CALLER] = caller
        if caller.role < rule.role:
            raise Forbidden(
                f"{rule.method} {request.url.path} needs the role {rule.role.word}; "
                f"{caller.name} has the role {caller.role.word}."
            )

    def caller(self, request: Request, rule: Rule | None = None) -> Caller:
        """Who sends ``request``: ANONYMOUS, or somebody with a role. Errors as of a call.

        With a ``rule`` a session counts only on a request of this node's own pages, where it acts.
        """
        vouched: Caller | None = request.scope.get(CALLER)
        if vouched is not None:
            return vouched
        host, headers = _host(request), request.headers
        shown = self._shown(host, headers)
        if shown is not None:
            return Caller(shown.name, shown.role, "token")
        certified = certified_caller(request, self._certificates)
        if certified is not None:
            if rule is not None and rule.audited and not is_a_program(request.headers):
                _require_own_page(request)  # browsers show certificates to whoever makes them ask
            return certified
        session = self._of_session(request)
        if session is not None:
            if rule is not None and rule.audited:
                _require_own_page(request)
            return session
        return ANONYMOUS if self._is_closed or why_not_local(host, headers) else LOOPBACK

    def named(self, request: Request) -> Caller:
        """As ``caller``, but who shows a token is not ANONYMOUS: a wrong one is Unauthenticated."""
        caller = self.caller(request)
        if caller.role is None and "authorization" in request.headers:
            raise Unauthenticated(_WRONG_ONE)
        return caller

    def key(self, host: str | None, given: str) -> Token | None:
        """The token that ``given`` is; counts a wrong one, and raises TooManyTries after too many."""
        self._tries.require_none_pending(host)
        token = self._find(digest_of(given)) if given else None
        if token is None:
            self._tries.failed(host, given)
        return token

    def _shown(self, host: str | None, headers: Mapping[str, str]) -> Token | None:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        if not self._is_closed and why_not_local(host, headers) is None:
            return self._find(digest_of(given.strip()))  # needs none, so a wrong one is no try
        return self.key(host, given.strip())

    def _of_session(self, request: Request) -> Caller | None:
        cookie = cookie_of(request.scope, request.headers)
        digest = self.sessions.digest(cookie) if cookie else None
        token = self._find(digest) if digest else None
        return Caller(token.name, token.role, "session") if token else None

    def _find(self, digest: str) -> Token | None:
        found = self._tokens.find(digest) if self._tokens else None
        for token in self._one_token():
            if hmac.compare_digest(digest_of(token), digest):
                found = Token(ONE_TOKEN, Role.ADMIN, digest)
        return found

    def _one_token(self) -> list[str]:
        tokens = [self._token] if self._token else []
        if self._token_file is not None:
            try:
                tokens.append(self._token_file.read_text(encoding="utf-8").strip())
            except (OSError, UnicodeDecodeError) as error:
                raise Forbidden(
                    f"The token file {self._token_file} cannot be read ({error}), so no token is accepted."
                ) from None
        return [token for token in tokens if token]

    def _unknown(self, host: str | None, headers: Mapping[str, str]) -> Forbidden | Unauthenticated:
        given = "authorization" in headers
        if self._is_closed:
            if given:
                return Unauthenticated(_WRONG_ONE)
            return Unauthenticated(f"This needs a token: {_SEND_ONE}")
        reason = why_not_local(host, headers)
        if given:
            return Forbidden(f"The token sent is not this node's, and {reason}. {_REMEDY}.")
        end = "." if self._one_token() else _NO_TOKEN
        return Forbidden(f"This route is closed because {reason}. {_REMEDY}{end}")


def _require_own_page(request: Request) -> None:
    reason = why_not_own_page(request.method, request.headers)
    if reason is not None:
        raise Forbidden(f"A browser acts on requests of this node's own pages alone, and {reason}.")


def _host(request: Request) -> str | None:
    return request.client.host if request.client else None
