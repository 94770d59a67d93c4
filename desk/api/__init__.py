"""The JSON API under /api/v1, one module a subject."""

from litestar import Router

from desk.api.auth import AuthController
from desk.api.drafts import DeliveryController, DraftController
from desk.api.tickets import TicketController, escalate
from desk.api.weights import WeightsController

API = Router(
    "/api/v1",
    route_handlers=[
        AuthController,
        TicketController,
        escalate,
        DraftController,
        DeliveryController,
        WeightsController,
    ],
)
