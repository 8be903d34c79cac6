"""Faults of shard sets and sources behind URLs."""

from __future__ import annotations

from granctl.errors.root import DataError, RunError, UserError


class BadUrlError(UserError):
    """A text that looks like a URL and is none that granctl reads or writes."""

    def __init__(self, url: str, problem: str, hint: str = "") -> None:
        otherwise = "write s3://BUCKET/PREFIX, or https://HOST/PATH for the folder of a shard set"
        super().__init__(f"{url}: {problem}", hint or otherwise)


class MissingExtraError(UserError):
    """What was asked needs an optional package that is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(
            f"{what} needs a package that is not installed here",
            f"install it: `pip install 'granctl[{extra}]'`",
        )


class RemoteDeniedError(UserError):
    """The server knows the request's sender and does not let it, or wants to know it and cannot."""

    def __init__(self, url: str, problem: str, hint: str) -> None:
        super().__init__(f"{url}: {problem}", hint)


class NoSuchRemoteError(UserError):
    """There is no such host, bucket or object."""

    def __init__(self, url: str, problem: str, hint: str) -> None:
        super().__init__(f"{url}: {problem}", hint)


class RemoteExistsError(UserError):
    """Something else lies below the URL that was to be written."""

    def __init__(self, url: str, holds: str) -> None:
        super().__init__(
            f"{url} holds {holds}; nothing was written",
            "name another URL, or remove what is there",
        )


class NoRangesError(UserError):
    """A web server sends whole files when asked for a part."""

    def __init__(self, url: str) -> None:
        super().__init__(
            f"{url}: this server ignores range requests, so single images cannot be read from it",
            "use a server that knows them (nginx, Apache, caddy, S3;"
            " Python's http.server does not), or copy the shard set to a disk",
        )


class RemoteDownError(RunError):
    """A server did not answer, or answered with faults that may pass, time after time."""

    def __init__(self, url: str, tries: int, took_s: float, problem: str) -> None:
        super().__init__(
            f"{url}: no good answer in {tries} tries over {took_s:.0f} s (the last: {problem})",
            "run the same command again when the server answers: it goes on",
        )


class RemoteChangedError(DataError):
    """A file behind a URL is not the one that the manifest describes."""

    def __init__(self, url: str, problem: str) -> None:
        super().__init__(
            f"{url}: {problem}",
            "it was changed or cut short after the set was made: upload it again",
        )
