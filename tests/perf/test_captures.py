"""A capture from a route, as files and as a list of the hottest functions."""

from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from xml.etree import ElementTree

import pytest

from diag.errors import ProfilerError
from diag.perf.captures import ROUTES, HotFunction, Taken, hottest, take
from diag.perf.node_process import free_ports

FOLDED = b"<module> (a.py:1);work (a.py:5) 3\n<module> (a.py:1);work (a.py:7) 1\n<module> (a.py:1) 4\n"


class Answer(BaseHTTPRequestHandler):
    """Answers each GET with the server's ``answer``: status, body."""

    server: "Node"

    def do_GET(self) -> None:
        status, body = self.server.answer
        self.server.asked = self.path
        self.send_response(status)
        self.send_header("X-Profile-Engine", "py-spy")
        self.send_header("X-Profile-Unit", "samples")
        self.send_header("X-Profile-Notes", "The rate was lowered.")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


class Node(HTTPServer):
    answer = (200, FOLDED)
    asked = ""


def ask(answer: tuple[int, bytes]) -> tuple[Taken, str]:
    with Node(("127.0.0.1", 0), Answer) as node:
        node.answer = answer
        thread = Thread(target=node.handle_request)
        thread.start()
        try:
            return take(f"127.0.0.1:{node.server_port}", ROUTES[0], 2.5), node.asked
        finally:
            thread.join()


def test_an_empty_capture_is_a_picture_too(tmp_path: Path) -> None:
    taken, _ = ask((200, b""))
    svg, folded = taken.write(tmp_path, "under no load")
    ElementTree.parse(svg)
    assert folded.read_bytes() == b""
    assert hottest(taken.profile(), 10) == []


def test_one_capture_gives_both_files(tmp_path: Path) -> None:
    taken, asked = ask((200, FOLDED))
    assert asked == "/debug/pprof/profile?frequency=99&seconds=2.5&format=folded"
    svg, folded = taken.write(tmp_path, "under test")
    assert folded.read_bytes() == FOLDED
    picture = svg.read_text()
    assert "CPU of the meta node under test" in picture
    assert "engine py-spy" in picture
    assert "The rate was lowered." in picture


def test_lines_of_a_function_are_one_function() -> None:
    taken, _ = ask((200, FOLDED))
    assert hottest(taken.profile(), 10) == [
        HotFunction("<module> (a.py)", 0.5, 1.0),
        HotFunction("work (a.py)", 0.5, 0.5),
    ]
    assert len(hottest(taken.profile(), 1)) == 1


def test_a_refusal_carries_the_nodes_words() -> None:
    with pytest.raises(ProfilerError, match="answered 409: busy until noon"):
        ask((409, b"busy until noon"))


def test_no_node_is_a_sentence() -> None:
    (port,) = free_ports(1)
    with pytest.raises(ProfilerError, match="got no answer"):
        take(f"127.0.0.1:{port}", ROUTES[0], 1.0)
