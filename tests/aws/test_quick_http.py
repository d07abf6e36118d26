"""Requests that are written at once, beside botocore's own way."""

import socket
import threading

import pytest
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ConnectionClosedError, HTTPClientError, ReadTimeoutError
from botocore.httpsession import URLLib3Session

from rwlib.aws.quick_http import QuickHttp, written

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
ANSWERS = {
    "length": OK,
    "empty": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "no body": b"HTTP/1.1 204 No Content\r\n\r\n",
    "error": b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\nX-A: 1\r\nx-a: 2\r\n\r\nnone",
    "no reason": b"HTTP/1.1 400\r\nContent-Length: 0\r\n\r\n",
    "continue": b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n",
    "closed": b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
    "to the end": b"HTTP/1.1 200 OK\r\n\r\nall of it",
    "old": b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "large": b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + b"x" * 300_000,
}


class Server:
    """Answers every request with the bytes that it is told, and keeps what it was sent."""

    def __init__(self):
        self.answer, self.requests, self.connections = OK, [], 0
        self.pieces = 1 << 20
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            connection, _ = self._listener.accept()
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection, connection.makefile("rb") as lines:
            while head := lines.readline():
                while (line := lines.readline()) not in (b"\r\n", b""):
                    head += line
                length = head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]
                self.requests.append((head, lines.read(int(length or 0))))
                answer = self.answer
                if answer is None:  # as a connection that was idle for too long
                    return
                for start in range(0, len(answer), self.pieces):
                    connection.sendall(answer[start : start + self.pieces])
                if b"\r\nContent-Length" not in answer and b"chunked" not in answer:
                    return


@pytest.fixture
def server():
    return Server()


def ask(session, server, method="POST", body=b"a=b", **headers):
    request = AWSRequest(method, server.url + "p%20q?x=1", headers=headers, data=body)
    return session.send(request.prepare())


@pytest.mark.parametrize("kind", ANSWERS)
@pytest.mark.parametrize("pieces", [1 << 20, 7])
def test_an_answer_is_read_as_botocore_reads_it(server, kind, pieces):
    slow, quick = URLLib3Session(), QuickHttp(URLLib3Session())
    ask(quick, server)
    server.answer, server.pieces = ANSWERS[kind], max(pieces, len(ANSWERS[kind]) // 1000)
    ours, theirs = ask(quick, server), ask(slow, server)
    assert (ours.status_code, ours.content) == (theirs.status_code, theirs.content)
    assert dict(ours.headers) == dict(theirs.headers)
    server.answer = OK
    assert ask(quick, server).content == b"ok"


def test_a_request_is_what_botocore_sends(server):
    slow, quick = URLLib3Session(), QuickHttp(URLLib3Session())
    ask(quick, server)
    for method, body in (("POST", b"a=b"), ("GET", None), ("HEAD", None), ("PUT", b"")):
        server.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        seen = []
        for session in (slow, quick):
            ask(session, server, method, body, **{"X-Amz-Date": "now", "User-Agent": b"me"})
            head, sent = server.requests[-1]
            first, *lines = head.decode().strip().split("\r\n")
            seen.append((first, sorted(lines), sent))
        assert seen[0] == seen[1]


def test_connections_are_shared_and_kept(server):
    quick = QuickHttp(URLLib3Session())
    for _ in range(5):
        ask(quick, server)
    assert server.connections == 1


@pytest.mark.parametrize(
    "broken",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\nConnection: close\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"SSH-2.0-x\r\n\r\n",
        None,
    ],
)
def test_what_is_no_whole_answer_is_a_closed_connection(server, broken):
    quick = QuickHttp(URLLib3Session(timeout=2))
    ask(quick, server)
    server.answer = broken
    with pytest.raises(HTTPClientError) as caught:
        ask(quick, server)
    assert isinstance(caught.value, ConnectionClosedError | ReadTimeoutError)
    server.answer = OK
    assert ask(quick, server).content == b"ok"


def test_a_slow_answer_is_waited_for_as_long_as_asked(server):
    quick = QuickHttp(URLLib3Session(timeout=0.3))
    ask(quick, server)
    server.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"
    with pytest.raises(ReadTimeoutError):
        ask(quick, server)


@pytest.mark.parametrize("value", ["a\r\nX-Other: b", "a\nb", "π"])
def test_a_header_that_http_does_not_have_is_left_to_botocore(value):
    request = AWSRequest("GET", "http://127.0.0.1/", headers={"X-A": value}).prepare()
    assert written(request) is None


def test_a_stream_is_left_to_botocore():
    request = AWSRequest("GET", "http://127.0.0.1/", stream_output=True).prepare()
    assert written(request) is None
