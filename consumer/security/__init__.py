"""Security: who may do what, and what is written down about it."""
