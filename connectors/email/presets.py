"""Servers of well-known mail providers, by the domain of an address.

Sources: the providers' own pages on IMAP and SMTP access, and on OAuth for mail.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Security = Literal["tls", "starttls", "none"]
SignIn = Literal["password", "google", "microsoft"]


@dataclass(frozen=True, slots=True)
class Preset:
    name: str
    imap_host: str
    smtp_host: str
    sign_in: SignIn = "password"
    imap_port: int = 993
    smtp_port: int = 465
    smtp_security: Security = "tls"
    saves_sent: bool = False
    """The provider puts what it sends into the Sent folder by itself."""


GOOGLE = Preset("Google", "imap.gmail.com", "smtp.gmail.com", sign_in="google", saves_sent=True)
MICROSOFT = Preset(
    "Microsoft 365",
    "outlook.office365.com",
    "smtp.office365.com",
    sign_in="microsoft",
    smtp_port=587,
    smtp_security="starttls",
    saves_sent=True,
)
_OTHERS = {
    ("icloud.com", "me.com", "mac.com"): Preset(
        "iCloud", "imap.mail.me.com", "smtp.mail.me.com", smtp_port=587, smtp_security="starttls"
    ),
    ("yahoo.com", "ymail.com", "yahoo.de", "yahoo.co.uk"): Preset(
        "Yahoo", "imap.mail.yahoo.com", "smtp.mail.yahoo.com", saves_sent=True
    ),
    ("fastmail.com", "fastmail.fm"): Preset("Fastmail", "imap.fastmail.com", "smtp.fastmail.com"),
    ("zoho.com", "zohomail.com"): Preset("Zoho Mail", "imap.zoho.com", "smtp.zoho.com"),
    ("gmx.de", "gmx.net"): Preset("GMX", "imap.gmx.net", "mail.gmx.net"),
    ("web.de",): Preset("WEB.DE", "imap.web.de", "smtp.web.de"),
    ("mailbox.org",): Preset("mailbox.org", "imap.mailbox.org", "smtp.mailbox.org"),
    ("posteo.de", "posteo.net"): Preset("Posteo", "posteo.de", "posteo.de"),
}
_BY_DOMAIN = {
    **dict.fromkeys(("gmail.com", "googlemail.com"), GOOGLE),
    **dict.fromkeys(("outlook.com", "hotmail.com", "live.com", "msn.com", "outlook.de"), MICROSOFT),
    **{domain: preset for domains, preset in _OTHERS.items() for domain in domains},
}


def preset_for(address: str) -> Preset:
    """For a domain of one's own a guess that many hosts fulfil, to be looked at by a person."""
    domain = address.rpartition("@")[2].strip().lower()
    return _BY_DOMAIN.get(domain) or Preset(domain, f"imap.{domain}", f"smtp.{domain}")
