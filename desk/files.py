"""Where stored files may be had and put for some minutes: by the store's own signature, else by the desk's.

Whoever holds an address may use it until it expires, as with any presigned address, so one is only made for
somebody who may see the file.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from urllib.parse import quote
from uuid import UUID, uuid4

import jwt

from desk.errors import NotFoundError
from desk.plain_text import clean_line
from desk.ports import Clock, SignedAddress, Storage
from desk.secret import Secret

PREFIX = "/files/"
UPLOAD_SECONDS = 300
DOWNLOAD_SECONDS = 300
FETCH_SECONDS = 6 * 3600
_ALGORITHM = "HS256"
_Kind = Literal["document", "attachment", "history"]


def new_key(tenant_id: UUID | None, kind: _Kind) -> str:
    """Random, and never the file's name: names lie, clash and betray."""
    if tenant_id is None:
        msg = "a stored file belongs to a tenant"
        raise ValueError(msg)
    return f"{tenant_id.hex}/{kind}/{uuid4().hex}"


def attachment_disposition(file_name: str) -> str:
    """A Content-Disposition by which browsers save and never show (RFC 6266, names by RFC 8187)."""
    name = clean_line(file_name).replace("/", "_").replace("\\", "_") or "file"
    plain = "".join(letter if letter.isascii() and letter not in '"%;' else "_" for letter in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


@dataclass(frozen=True, slots=True)
class UploadGrant:
    key: str
    content_type: str
    size: int


@dataclass(frozen=True, slots=True)
class DownloadGrant:
    key: str
    content_type: str
    disposition: str


class FileLinks:
    """Makes addresses of stored files, and reads the ones that lead to the desk itself."""

    def __init__(self, storage: Storage, secret_key: Secret, public_url: str, clock: Clock) -> None:
        self._storage = storage
        self._key = hmac.new(secret_key.reveal().encode(), b"draftdesk file addresses", hashlib.sha256).hexdigest()
        self._public_url = public_url
        self._clock = clock

    def upload(self, grant: UploadGrant) -> SignedAddress:
        """For exactly this many bytes of this type; what has come is to be looked at afterwards."""
        given = self._storage.upload_address(grant.key, grant.content_type, grant.size, UPLOAD_SECONDS)
        if given is not None:
            return given
        url, expires = self._signed("put", UPLOAD_SECONDS, key=grant.key, type=grant.content_type, size=grant.size)
        headers = {"Content-Type": grant.content_type, "Content-Length": str(grant.size)}
        return SignedAddress(url, "PUT", headers, expires)

    def download(self, grant: DownloadGrant) -> SignedAddress:
        given = self._storage.download_address(grant.key, grant.content_type, grant.disposition, DOWNLOAD_SECONDS)
        if given is not None:
            return given
        url, expires = self._signed(
            "get", DOWNLOAD_SECONDS, key=grant.key, type=grant.content_type, disposition=grant.disposition
        )
        return SignedAddress(url, "GET", {}, expires)

    def to_fetch(self, grant: DownloadGrant) -> str:
        """An address of the desk itself for another system that fetches the file when it comes to it, HEAD before GET:
        a bucket's own addresses are signed for one method only."""
        return self._signed(
            "get", FETCH_SECONDS, key=grant.key, type=grant.content_type, disposition=grant.disposition
        )[0]

    def read_upload(self, token: str) -> UploadGrant:
        """Raises NotFoundError for a token that is forged, expired or of another kind."""
        claims = self._read("put", token)
        return UploadGrant(claims["key"], claims["type"], claims["size"])

    def read_download(self, token: str) -> DownloadGrant:
        """Raises NotFoundError likewise."""
        claims = self._read("get", token)
        return DownloadGrant(claims["key"], claims["type"], claims["disposition"])

    def _signed(self, use: str, seconds: int, **claims: Any) -> tuple[str, datetime]:
        expires = self._clock.now() + timedelta(seconds=seconds)
        token = jwt.encode({**claims, "aud": use, "exp": expires}, self._key, algorithm=_ALGORITHM)
        return f"{self._public_url}{PREFIX}{token}", expires

    def _read(self, use: str, token: str) -> dict[str, Any]:
        try:
            return jwt.decode(
                token, self._key, algorithms=[_ALGORITHM], audience=use, options={"require": ["exp", "aud"]}
            )
        except jwt.InvalidTokenError as error:
            msg = "this address has expired; load the page again"
            raise NotFoundError(msg) from error
