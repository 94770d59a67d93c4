"""The web desk: pages, partials and live updates.

`desk.app.create_app(installation, pages=ui.page_handlers(), plugins=[ui.PagesPlugin()], error_page=ui.error_page)`.
"""

from __future__ import annotations

from collections.abc import Sequence

from litestar.types import ControllerRouterHandler

from ui.pages.channels import Channels
from ui.pages.checks import Checks
from ui.pages.comparing import Comparisons
from ui.pages.customers import Customers, OneCustomer
from ui.pages.email import Mailboxes
from ui.pages.faqs import Faqs, OneFaq
from ui.pages.files import ComposerFiles
from ui.pages.gaps import Conflicts, Gaps, rebuild
from ui.pages.history import PastTickets
from ui.pages.hours import Hours
from ui.pages.knowledge import Knowledge, OneDocument
from ui.pages.learned import Corrections, Examples
from ui.pages.live import live
from ui.pages.people import Keys, People
from ui.pages.playground import Playground, decision
from ui.pages.prompts import Prompts
from ui.pages.queue import Queue
from ui.pages.remote import RemoteTickets
from ui.pages.replying import Deliveries, Replying
from ui.pages.sending import Sending, SendingPages
from ui.pages.settings import Settings
from ui.pages.setup import SetupPage
from ui.pages.signing_in import Account, SigningIn
from ui.pages.tickets import Tickets
from ui.pages.topics import Topics
from ui.pages.tuning import Weights
from ui.pages.webhooks import OneWebhook, Webhooks
from ui.pages.websites import OneWebsite, Websites
from ui.pages.widget import demo_shop, embed_script
from ui.pages.widget_settings import WidgetSettings
from ui.rendering import PagesPlugin, error_page, static_files

__all__ = ["PagesPlugin", "error_page", "page_handlers"]


def page_handlers() -> Sequence[ControllerRouterHandler]:
    """Every page of the desk, and its static files."""
    return (
        SigningIn,
        Account,
        SetupPage,
        Queue,
        Tickets,
        RemoteTickets,
        Replying,
        Deliveries,
        ComposerFiles,
        Customers,
        OneCustomer,
        Knowledge,
        OneDocument,
        Websites,
        OneWebsite,
        Gaps,
        Conflicts,
        rebuild,
        PastTickets,
        Faqs,
        OneFaq,
        Examples,
        Corrections,
        Prompts,
        Comparisons,
        Weights,
        Playground,
        decision,
        Settings,
        Hours,
        Channels,
        Sending,
        SendingPages,
        Checks,
        WidgetSettings,
        Mailboxes,
        Topics,
        Webhooks,
        OneWebhook,
        People,
        Keys,
        live,
        embed_script,
        demo_shop,
        static_files(),
    )
