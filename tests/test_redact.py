"""Secrets that are known, and what looks like one; and what does not stays."""

import pytest

from diag.redact import HIDDEN, Redactor, of_environment


def test_a_text_without_secrets_stays() -> None:
    text = 'level = "info"\n{"key": "tenant/tables"}\nGET /debug/pprof/profile?seconds=5 took 12 ms\n'
    text += '# token is not set\n{"token": null, "tokens": []}\nhttp://meta-1:28101/a@b\n'
    assert Redactor().text(text) == text
    text = (
        "the basic idea; basic authentication failed.\nA bearer token it was, of a forbearer PLANTED there.\n"
    )
    assert Redactor().text(text) == text
    assert Redactor(["", "abc"]).text("abc of the alphabet") == "abc of the alphabet"


def test_known_values_are_hidden_wherever_they_stand() -> None:
    redactor = Redactor(["s3cret-value", "s3cret-value-longer", "a+b(c" * 2])
    assert redactor.text("<s3cret-value> s3cret-value-longer a+b(ca+b(c") == f"<{HIDDEN}> {HIDDEN} {HIDDEN}"


@pytest.mark.parametrize(
    "line",
    [
        "Authorization: Bearer PLANTED12",
        "authorization=Basic PLANTED12==",
        "authorization: bearer PLANTED12",
        '{"Authorization": "Basic PLANTED12=="}',
        '{"raft_secret": "PLANTED12", "id": 1}',
        'raft_secret = "PLANTED12"',
        'raft_accepted_secrets = ["PLANTED12", "***"]',
        'raft_accepted_secrets = ["***", "PLANTED12"]',
        "METADIAG_TOKEN=PLANTED12 diag status",
        "export AWS_SECRET_ACCESS_KEY=PLANTED12",
        "diag serve --admin-token PLANTED12 --id 1",
        "diag serve --admin-token=PLANTED12 --id 1",
        "http://root:PLANTED12@meta-1:28101/",
        "password: PLANTED12",
        "Cookie: metadiag=PLANTED12",
        "a caller came with mdt_PLANTED12abcdef and went",
        "grpc_password='PLANTED12'",
        "-----BEGIN RSA PRIVATE KEY-----\nPLANTED12\n-----END RSA PRIVATE KEY-----",
    ],
)
def test_what_looks_like_a_secret_is_hidden(line: str) -> None:
    told = Redactor().text(line)
    assert "PLANTED12" not in told
    assert HIDDEN in told
    assert Redactor().text(told) == told, "and stays as it is the second time"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("a node answers at http://meta-1:28101/a@b", "a node answers at http://meta-1:28101/a@b"),
        ("fetched from http://root:PLANTED@meta-1/x", "fetched from http://root:***@meta-1/x"),
        ("fetched from http://root:PLANTED@PLANTED@meta-1", "fetched from http://root:***@meta-1"),
        ("with bearer PLANTED, and more", "with bearer ***, and more"),
        ("with Basic cm9vdDpy.", "with Basic ***"),
        ("with bearer plantedplantedplanted", "with bearer ***"),
        ("with mdt_PLANTED, and more", "with ***, and more"),
        ("with s3cret-value, and more", "with ***, and more"),
    ],
)
def test_a_line_of_the_log_bears_none(line: str, told: str) -> None:
    redactor = Redactor(["s3cret-value"])
    assert redactor.line(line) == told
    assert redactor.line(told) == told


def test_in_a_header_even_a_plain_word_is_a_credential() -> None:
    assert "planted" not in Redactor().text("Authorization: Bearer planted\nauthorization=basic planted")


def test_variables_are_secret_by_their_names() -> None:
    found = of_environment(
        {
            "PATH": "/bin",
            "METADIAG_TOKEN": "first1",
            "DB_PASSWORD": "second2",
            "AWS_SECRET_ACCESS_KEY": "third3",
            "USE_TOKEN": "true",
            "KEYMAP": "us-latin",
        }
    )
    assert sorted(found) == ["first1", "second2", "third3"]


@pytest.mark.parametrize(
    "part",
    ["x", "secret", "token=", "://a:", "://a:@", "bearer ", "--a-", "-----BEGIN PRIVATE KEY-----", '"', "["],
)
def test_a_hostile_line_takes_no_long_time(part: str) -> None:
    redactor = Redactor(["known-secret"])
    redactor.line(part * (200_000 // len(part)))
    redactor.text(part * (200_000 // len(part)))
