"""Files in an S3-compatible bucket, which stays private: browsers get addresses that are signed for minutes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal
from urllib.parse import quote

import obstore
from obstore.store import S3Store

from connectors.storage.objects import ObjectReader, port_errors
from connectors.storage.signing import Signer
from desk.ports import Clock, SignedAddress


@dataclass(frozen=True, slots=True)
class Bucket:
    name: str
    endpoint: str | None
    """None: Amazon S3."""
    region: str

    @property
    def url(self) -> str:
        """Own endpoints by path, which every compatible service knows; Amazon by host, the only way it takes."""
        if self.endpoint:
            return f"{self.endpoint}/{quote(self.name)}"
        return f"https://{self.name}.s3.{self.region}.amazonaws.com"


class BucketStorage(ObjectReader):
    """Fulfils `desk.ports.Storage`. A put is durable when the service has answered it."""

    def __init__(self, bucket: Bucket, signer: Signer, clock: Clock) -> None:
        self._bucket = bucket
        self._signer = signer
        self._clock = clock
        self._remote = S3Store(
            bucket.name,
            endpoint=bucket.endpoint or f"https://s3.{bucket.region}.amazonaws.com",
            region=bucket.region,
            access_key_id=signer.key,
            secret_access_key=signer.secret.reveal(),
            virtual_hosted_style_request=False,
            client_options={"allow_http": (bucket.endpoint or "").startswith("http://"), "timeout": "60s"},
            retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=60)},
        )
        super().__init__(self._remote)

    async def put(self, key: str, content: bytes) -> None:
        with port_errors():
            await obstore.put_async(self._remote, key, content)

    def upload_address(self, key: str, content_type: str, size: int, seconds: int) -> SignedAddress:
        headers = {"Content-Type": content_type, "Content-Length": str(size)}
        return self._address("PUT", key, seconds, headers=headers, answered_with={})

    def download_address(self, key: str, content_type: str, disposition: str, seconds: int) -> SignedAddress:
        answered = {"response-content-type": content_type, "response-content-disposition": disposition}
        return self._address("GET", key, seconds, headers={}, answered_with=answered)

    def _address(
        self,
        method: Literal["GET", "PUT"],
        key: str,
        seconds: int,
        *,
        headers: dict[str, str],
        answered_with: dict[str, str],
    ) -> SignedAddress:
        now = self._clock.now()
        url = self._signer.address(
            method,
            f"{self._bucket.url}/{quote(key)}",
            now=now,
            seconds=seconds,
            headers=headers,
            answered_with=answered_with,
        )
        return SignedAddress(url, method, headers, now + timedelta(seconds=seconds))

    def describe(self) -> str:
        return f"the bucket {self._bucket.name} at {self._bucket.url}"
