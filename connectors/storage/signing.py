"""Query-signed addresses for S3 (AWS Signature Version 4, "Authenticating Requests: Using Query Parameters").

obstore signs method, key and expiry only; a browser's upload must also be bound to its type and length, and a download
to the headers it is answered with, so these few lines are our own. The tests hold them against botocore's.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from urllib.parse import quote, urlsplit

from desk.secret import Secret

_ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class Signer:
    key: str
    secret: Secret
    region: str

    def address(
        self,
        method: Literal["GET", "PUT"],
        url: str,
        *,
        now: datetime,
        seconds: int,
        headers: Mapping[str, str],
        answered_with: Mapping[str, str],
    ) -> str:
        """`url` (encoded, without a query) with a signature over the host, `headers` and `answered_with`."""
        parts = urlsplit(url)
        moment = now.strftime("%Y%m%dT%H%M%SZ")
        scope = f"{moment[:8]}/{self.region}/s3/aws4_request"
        signed = {"host": parts.netloc, **{name.lower(): value.strip() for name, value in headers.items()}}
        names = ";".join(sorted(signed))
        query = _encoded(
            {
                "X-Amz-Algorithm": _ALGORITHM,
                "X-Amz-Credential": f"{self.key}/{scope}",
                "X-Amz-Date": moment,
                "X-Amz-Expires": str(seconds),
                "X-Amz-SignedHeaders": names,
                **answered_with,
            }
        )
        lines = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
        request = f"{method}\n{parts.path}\n{query}\n{lines}\n{names}\nUNSIGNED-PAYLOAD"
        to_sign = f"{_ALGORITHM}\n{moment}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        signature = hmac.new(self._signing_key(moment[:8]), to_sign.encode(), hashlib.sha256).hexdigest()
        return f"{url}?{query}&X-Amz-Signature={signature}"

    def _signing_key(self, day: str) -> bytes:
        made = f"AWS4{self.secret.reveal()}".encode()
        for part in (day, self.region, "s3", "aws4_request"):
            made = hmac.new(made, part.encode(), hashlib.sha256).digest()
        return made


def _encoded(query: Mapping[str, str]) -> str:
    return "&".join(f"{quote(name, safe='-_.~')}={quote(query[name], safe='-_.~')}" for name in sorted(query))
