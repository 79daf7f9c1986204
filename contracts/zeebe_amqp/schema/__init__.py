"""Kinds of fields, durations, JSON documents and what is said of wrong ones."""
