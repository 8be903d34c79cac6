"""Files behind http:// and https://: by range requests, over connections that are kept."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3.exceptions import (
    HTTPError,
    MaxRetryError,
    NameResolutionError,
    SSLError,
)

from granctl.errors import BadUrlError, NoRangesError, NoSuchRemoteError, RemoteDeniedError
from granctl.shards.remote.objects import Reply, past_the_end
from granctl.shards.remote.remotespec import RemoteSpec
from granctl.shards.remote.retry import PassingFaultError

PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_MOST_REDIRECTS = 5
_CONNECT_S = 10.0


class HttpObjects:
    """Files below a URL; `?query` of the URL goes with each of them (a token, for example)."""

    def __init__(self, url: str, spec: RemoteSpec) -> None:
        parts = urlsplit(url)
        try:
            host, port = parts.hostname or "", parts.port
        except ValueError as error:
            raise BadUrlError(url, f"it has no such port ({error})") from error
        at = f"[{host}]" if ":" in host else host
        self._base = (parts.scheme, f"{at}:{port}" if port else at, parts.path.rstrip("/"))
        self._query = parts.query
        self._headers = {"Accept-Encoding": "identity", "User-Agent": "granctl"}
        if parts.username is not None:
            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self._headers |= urllib3.make_headers(basic_auth=login)
        self._spec = spec
        self._pool: tuple[int, urllib3.PoolManager] | None = None
        self._lock = threading.Lock()

    @property
    def where(self) -> str:
        """The URL without password and query."""
        return urlunsplit((*self._base, "", ""))

    def get(self, name: str, span: tuple[int, int] | None = None, unless: str = "") -> Reply | None:
        """One try to open a file, or its bytes from begin to end.

        Raises:
            FileNotFoundError: there is no such file.
            PassingFaultError: the server is busy, silent or gone for the moment.
            NoRangesError: it sends the whole file instead of a part.
            NoSuchRemoteError: there is no such host.
            RemoteDeniedError: it refuses.
        """
        scheme, host, path = self._base
        url = urlunsplit((scheme, host, f"{path}/{quote(name)}", self._query, ""))
        headers = dict(self._headers)
        if span is not None:
            headers["Range"] = f"bytes={span[0]}-{span[1] - 1}"
        if unless:
            headers["If-None-Match" if '"' in unless else "If-Modified-Since"] = unless
        shown = f"{self.where}/{name}"
        try:
            response = self._manager().request(
                "GET",
                url,
                headers=headers,
                preload_content=False,
                decode_content=False,
                timeout=urllib3.Timeout(connect=_CONNECT_S, read=self._spec.timeout_s),
                retries=urllib3.Retry(
                    connect=0, read=0, status=0, other=0, redirect=_MOST_REDIRECTS, total=None
                ),
            )
        except HTTPError as error:
            raise self._fault(error, shown) from error
        reply = self._judged(response, shown, span)
        if reply is None:
            response.close()
        return reply

    def sizes(self) -> Mapping[str, int] | None:
        """None: http has no list of files."""
        return None

    def _judged(self, response: Any, shown: str, span: tuple[int, int] | None) -> Reply | None:
        """The reply of a response; None for "not changed"."""
        status, headers = int(response.status), response.headers
        length = _number(headers.get("Content-Length"))
        version = headers.get("ETag") or headers.get("Last-Modified") or ""
        body = _Body(response)
        if status == 304:
            return None
        if status == 206 and span is not None:
            total = _number(headers.get("Content-Range", "").rpartition("/")[2])
            return Reply(body, length, total, version)
        if status == 200:
            if span is not None and (span[0] > 0 or span[1] < length):
                response.close()
                raise NoRangesError(self.where)
            return Reply(body, length, length, version)
        response.close()
        if status in (404, 410):
            raise FileNotFoundError(shown)
        if status == 416:
            return past_the_end(headers.get("Content-Range", ""))
        said = f"the server answers {status} {response.reason or ''}".rstrip()
        if status in PASSING:
            raise PassingFaultError(said, float(max(0, _number(headers.get("Retry-After")))))
        hint = "check the URL in a browser; a login is written https://USER:PASSWORD@HOST/PATH"
        raise RemoteDeniedError(shown, said, hint)

    def _fault(self, error: HTTPError, shown: str) -> Exception:
        """The fault that an exception of the connection means."""
        reason = error.reason if isinstance(error, MaxRetryError) else error
        if isinstance(reason, NameResolutionError):
            cause = reason.__cause__
            if not isinstance(cause, socket.gaierror) or cause.errno != socket.EAI_AGAIN:
                hint = "check the host's name and this machine's network"
                return NoSuchRemoteError(shown, f"there is no host {self._base[1]}", hint)
        if isinstance(reason, SSLError) and "CERTIFICATE" in str(reason):
            hint = "check the URL; a certificate of your own is named by $SSL_CERT_FILE"
            return RemoteDeniedError(shown, f"its certificate is not trusted ({reason})", hint)
        return PassingFaultError(problem_of(reason or error))

    def _manager(self) -> urllib3.PoolManager:
        """The connections of this process; those of a parent process are left alone."""
        with self._lock:
            if self._pool is None or self._pool[0] != os.getpid():
                scheme, host, _ = self._base
                proxy = None if proxy_bypass(host) else getproxies().get(scheme)
                most = self._spec.in_flight + 1
                made: urllib3.PoolManager = (
                    urllib3.ProxyManager(proxy, maxsize=most)
                    if proxy
                    else urllib3.PoolManager(maxsize=most)
                )
                self._pool = (os.getpid(), made)
            return self._pool[1]

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k not in ("_pool", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _pool=None, _lock=threading.Lock())


class _Body:
    """The bytes of a response."""

    def __init__(self, response: Any) -> None:
        self._response = response

    def read(self, num_bytes: int) -> bytes:
        try:
            return bytes(self._response.read(num_bytes, decode_content=False))
        except (HTTPError, OSError) as error:
            raise PassingFaultError(problem_of(error)) from error

    def close(self) -> None:
        # A connection with bytes left cannot be used again; one without goes back to the pool.
        if self._response.length_remaining:
            self._response.close()
        self._response.release_conn()


def problem_of(error: BaseException) -> str:
    """An exception of a connection in few words."""
    text = str(error)
    for sign, words in (
        ("refused", "connection refused"),
        ("reset", "connection reset"),
        ("timed out", "no answer in time"),
        ("IncompleteRead", "connection cut in the middle of a reply"),
        ("without response", "connection closed without a reply"),
    ):
        if sign in text or sign in type(error).__name__:
            return words
    return f"{type(error).__name__}: {text}"[:200]


def _number(text: str | None) -> int:
    return int(text) if text and text.strip().isdigit() else -1
