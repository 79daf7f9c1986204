"""Random texts and headers, all of which AMQP can carry."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import strategies as st

words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
times = st.integers(0, 2**32 - 1).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
scalars = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | words | times | st.floats(width=32, allow_nan=False)
)
header_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3), max_leaves=8
)
