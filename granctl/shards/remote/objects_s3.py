"""Files behind s3://, through boto3: reading by ranges, listing, and parts of uploads."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from granctl.errors import BadUrlError, MissingExtraError, NoSuchRemoteError, RemoteDeniedError
from granctl.shards.remote.objects import Reply, past_the_end
from granctl.shards.remote.objects_http import PASSING, problem_of
from granctl.shards.remote.remotespec import RemoteSpec
from granctl.shards.remote.retry import PassingFaultError

_PASSING_CODES = frozenset(
    {
        "InternalError",
        "OperationAborted",
        "RequestTimeout",
        "RequestTimeTooSkewed",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "BadDigest",  # the bytes were changed on their way
        "IncompleteBody",
    }
)
_DENIED_HINT = (
    "check the credentials ($AWS_ACCESS_KEY_ID and $AWS_SECRET_ACCESS_KEY, or $AWS_PROFILE)"
    " and what they may do with the bucket"
)
_ANONYMOUS_HINT = (
    "no credentials were found, so it was asked for without: give some ($AWS_ACCESS_KEY_ID and"
    " $AWS_SECRET_ACCESS_KEY, or $AWS_PROFILE) that may use the bucket"
)
_CONNECT_S = 10


class S3Objects:
    """Objects below s3://BUCKET/PREFIX.

    Credentials, region and endpoint come from where every AWS program takes them: the environment
    ($AWS_ENDPOINT_URL_S3 names another server), ~/.aws, the machine's role. Where there are none,
    and with $GRANCTL_S3_ANONYMOUS=1, requests are not signed.
    """

    def __init__(self, url: str, spec: RemoteSpec) -> None:
        self.bucket, _, prefix = url.removeprefix("s3://").partition("/")
        self.prefix = prefix.strip("/")
        self._spec = spec
        self._client: tuple[int, Any] | None = None
        self._anonymous = False
        self._lock = threading.Lock()
        if "?" in url or "@" in self.bucket:
            raise BadUrlError(url, "an s3 URL has neither a query nor a login in it")
        _boto3()

    @property
    def where(self) -> str:
        """The URL."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    def key(self, name: str) -> str:
        """The object's key for a file's name."""
        return f"{self.prefix}/{name}" if self.prefix else name

    def get(self, name: str, span: tuple[int, int] | None = None, unless: str = "") -> Reply | None:
        """One try to open an object, or its bytes from begin to end.

        Raises:
            FileNotFoundError: there is no such object.
            PassingFaultError: the server is busy, silent or gone for the moment.
            NoSuchRemoteError: there is no such host or bucket.
            RemoteDeniedError: it refuses.
        """
        asked: dict[str, Any] = {"Bucket": self.bucket, "Key": self.key(name)}
        if span is not None:
            asked["Range"] = f"bytes={span[0]}-{span[1] - 1}"
        if unless:
            asked["IfNoneMatch"] = unless
        try:
            found = self.call("get_object", **asked)
        except _NotModified:
            return None
        except _PastTheEnd as answer:
            return past_the_end(str(answer))
        length = int(found["ContentLength"])
        after = str(found.get("ContentRange", "")).rpartition("/")[2]
        total = int(after) if after.isdigit() else length
        return Reply(_Body(found["Body"]), length, total, str(found.get("ETag", "")))

    def sizes(self) -> Mapping[str, int]:
        """Name -> bytes of the objects directly below the URL."""
        under = f"{self.prefix}/" if self.prefix else ""
        pages = self._pages("list_objects_v2", Prefix=under, Delimiter="/")
        return {
            item["Key"][len(under) :]: int(item["Size"])
            for page in pages
            for item in page.get("Contents", [])
        }

    def unfinished_uploads(self) -> list[tuple[str, str]]:
        """(key, upload id) of the multipart uploads below the URL that were never completed."""
        under = f"{self.prefix}/" if self.prefix else ""
        return [
            (item["Key"], item["UploadId"])
            for page in self._pages("list_multipart_uploads", Prefix=under)
            for item in page.get("Uploads", [])
        ]

    def _pages(self, operation: str, **asked: Any) -> Iterator[Any]:
        """Each page of a listing, one try each; the caller tries again from the start."""
        marks: dict[str, Any] = {}
        while True:
            page = self.call(operation, Bucket=self.bucket, **asked, **marks)
            yield page
            if not page.get("IsTruncated"):
                return
            if operation == "list_objects_v2":
                marks = {"ContinuationToken": page["NextContinuationToken"]}
            else:
                marks = {
                    "KeyMarker": page["NextKeyMarker"],
                    "UploadIdMarker": page["NextUploadIdMarker"],
                }

    def call(self, operation: str, **asked: Any) -> Any:
        """One try of one operation of S3, its faults told apart.

        Raises:
            FileNotFoundError: there is no such object.
            PassingFaultError: the server is busy, silent or gone for the moment.
            NoSuchRemoteError: there is no such host or bucket.
            RemoteDeniedError: it refuses.
        """
        from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

        try:
            return getattr(self._connected(), operation)(**asked)
        except ClientError as error:
            raise self._answered(error, asked) from error
        except HTTPClientError as error:
            raise self._unanswered(error) from error
        except BotoCoreError as error:
            raise RemoteDeniedError(self.where, str(error).rstrip("."), _DENIED_HINT) from error

    def _answered(self, error: Any, asked: Mapping[str, Any]) -> Exception:
        """The fault that the server's answer means."""
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        code = str(error.response.get("Error", {}).get("Code", ""))
        shown = f"s3://{self.bucket}/{asked.get('Key', self.prefix)}".rstrip("/")
        if status == 304:
            return _NotModified()
        if code == "NoSuchBucket":
            hint = "check the bucket's name, and $AWS_ENDPOINT_URL_S3 where it is no AWS"
            return NoSuchRemoteError(self.where, f"there is no bucket {self.bucket}", hint)
        if code in _PASSING_CODES or status in PASSING:
            return PassingFaultError(f"the server answers {status} {code}".rstrip())
        if status == 404:
            return FileNotFoundError(f"{shown} ({code})")
        if status == 416:
            headers = error.response["ResponseMetadata"].get("HTTPHeaders", {})
            return _PastTheEnd(headers.get("content-range", ""))
        hint = _ANONYMOUS_HINT if self._anonymous else _DENIED_HINT
        if "Redirect" in code or code == "AuthorizationHeaderMalformed":
            hint = "say which region the bucket lies in: $AWS_REGION"
        said = f"the server answers {status} {code}".rstrip()
        return RemoteDeniedError(shown, said, hint)

    def _unanswered(self, error: Any) -> Exception:
        """The fault that a missing answer means."""
        text = str(error)
        if "Name or service not known" in text or "nodename nor servname" in text:
            hint = "check $AWS_ENDPOINT_URL_S3, $AWS_REGION and this machine's network"
            return NoSuchRemoteError(self.where, "there is no such host", hint)
        if "CERTIFICATE" in text:
            hint = "a certificate of your own is named by $AWS_CA_BUNDLE"
            return RemoteDeniedError(self.where, "its certificate is not trusted", hint)
        return PassingFaultError(problem_of(error))

    def _connected(self) -> Any:
        """The client of this process; one of a parent process is left alone."""
        with self._lock:
            if self._client is None or self._client[0] != os.getpid():
                self._client = (os.getpid(), self._made())
            return self._client[1]

    def _made(self) -> Any:
        from botocore import UNSIGNED
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError

        session = _boto3().session.Session()
        try:
            known = session.get_credentials() is not None
        except BotoCoreError as error:
            raise RemoteDeniedError(self.where, str(error).rstrip("."), _DENIED_HINT) from error
        self._anonymous = not known or os.environ.get("GRANCTL_S3_ANONYMOUS") == "1"
        custom = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        settings: dict[str, Any] = {
            "max_pool_connections": self._spec.in_flight + 1,
            "connect_timeout": _CONNECT_S,
            "read_timeout": self._spec.timeout_s,
            "retries": {"total_max_attempts": 1},  # retry.py tries again, and says so
            # Other servers than Amazon's refuse the newer checksums; parts carry Content-MD5.
            "request_checksum_calculation": "when_required",
            "response_checksum_validation": "when_required",
        }
        if custom:
            settings["s3"] = {"addressing_style": "path"}
        if self._anonymous:
            settings["signature_version"] = UNSIGNED
        region = session.region_name or "us-east-1"
        try:
            return session.client("s3", region_name=region, config=Config(**settings))
        except ValueError as error:
            raise BadUrlError(self.where, f"the endpoint cannot be used ({error})") from error

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k not in ("_client", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _client=None, _lock=threading.Lock())


class _NotModified(Exception):  # noqa: N818  (an answer, not an error)
    """The object has the version that is known already."""


class _PastTheEnd(Exception):  # noqa: N818  (an answer, not an error)
    """The range begins after the object's last byte."""


class _Body:
    """The bytes of an object as they come."""

    def __init__(self, body: Any) -> None:
        self._body = body

    def read(self, num_bytes: int) -> bytes:
        from botocore.exceptions import BotoCoreError
        from urllib3.exceptions import HTTPError

        try:
            return bytes(self._body.read(num_bytes))
        except (BotoCoreError, HTTPError, OSError) as error:
            raise PassingFaultError(problem_of(error)) from error

    def close(self) -> None:
        self._body.close()


def _boto3() -> Any:
    """boto3, which `granctl[s3]` installs.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import boto3
    except ImportError as error:
        raise MissingExtraError("s3://", "s3") from error
    return boto3
