"""The JSON API under /api/v1, one module a subject."""

from litestar import Router

from desk.api.accounts import KeyController, UserController
from desk.api.attachments import AttachmentController, TicketAttachmentController
from desk.api.auth import AuthController
from desk.api.backtests import BacktestController
from desk.api.certificates import CertificateController, judge_reply
from desk.api.chat import SessionController, chat
from desk.api.comparisons import ComparisonController, RegressController
from desk.api.connections import ConnectionController, ProviderController
from desk.api.customers import CustomerController
from desk.api.documents import DocumentController
from desk.api.drafts import DeliveryController, DraftController
from desk.api.experiments import ExperimentController
from desk.api.faqs import FaqController
from desk.api.gaps import GapController, IndexController, PassagePairController, ProposalController
from desk.api.hooks import HookController
from desk.api.inbound import InboundController
from desk.api.intents import IntentController, set_ticket_intent
from desk.api.learned import CorrectionController, ExampleController
from desk.api.policy import PolicyController, playground, playground_models
from desk.api.prompts import PromptController
from desk.api.search import search
from desk.api.tickets import TicketController, escalate
from desk.api.usage import usage
from desk.api.webhooks import WebhookController
from desk.api.websites import WebsiteController
from desk.api.weights import WeightsController

_FORM_OVERHEAD = 64 * 1024


def api_router(maximum_upload_bytes: int, maximum_attachment_bytes: int) -> Router:
    """Bodies are as large as the application allows, and those of documents as the setting says."""
    return Router(
        "/api/v1",
        route_handlers=[
            AuthController,
            TicketController,
            escalate,
            chat,
            SessionController,
            CustomerController,
            DraftController,
            DeliveryController,
            Router(
                "/", route_handlers=[DocumentController], request_max_body_size=maximum_upload_bytes + _FORM_OVERHEAD
            ),
            Router(
                "/",
                route_handlers=[TicketAttachmentController],
                request_max_body_size=maximum_attachment_bytes + _FORM_OVERHEAD,
            ),
            AttachmentController,
            WebsiteController,
            FaqController,
            GapController,
            ProposalController,
            PassagePairController,
            IndexController,
            search,
            IntentController,
            set_ticket_intent,
            ExampleController,
            CorrectionController,
            WeightsController,
            PromptController,
            RegressController,
            ComparisonController,
            ExperimentController,
            PolicyController,
            CertificateController,
            judge_reply,
            BacktestController,
            playground,
            playground_models,
            usage,
            ConnectionController,
            InboundController,
            ProviderController,
            WebhookController,
            HookController,
            UserController,
            KeyController,
        ],
    )
