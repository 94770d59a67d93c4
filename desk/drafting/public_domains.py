"""Domains that belong to no customer: large mail and internet providers, makers of common programs, public works."""

from __future__ import annotations

from desk.drafting.particulars import word_set

_PUBLIC = word_set(
    # Mail and internet providers.
    "gmail.com googlemail.com outlook.com hotmail.com live.com msn.com office365.com office.com yahoo.com ymail.com "
    "aol.com icloud.com me.com mac.com gmx.de gmx.net gmx.com gmx.at gmx.ch web.de t-online.de freenet.de mail.de "
    "posteo.de mailbox.org 1und1.de ionos.de ionos.com strato.de hetzner.com ovh.com ovhcloud.com orange.fr wanadoo.fr "
    "free.fr sfr.fr laposte.net movistar.es telefonica.net libero.it tiscali.it att.com att.net sbcglobal.net "
    "bellsouth.net comcast.net xfinity.com verizon.com verizon.net cox.net charter.net spectrum.net btinternet.com "
    "bt.com talktalk.net sky.com virginmedia.com bigpond.com telus.net shaw.ca rogers.com proton.me protonmail.com "
    "zoho.com fastmail.com yandex.com yandex.ru mail.ru qq.com 163.com godaddy.com namecheap.com cloudflare.com "
    # Makers of programs and public works.
    "google.com microsoft.com apple.com mozilla.org mozilla.com thunderbird.net github.com gitlab.com wordpress.org "
    "wikipedia.org letsencrypt.org debian.org ubuntu.com python.org php.net nginx.org apache.org paypal.com stripe.com"
)


def is_public(host: str) -> bool:
    """Whether a host is one of these or below it: smtp.office365.com, support.mozilla.org."""
    parts = host.casefold().rstrip(".").split(".")
    return any(".".join(parts[at:]) in _PUBLIC for at in range(len(parts) - 1))
