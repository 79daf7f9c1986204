"""Who may do what: the policy."""
