"""The commands that try a policy: they need the policy and what it decides about, and no server."""
