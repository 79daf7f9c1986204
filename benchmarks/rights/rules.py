"""The policy that is shown, and the users of the broker."""

from __future__ import annotations

ALICE, MALLORY, NOBODY = "alice", "mallory", "anonymous"
"""Who works, who attacks, and whoever sends no `user_id`."""
USERS = (ALICE, MALLORY)
EVERYBODY = (MALLORY, NOBODY, ALICE)
"""In the order in which they send a request: whoever may do less goes first."""
PASSWORD = "only-for-this-run"

POLICY = """\
version = 1

[roles.parcels]
operations = ["topology", "deploy-*", "create-instance", "publish-message", "broadcast-signal", "signal",
              "evaluate-decision", "activate-jobs"]
processes  = ["parcel", "express", "quote", "order-*"]
messages   = ["parcel-*"]
signals    = ["warehouse-*", "policy_*"]
decisions  = ["discount"]
job_types  = ["pack-*"]
resources  = ["*.bpmn", "*.dmn", "*.form", "address"]
tenants    = ["<default>"]

[roles.keys]
operations = ["create-instance", "cancel-instance", "set-variables", "resolve-incident", "modify-instance",
              "migrate-instance", "complete-job", "fail-job", "throw-error", "update-job-*", "delete-resource"]
allow_keys = true

[roles.conditions]
operations = ["evaluate-conditional"]
processes  = ["*"]

[roles.visitor]
operations = ["topology", "create-instance", "activate-jobs", "deploy-process", "complete-job"]
processes  = ["visit-*"]
job_types  = ["visit-*"]
resources  = ["*.bpmn"]

[users]
alice   = ["parcels", "keys", "conditions"]
mallory = ["visitor"]
"""


def rights(user: str) -> tuple[str, str, str]:
    """What a user may configure, write and read at the broker: request queues through the default exchange, and reply
    queues of his own."""
    own = rf"reply\.{user}\..*"
    return f"^{own}$", rf"^(amq\.default|{own})$", f"^{own}$"


def reply_queue(user: str, name: str) -> str:
    """The name of a reply queue that a user may have."""
    return f"reply.{user}.{name}"
