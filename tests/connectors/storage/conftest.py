"""Both stores, empty: a folder, and a bucket of a moto server on loopback."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest
from moto.server import ThreadedMotoServer

from connectors.storage.bucket import Bucket, BucketStorage
from connectors.storage.folder import FolderStorage
from connectors.storage.signing import Signer
from desk.clock import SystemClock
from desk.ports import Storage
from desk.secret import Secret

REGION = "eu-central-1"
ACCESS_KEY = "AKIDEXAMPLE"
SECRET = Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")


@dataclass(frozen=True)
class S3Server:
    url: str

    def new_bucket(self) -> Bucket:
        name = f"desk-{uuid4().hex[:12]}"
        untyped: Any = boto3
        client = untyped.client(
            "s3",
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET.reveal(),
        )
        client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        return Bucket(name, self.url, REGION)


@pytest.fixture(scope="session")
def s3_server() -> Generator[S3Server]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    yield S3Server(f"http://127.0.0.1:{port}")
    server.stop()


@pytest.fixture
def bucket_storage(s3_server: S3Server) -> BucketStorage:
    return BucketStorage(s3_server.new_bucket(), Signer(ACCESS_KEY, SECRET, REGION), SystemClock())


@pytest.fixture(params=["folder", "bucket"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "bucket":
        chosen: BucketStorage = request.getfixturevalue("bucket_storage")
        return chosen
    return FolderStorage(tmp_path / "files")
