import pytest

from diag.errors import Unauthenticated
from diag.rpc.auth import TOKEN_KEY, HandshakeAuth, version_text
from diag.rpc.stubs import auth_pb2
from diag.rpc.stubs import meta_pb2 as pb


def token_of(auth: HandshakeAuth) -> bytes:
    payload = auth_pb2.BasicAuth(username="root").SerializeToString()
    return auth.handshake(pb.HandshakeRequest(payload=payload)).payload


def test_no_metadata_is_no_token() -> None:
    with pytest.raises(Unauthenticated, match="is empty"):
        HandshakeAuth().check(())


def test_tokens_die_with_their_issuer() -> None:
    auth = HandshakeAuth()
    token = token_of(auth)
    auth.check((("other", "x"), (TOKEN_KEY, token)))
    with pytest.raises(Unauthenticated, match="token verify failed"):
        HandshakeAuth().check(((TOKEN_KEY, token),))


def test_a_changed_token_is_refused_whichever_byte_it_is() -> None:
    auth = HandshakeAuth()
    token = token_of(auth)
    for place in range(len(token)):
        changed = bytes(byte ^ (place == at) for at, byte in enumerate(token))
        with pytest.raises(Unauthenticated):
            auth.check(((TOKEN_KEY, changed),))
    with pytest.raises(Unauthenticated):
        auth.check(((TOKEN_KEY, token + b"x"),))


def test_any_number_of_tokens_stay_good() -> None:
    auth = HandshakeAuth()
    tokens = [token_of(auth) for _ in range(5000)]
    for token in tokens:
        auth.check(((TOKEN_KEY, token),))
    auth.check(((TOKEN_KEY, tokens[0]),))
    auth.revoke_all()
    with pytest.raises(Unauthenticated):
        auth.check(((TOKEN_KEY, tokens[0]),))


def test_versions_are_written_with_dots() -> None:
    assert version_text(1_002_453) == "1.2.453"
    assert version_text(260_304_000_000) == "260304.0.0"
