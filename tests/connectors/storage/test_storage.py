"""What everyone relies on who stores a file, the same for a folder and a bucket."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit
from uuid import uuid4

import httpx
import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from connectors.storage.bucket import Bucket, BucketStorage
from connectors.storage.folder import FolderStorage
from connectors.storage.signing import Signer
from desk.clock import SystemClock
from desk.errors import NotFoundError, ServiceUnavailableError
from desk.files import DownloadGrant, FileLinks, UploadGrant, attachment_disposition, new_key
from desk.ports import Storage
from desk.secret import Secret
from tests.connectors.storage.conftest import ACCESS_KEY, REGION, SECRET

TENANT = uuid4()


async def test_what_was_put_can_be_had_whole_and_in_parts_until_it_is_deleted(storage: Storage) -> None:
    key, content = new_key(TENANT, "attachment"), os.urandom(700_000)
    await storage.put(key, content)
    found = await storage.head(key)
    assert found is not None
    assert found.size == len(content)
    assert abs(found.modified_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert await storage.get(key) == content
    assert b"".join([part async for part in storage.stream(key)]) == content

    await storage.delete(key)
    await storage.delete(key)
    assert await storage.head(key) is None
    with pytest.raises(NotFoundError):
        await storage.get(key)
    with pytest.raises(NotFoundError):
        _ = [part async for part in storage.stream(key)]


async def test_a_tenants_keys_are_listed_without_another_tenants(storage: Storage) -> None:
    other = uuid4()
    mine = {new_key(TENANT, "attachment"), new_key(TENANT, "document")}
    for key in (*mine, new_key(other, "attachment")):
        await storage.put(key, b"x")
    assert {key async for key in storage.keys(TENANT.hex)} == mine
    assert {key async for key in storage.keys(f"{TENANT.hex}/document")} < mine
    assert [key async for key in storage.keys(uuid4().hex)] == []


async def test_putting_again_replaces(storage: Storage) -> None:
    key = new_key(TENANT, "document")
    await storage.put(key, b"first")
    await storage.put(key, b"")
    assert await storage.get(key) == b""


async def test_a_store_that_cannot_be_reached_says_try_again(tmp_path: Path) -> None:
    nowhere = Bucket("desk-files", "http://127.0.0.1:9", REGION)
    storage: Storage = BucketStorage(nowhere, Signer(ACCESS_KEY, SECRET, REGION), SystemClock())
    with pytest.raises(ServiceUnavailableError) as refused:
        await storage.put("a/b/c", b"x")
    assert SECRET.reveal() not in refused.value.detail
    assert SECRET.reveal() not in storage.describe()


def test_a_file_that_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    """The writer dies by SIGKILL right after put returned; its last words are the keys it was told are safe."""
    writer = (
        "import asyncio, os, signal, sys\n"
        "from pathlib import Path\n"
        "from connectors.storage.folder import FolderStorage\n"
        "async def write():\n"
        "    storage = FolderStorage(Path(sys.argv[1]))\n"
        "    for at in range(20):\n"
        "        await storage.put(f'tenant/attachment/{at}', bytes([at]) * 100_000)\n"
        "        print(at, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(write())\n"
    )
    ended = subprocess.run([sys.executable, "-c", writer, str(tmp_path / "f")], capture_output=True, check=False)
    acknowledged = [int(line) for line in ended.stdout.split()]
    assert ended.returncode == -9, ended.stderr.decode()
    assert len(acknowledged) == 20
    for at in acknowledged:
        assert (tmp_path / "f" / f"tenant/attachment/{at}").read_bytes() == bytes([at]) * 100_000


async def test_a_folder_flushes_the_file_and_every_folder_above_it_before_it_acknowledges(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[str] = []
    real = os.fsync

    def watched(descriptor: int) -> None:
        flushed.append(Path(f"/proc/self/fd/{descriptor}").readlink().as_posix())
        real(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    root = tmp_path / "files"
    await FolderStorage(root).put("tenant/attachment/one", b"x")
    assert flushed == [str(root / part) for part in ("tenant/attachment/one", "tenant/attachment", "tenant", "")]


# Addresses for browsers --------------------------------------------------------------------------------------


def links(storage: Storage) -> FileLinks:
    return FileLinks(storage, Secret("k" * 40), "https://desk.example", SystemClock())


def test_an_upload_address_binds_type_length_and_key(bucket_storage: BucketStorage) -> None:
    """Stand-in servers take any signature, so what is signed is looked at here (AWS: SignedHeaders)."""
    key = new_key(TENANT, "attachment")
    address = links(bucket_storage).upload(UploadGrant(key, "image/png", 1234))
    query = parse_qs(urlsplit(address.url).query)
    assert query["X-Amz-SignedHeaders"] == ["content-length;content-type;host"]
    assert query["X-Amz-Expires"] == ["300"]
    assert address.method == "PUT"
    assert address.headers == {"Content-Type": "image/png", "Content-Length": "1234"}
    assert urlsplit(address.url).path.endswith(f"/{key}")
    assert SECRET.reveal() not in address.url


def test_a_download_address_forces_type_and_disposition(bucket_storage: BucketStorage) -> None:
    disposition = attachment_disposition('R\u00e9sum\u00e9 "x".html')
    grant = DownloadGrant("a/attachment/b", "application/octet-stream", disposition)
    query = parse_qs(urlsplit(links(bucket_storage).download(grant).url).query)
    assert query["response-content-type"] == ["application/octet-stream"]
    assert query["response-content-disposition"] == [disposition]
    assert disposition.startswith("attachment; ")


async def test_a_browser_can_use_the_addresses_of_a_bucket(bucket_storage: BucketStorage) -> None:
    key = new_key(TENANT, "attachment")
    upload = links(bucket_storage).upload(UploadGrant(key, "image/png", 5))
    async with httpx.AsyncClient() as browser:
        put = await browser.put(upload.url, content=b"12345", headers=dict(upload.headers))
        assert put.status_code == 200
        found = await bucket_storage.head(key)
        assert found is not None
        assert found.size == 5
        grant = DownloadGrant(key, "image/png", attachment_disposition("a.png"))
        got = await browser.get(links(bucket_storage).download(grant).url)
    assert got.content == b"12345"
    assert got.headers["content-disposition"].startswith("attachment")


@given(
    key=st.from_regex(r"[a-z0-9]{1,8}/attachment/[A-Za-z0-9_.~-]{1,12}", fullmatch=True),
    name=st.text(st.characters(codec="utf-8"), min_size=1, max_size=30),
    size=st.integers(0, 10**9),
    moment=st.datetimes(datetime(2024, 1, 1), datetime(2034, 1, 1)),  # noqa: DTZ001 - given their zone below
)
def test_signatures_are_botocores(key: str, name: str, size: int, moment: datetime) -> None:
    signer, now = Signer(ACCESS_KEY, SECRET, REGION), moment.replace(tzinfo=UTC, microsecond=0)
    url = f"https://files.example:9000/bucket/{key}"
    headers = {"Content-Type": "image/png", "Content-Length": str(size)}
    answered = {"response-content-disposition": attachment_disposition(name)}
    ours = signer.address("PUT", url, now=now, seconds=300, headers=headers, answered_with=answered)
    assert parse_qs(urlsplit(ours).query)["X-Amz-Signature"] == [_signature(now, url, headers, answered)]


def _signature(now: datetime, url: str, headers: dict[str, str], answered: dict[str, str]) -> str:
    """By botocore's own code, which has no types and no parameter for the time."""
    signing: Any = S3SigV4QueryAuth(Credentials(ACCESS_KEY, SECRET.reveal()), "s3", REGION, expires=300)
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in answered.items())
    request: Any = AWSRequest("PUT", f"{url}?{query}", headers=headers)
    request.context["timestamp"] = now.strftime("%Y%m%dT%H%M%SZ")
    signing._modify_request_before_signing(request)
    to_sign = signing.string_to_sign(request, signing.canonical_request(request))
    made: str = signing.signature(to_sign, request)
    return made


