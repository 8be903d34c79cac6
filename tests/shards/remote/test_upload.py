"""Shard sets to s3://: whole or not there, whatever the server or a kill does meanwhile."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from servers import S3Server, every, request

from granctl.errors import (
    BadUrlError,
    NoSuchRemoteError,
    RemoteDeniedError,
    RemoteDownError,
    RemoteExistsError,
    ShardCorruptError,
)
from granctl.progress import Silent
from granctl.shards.index import ShardSet
from granctl.shards.read import ImageReader
from granctl.shards.remote.put import part_size
from granctl.shards.remote.remotespec import MIB, RemoteSpec
from granctl.shards.remote.shardset import open_remote
from granctl.shards.remote.upload import upload_shards

URL = "s3://bucket/sets/shapes"


def quick(tmp_path: Path, **fields: Any) -> RemoteSpec:
    """Small parts and short waits."""
    given = {"part_bytes": 6000, "first_wait_s": 0.001, "tries": 4, "in_flight": 3}
    return RemoteSpec(cache=tmp_path / "cache", **{**given, **fields})


def stored(server: S3Server) -> dict[str, bytes]:
    """Name -> content of all objects of the bucket."""
    import boto3

    client = boto3.client("s3", region_name="us-east-1")
    found = client.list_objects_v2(Bucket="bucket").get("Contents", [])
    return {
        item["Key"]: client.get_object(Bucket="bucket", Key=item["Key"])["Body"].read()
        for item in found
    }


def unfinished() -> list[Any]:
    """The multipart uploads that nobody completed."""
    import boto3

    client = boto3.client("s3", region_name="us-east-1")
    return client.list_multipart_uploads(Bucket="bucket").get("Uploads", [])


def files_of(folder: Path) -> dict[str, bytes]:
    """Name -> content as it should be stored below URL."""
    return {f"sets/shapes/{p.name}": p.read_bytes() for p in folder.iterdir() if p.is_file()}


def test_uploaded_set_has_the_same_bytes_and_reads_like_the_local_one(
    s3: S3Server, shards: ShardSet, shards_folder: Path, tmp_path: Path
) -> None:
    """Shards larger than a part go in parts; digest, rows and images are those of the folder."""
    record = upload_shards(shards_folder, URL, Silent(), quick(tmp_path))
    assert record["made"]
    assert any("uploadId" in line for line in s3.requests)
    assert stored(s3) == files_of(shards_folder)
    remote = ShardSet.open(URL)
    assert (remote.digest, remote.name) == (shards.digest, "shapes")
    for split in shards.splits:
        ours, theirs = shards.rows(split), remote.rows(split)
        with ImageReader(shards) as local, ImageReader(remote) as reader:
            for i in range(len(ours)):
                assert reader.image(theirs, i) == local.image(ours, i)


def test_what_is_there_is_not_sent_again(s3: S3Server, shards_folder: Path, tmp_path: Path) -> None:
    """A second upload finds the set whole and writes nothing."""
    upload_shards(shards_folder, URL, Silent(), quick(tmp_path))
    s3.forget()
    assert not upload_shards(shards_folder, URL, Silent(), quick(tmp_path))["made"]
    assert {line.split()[0] for line in s3.requests} == {"GET"}


def test_manifest_is_sent_last(s3: S3Server, shards_folder: Path, tmp_path: Path) -> None:
    """Every other object is whole when the manifest appears."""
    upload_shards(shards_folder, URL, Silent(), quick(tmp_path))
    writes = [line for line in s3.requests if line.startswith(("PUT", "POST"))]
    assert "spec.json" in writes[0]
    assert "manifest.json" in writes[-1]
    assert not any("manifest.json" in line for line in writes[:-1])


@pytest.mark.parametrize("fault", ["503", "500", "cut"])
def test_faults_that_pass_are_tried_again(
    s3: S3Server, shards_folder: Path, tmp_path: Path, fault: str
) -> None:
    """Every fifth request fails; the objects are right all the same."""
    s3.fault = every(5, fault)
    upload_shards(shards_folder, URL, Silent(), quick(tmp_path, tries=8))
    s3.forget()
    assert stored(s3) == files_of(shards_folder)
    assert not unfinished()


def test_a_server_that_stays_down_is_given_up(
    s3: S3Server, shards_folder: Path, tmp_path: Path
) -> None:
    """After the tries of the spec, with what was told each time; then the same call goes on."""
    told: list[str] = []

    class Told(Silent):
        def note(self, text: str) -> None:
            told.append(text)

    s3.fault = every(1, "503", only="train-000001")
    with pytest.raises(RemoteDownError, match="4 tries"):
        upload_shards(shards_folder, URL, Told(), quick(tmp_path))
    assert [t for t in told if "503 SlowDown; try 4 of 4" in t]
    assert not unfinished()
    assert "sets/shapes/manifest.json" not in stored(s3)
    s3.forget()
    upload_shards(shards_folder, URL, Silent(), quick(tmp_path))
    assert stored(s3) == files_of(shards_folder)


def test_an_object_of_the_right_size_and_other_content_is_replaced(
    s3: S3Server, shards_folder: Path, tmp_path: Path
) -> None:
    """Size alone does not make an object whole: its checksum must be that of the file."""
    import boto3

    client = boto3.client("s3", region_name="us-east-1")
    for name in ("spec.json", "train-000000.tar"):
        content = (shards_folder / name).read_bytes()
        body = content if name == "spec.json" else bytes(len(content))
        client.put_object(Bucket="bucket", Key=f"sets/shapes/{name}", Body=body)
    upload_shards(shards_folder, URL, Silent(), quick(tmp_path))
    assert stored(s3) == files_of(shards_folder)


def test_a_set_that_lost_a_shard_is_no_longer_whole_while_it_is_mended(
    s3: S3Server, shards_folder: Path, tmp_path: Path
) -> None:
    """The manifest goes first, comes last."""
    import boto3

    upload_shards(shards_folder, URL, Silent(), quick(tmp_path))
    client = boto3.client("s3", region_name="us-east-1")
    client.delete_object(Bucket="bucket", Key="sets/shapes/train-000001.tar")
    s3.forget()
    assert upload_shards(shards_folder, URL, Silent(), quick(tmp_path))["made"]
    writes = [line for line in s3.requests if line.startswith(("PUT", "POST", "DELETE"))]
    assert writes[0].startswith("DELETE")
    assert "manifest.json" in writes[0]
    assert "manifest.json" in writes[-1]
    assert stored(s3) == files_of(shards_folder)


@pytest.mark.parametrize("holds", ["other.txt", "spec.json", "manifest.json"])
def test_other_things_below_the_url_are_left_alone(
    s3: S3Server, shards_folder: Path, tmp_path: Path, holds: str
) -> None:
    """Nothing is written where something else lies."""
    import boto3

    client = boto3.client("s3", region_name="us-east-1")
    client.put_object(Bucket="bucket", Key=f"sets/shapes/{holds}", Body=b'{"digest": "other"}')
    with pytest.raises(RemoteExistsError):
        upload_shards(shards_folder, URL, Silent(), quick(tmp_path))
    assert list(stored(s3)) == [f"sets/shapes/{holds}"]


def test_permanent_faults_are_told_at_once(
    s3: S3Server, shards_folder: Path, tmp_path: Path
) -> None:
    """No bucket, no permission, no s3 URL, a local set that is not whole: one try, a mend."""
    with pytest.raises(NoSuchRemoteError, match="no bucket wrong") as error:
        upload_shards(shards_folder, "s3://wrong/x", Silent(), quick(tmp_path))
    assert "AWS_ENDPOINT_URL_S3" in error.value.hint
    assert len(s3.requests) == 1
    s3.fault = every(1, "403")
    with pytest.raises(RemoteDeniedError, match="403 AccessDenied") as denied:
        upload_shards(shards_folder, URL, Silent(), quick(tmp_path))
    assert "credentials" in denied.value.hint
    assert len(s3.requests) == 2
    with pytest.raises(BadUrlError, match="only s3"):
        upload_shards(shards_folder, "https://host/x", Silent(), quick(tmp_path))
    broken = shutil.copytree(shards_folder, tmp_path / "broken")
    (broken / "train-000000.tar").write_bytes(b"")
    with pytest.raises(ShardCorruptError):
        upload_shards(broken, URL, Silent(), quick(tmp_path))
    assert len(s3.requests) == 2


def test_without_credentials_requests_are_anonymous(
    s3: S3Server, shards_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is signed, and a refusal says that no credentials were found."""
    import boto3

    upload_shards(shards_folder, URL, Silent(), quick(tmp_path))
    client = boto3.client("s3", region_name="us-east-1")
    for key in files_of(shards_folder):
        client.put_object_acl(Bucket="bucket", Key=key, ACL="public-read")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert ShardSet.open(URL).num_images("train") == 18
    s3.fault = every(1, "403")
    with pytest.raises(RemoteDeniedError) as denied:
        ShardSet.open(URL)
    assert "no credentials were found" in denied.value.hint


