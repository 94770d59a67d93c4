"""Encrypted columns with keys that can be rotated: the first key writes, every key of the ring reads."""

from __future__ import annotations

from typing import Any

from advanced_alchemy.types import EncryptedText
from advanced_alchemy.types.encrypted_string import EncryptionBackend
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from desk.errors import SettingMissingError
from desk.secret import Secret


class KeyRing:
    """The Fernet keys of this process, newest first (`DESK_ENCRYPTION_KEYS`)."""

    def __init__(self) -> None:
        self._fernet: MultiFernet | None = None

    def configure(self, keys: tuple[Secret, ...]) -> None:
        """Raises SettingMissingError when a key is not 32 url-safe base64 bytes."""
        try:
            self._fernet = MultiFernet([Fernet(key.reveal()) for key in keys])
        except (ValueError, TypeError) as error:
            msg = "DESK_ENCRYPTION_KEYS must be Fernet keys, comma separated, newest first"
            raise SettingMissingError(msg) from error

    @property
    def fernet(self) -> MultiFernet:
        if self._fernet is None:
            msg = "DESK_ENCRYPTION_KEYS is not set, so credentials can be neither stored nor read"
            raise SettingMissingError(msg)
        return self._fernet


key_ring = KeyRing()


class KeyRingBackend(EncryptionBackend):
    """Advanced Alchemy's own Fernet backend knows one key only; rotation needs several."""

    def init_engine(self, key: bytes | str) -> None:
        """The keys come from the ring at the moment of use, never from the column's definition."""

    def mount_vault(self, key: str | bytes) -> None:
        """Nothing to mount: see `init_engine`."""

    def encrypt(self, value: Any) -> str:
        return key_ring.fernet.encrypt(str(value).encode()).decode()

    def decrypt(self, value: Any) -> str:
        """Raises SettingMissingError when no key of the ring opens the value."""
        try:
            return key_ring.fernet.decrypt(value).decode()
        except InvalidToken as error:
            msg = "a stored credential was written with an encryption key that is no longer in DESK_ENCRYPTION_KEYS"
            raise SettingMissingError(msg) from error


def encrypted_text() -> EncryptedText:
    """A text column that is encrypted at rest. The callable keeps every key out of generated migrations."""
    return EncryptedText(key=_no_key, backend=KeyRingBackend)


def _no_key() -> str:
    return "key-ring"
