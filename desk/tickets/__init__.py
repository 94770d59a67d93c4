"""The queue and its tickets, as the API and the pages read and change them."""

from desk.tickets.changes import TicketChange, change_ticket
from desk.tickets.queue import SORTS, VIEWS, TicketFilter, TicketLine, list_tickets, view_counts
from desk.tickets.threads import merge_tickets, split_ticket
from desk.tickets.view import DraftView, TicketView, draft_view, get_ticket, ticket_view

__all__ = [
    "SORTS",
    "VIEWS",
    "DraftView",
    "TicketChange",
    "TicketFilter",
    "TicketLine",
    "TicketView",
    "change_ticket",
    "draft_view",
    "get_ticket",
    "list_tickets",
    "merge_tickets",
    "split_ticket",
    "ticket_view",
    "view_counts",
]