@pytest.mark.parametrize("fault", ["503", "cut"])
def test_reading_outlives_faults_of_s3(
    s3: S3Server, shards: ShardSet, shards_folder: Path, tmp_path: Path, fault: str
) -> None:
    """Every third request fails: the images are the same, single and read ahead."""
    upload_shards(shards_folder, URL, Silent(), quick(tmp_path))
    s3.forget()
    s3.fault = every(3, fault)
    remote = ShardSet.of_store(open_remote(URL, quick(tmp_path, tries=8, gap_bytes=0)))
    rows = remote.rows("train")
    with ImageReader(shards) as local, ImageReader(remote) as reader:
        for ahead in (False, True):
            if ahead:
                reader.prefetch(rows, np.arange(len(rows)))
            for i in range(len(rows)):
                assert reader.image(rows, i) == local.image(shards.rows("train"), i)


def test_parts_never_are_more_than_ten_thousand() -> None:
    """A file of 5 TB has larger parts; a small one those that were wished."""
    assert part_size(100 * MIB, 16 * MIB) == 16 * MIB
    size = 5 * 2**40
    assert -(-size // part_size(size, 16 * MIB)) <= 10_000


# --- killed -------------------------------------------------------------------------------------

_PROGRAM = """
import sys
from pathlib import Path
from granctl.progress import Silent
from granctl.shards.remote.shardset import open_remote
from granctl.shards.remote.remotespec import RemoteSpec
from granctl.shards.remote.upload import upload_shards
spec = RemoteSpec(cache=Path(sys.argv[3]), part_bytes=6000, in_flight=3)
upload_shards(Path(sys.argv[1]), sys.argv[2], Silent(), spec)
"""


def killed_at(server: S3Server, folder: Path, tmp_path: Path, num: int, *, after: bool) -> bool:
    """Uploads in a process that dies (SIGKILL) at its num-th request; whether it came to that."""
    arguments = [sys.executable, "-c", _PROGRAM, str(folder), URL, str(tmp_path / "cache")]
    process = subprocess.Popen(arguments, stderr=subprocess.PIPE)

    def kill(i: int, _: str) -> None:
        if i == num:
            os.kill(process.pid, signal.SIGKILL)
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

    server.forget()
    if after:
        server.after = kill
    else:
        server.before = kill
    _, said = process.communicate()
    server.forget()
    assert process.returncode in (0, -signal.SIGKILL), said.decode()
    return process.returncode != 0


def check_killed_anywhere(
    server: S3Server, folder: Path, tmp_path: Path, points: list[tuple[int, bool]]
) -> int:
    """Kills uploads at these requests, before or after the server worked; returns how many died.

    After each kill: the manifest is there only with everything else; and when the upload is run to
    its end, every object has the bytes of its file and no multipart upload is left.
    """
    wanted, died = files_of(folder), 0
    for num, after in points:
        request(server, "POST", "/moto-api/reset")
        request(server, "PUT", "/bucket")
        died += killed_at(server, folder, tmp_path, num, after=after)
        there = stored(server)
        assert there.items() <= wanted.items()
        assert "sets/shapes/manifest.json" not in there or there == wanted
        upload_shards(folder, URL, Silent(), quick(tmp_path))
        assert stored(server) == wanted
        assert not unfinished()
    return died


def num_requests(server: S3Server, folder: Path, tmp_path: Path) -> int:
    """Requests of an upload that nobody disturbs."""
    upload_shards(folder, URL, Silent(), quick(tmp_path))
    return len(server.requests)


def test_an_upload_that_was_killed_goes_on(
    s3: S3Server, shards_folder: Path, tmp_path: Path
) -> None:
    """At three random requests: before it, and after the server did its part."""
    num, chance = num_requests(s3, shards_folder, tmp_path), random.Random(7)
    points = [(chance.randint(2, num), bool(k % 2)) for k in range(3)]
    assert check_killed_anywhere(s3, shards_folder, tmp_path, points) == 3


@pytest.mark.slow
def test_an_upload_that_was_killed_anywhere_goes_on(
    s3: S3Server, shards_folder: Path, tmp_path: Path
) -> None:
    """Fifty kills, over every request of an upload and both sides of it."""
    num, chance = num_requests(s3, shards_folder, tmp_path), random.Random(8)
    points = [(1 + k % num, bool(k // num % 2)) for k in range(2 * num)]
    chosen = chance.sample(points, min(50, len(points)))
    chosen += [(chance.randint(1, num), chance.random() < 0.5) for _ in range(50 - len(chosen))]
    # The last requests may already be answered when the process ends by itself.
    assert check_killed_anywhere(s3, shards_folder, tmp_path, chosen) >= 45