def test_the_desks_own_addresses_expire_and_cannot_be_turned_into_others(tmp_path: Path) -> None:
    own = links(FolderStorage(tmp_path / "files"))
    put = urlsplit(own.upload(UploadGrant("a/attachment/b", "image/png", 5)).url).path.rpartition("/")[2]
    assert own.read_upload(put) == UploadGrant("a/attachment/b", "image/png", 5)
    other = FileLinks(FolderStorage(tmp_path / "files"), Secret("o" * 40), "https://desk.example", SystemClock())
    late = FileLinks(FolderStorage(tmp_path / "files"), Secret("k" * 40), "https://desk.example", _AnHourAgo())
    expired = urlsplit(late.upload(UploadGrant("a/attachment/b", "image/png", 5)).url).path.rpartition("/")[2]
    for wrong in (lambda: own.read_download(put), lambda: other.read_upload(put), lambda: own.read_upload(expired)):
        with pytest.raises(NotFoundError):
            wrong()


class _AnHourAgo:
    """So that what it signs has expired already."""

    def now(self) -> datetime:
        return datetime.now(UTC) - timedelta(hours=1)


@given(st.text(max_size=80))
def test_a_files_name_never_breaks_out_of_its_header(name: str) -> None:
    made = attachment_disposition(name)
    assert made.startswith('attachment; filename="')
    assert made.isascii()
    assert not any(letter in made for letter in "\r\n\0")
    assert made.count('"') == 2


def test_keys_are_random_and_say_nothing_but_whose_they_are() -> None:
    keys = {new_key(TENANT, "attachment") for _ in range(100)}
    assert len(keys) == 100
    assert all(key.split("/")[:2] == [TENANT.hex, "attachment"] for key in keys)
