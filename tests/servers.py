"""Servers on this machine that fail on demand: http with ranges, and S3 (moto's server)."""

from __future__ import annotations

import contextlib
import hashlib
import re
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Fault = Callable[[int, str], str | None]
"""(number of the request from 1, "GET /path") -> what goes wrong with it, or None.

503: busy; reset: the connection is closed without an answer; cut: in the middle of the body;
silent: no answer for 0.4 s, and none then; short: a shorter body than was asked for, said to be
so; 401, 403: denied.
"""


def no_fault(num: int, request: str) -> str | None:
    """Every request is answered."""
    return None


def nothing(num: int, request: str) -> None:
    """Does nothing."""


def every(num: int, kind: str, only: str = "") -> Fault:
    """Every `num`-th request meets a fault, of those whose path contains `only`."""
    return lambda i, request: kind if i % num == 0 and only in request else None


class RangeServer:
    """Serves a folder over http with ranges and ETags; counts what it was asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fault: Fault = no_fault
        self.knows_ranges = True
        self.requests: list[tuple[str, str | None]] = []
        """(path, range) of each request."""
        self.login: str | None = None
        """The Authorization header that is asked for."""
        self._lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                server._answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            def handle_error(self, *_: Any) -> None:  # a client that went away
                pass

        self._server = Quiet(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def address(self) -> str:
        """HOST:PORT."""
        return f"127.0.0.1:{self._server.server_port}"

    def url(self, path: str = "") -> str:
        """The URL of a path of the folder."""
        return f"http://{self.address}/{path}".rstrip("/")

    def close(self) -> None:
        """Answers no more."""
        self._server.shutdown()
        self._server.server_close()

    def forget(self) -> None:
        """Counts from now on."""
        self.requests.clear()

    def _answer(self, handler: Any) -> None:
        span = handler.headers.get("Range")
        with self._lock:
            self.requests.append((handler.path, span))
            fault = self.fault(len(self.requests), f"GET {handler.path}")
        if fault == "silent":
            time.sleep(0.4)
        if fault in ("reset", "silent"):
            handler.close_connection = True
            return
        if self.login and handler.headers.get("Authorization") != self.login:
            fault = "401"
        if fault is not None and fault.isdigit():
            self._send(handler, int(fault), b"no", {"Retry-After": "0"})
            return
        path = self.folder / handler.path.partition("?")[0].lstrip("/")
        if not path.is_file():
            self._send(handler, 404, b"not found", {})
            return
        content = path.read_bytes()
        etag = f'"{hashlib.md5(content).hexdigest()}"'
        if handler.headers.get("If-None-Match") == etag:
            self._send(handler, 304, b"", {"ETag": etag})
            return
        status, headers = 200, {"ETag": etag}
        if span and self.knows_ranges:
            first, last = (int(x) for x in re.fullmatch(r"bytes=(\d+)-(\d+)", span).groups())
            total = len(content)
            if first >= total:
                self._send(handler, 416, b"", {"Content-Range": f"bytes */{total}"})
                return
            content = content[first : last + 1]
            if fault == "short":
                content = content[: len(content) // 2]
            status = 206
            headers["Content-Range"] = f"bytes {first}-{first + len(content) - 1}/{total}"
        self._send(handler, status, content, headers, cut=fault == "cut")

    def _send(
        self, handler: Any, status: int, content: bytes, headers: dict[str, str], cut: bool = False
    ) -> None:
        with contextlib.suppress(OSError):
            handler.send_response(status)
            for name, value in headers.items():
                handler.send_header(name, value)
            handler.send_header("Content-Length", str(len(content)))
            handler.end_headers()
            handler.wfile.write(content[: len(content) // 2] if cut else content)
            if cut:
                handler.close_connection = True


class S3Server:
    """moto's S3 server, behind a layer that fails on demand and counts requests."""

    def __init__(self) -> None:
        import moto.s3.models
        from moto.server import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import WSGIRequestHandler, make_server

        moto.s3.models.S3_UPLOAD_PART_MIN_SIZE = 1024  # parts of small files

        class Quiet(WSGIRequestHandler):
            protocol_version = "HTTP/1.1"

            def log(self, *_: Any, **__: Any) -> None:
                pass

        self.fault: Fault = no_fault
        self.before: Callable[[int, str], None] = nothing
        self.after: Callable[[int, str], None] = nothing
        """Called with the number of the request and its line, before and after it is worked on."""
        self.requests: list[str] = []
        self._lock = threading.Lock()
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._answer, True, request_handler=Quiet)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        """The endpoint."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """Answers no more."""
        self._server.shutdown()
        self._server.server_close()

    def forget(self) -> None:
        """Counts from now on, and fails no more."""
        self.requests.clear()
        self.fault = no_fault
        self.before = self.after = nothing

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Any:
        query = environ.get("QUERY_STRING", "")
        line = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}" + f"?{query}" * bool(query)
        with self._lock:
            self.requests.append(line)
            num = len(self.requests)
        self.before(num, line)
        fault = self.fault(num, line)
        if fault is not None and fault.isdigit():
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            code = {"403": "AccessDenied", "503": "SlowDown"}.get(fault, "InternalError")
            body = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
            start(f"{fault} no", [("Content-Length", str(len(body)))])
            return [body]
        answer = b"".join(self._moto(environ, start))
        self.after(num, line)
        if fault == "cut":
            return _cut(answer)
        return [answer]


def _cut(answer: bytes) -> Iterator[bytes]:
    yield answer[: len(answer) // 2]
    raise ConnectionAbortedError("cut on demand")


def request(server: S3Server, method: str, path: str) -> bytes:
    """One plain request."""
    import urllib3

    answer = urllib3.request(method, f"{server.url}{path}")
    assert answer.status < 300, answer.data
    return answer.data
