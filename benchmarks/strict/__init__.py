"""Strict replies, shown on real brokers: what one user can do to the replies of another, without them and with them."""
