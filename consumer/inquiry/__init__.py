"""Where a request is and what became of it, for an operator who asks."""

from consumer.inquiry.facts import NOT_KEPT, Fact, find_answer, list_held, list_known, list_known_of
from consumer.inquiry.senders import Senders
from consumer.inquiry.socket import InquirySocket, ask

__all__ = [
    "NOT_KEPT",
    "Fact",
    "InquirySocket",
    "Senders",
    "ask",
    "find_answer",
    "list_held",
    "list_known",
    "list_known_of",
]
