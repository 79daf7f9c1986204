"""Servers and chores of development: plain Python, nothing to install first."""
