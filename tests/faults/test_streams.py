"""Cuts are where they should be, nothing else changes, and only heartbeats are left out."""

from __future__ import annotations

from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from tests.faults.streams import HEARTBEAT, Filter, frames, in_turn, mixed, moved, pieces, without_heartbeats

STREAM = bytes(range(250))
STREAMS = st.lists(
    st.just(HEARTBEAT)
    | st.builds(
        lambda kind, channel, payload: bytes([kind, 0, channel]) + len(payload).to_bytes(4) + payload + b"\xce",
        st.sampled_from([1, 2, 3]),
        st.integers(0, 3),
        st.binary(max_size=30) | st.just(HEARTBEAT * 2),
    )
)


def test_pieces_grow_by_one_byte_in_turn_also_over_two_chunks_and_lose_nothing() -> None:
    sizes = in_turn(4)(0)
    cut = [*pieces(STREAM[:3], sizes), *pieces(STREAM[3:], sizes)]
    assert [len(piece) for piece in cut[:9]] == [1, 2, 3, 4, 1, 2, 3, 4, 1]
    assert b"".join(cut) == STREAM


def test_as_many_connections_as_a_piece_has_bytes_cut_at_every_offset() -> None:
    step, cuts = 16, set[int]()
    for number in range(100, 100 + step):
        cut = list(pieces(STREAM, moved(step)(number)))
        assert b"".join(cut) == STREAM
        cuts |= set(accumulate(map(len, cut)))
    assert cuts == set(range(1, len(STREAM) + 1))


def through(change: Filter, data: bytes, size: int) -> bytes:
    """What comes out when the data comes in so many bytes at a time."""
    return b"".join(change(data[start : start + size]) for start in range(0, len(data), size))


@given(STREAMS, st.integers(1, 400))
def test_only_heartbeats_are_left_out_and_channels_keep_their_order(stream: list[bytes], size: int) -> None:
    """Eight bytes that look like a heartbeat stay where they are part of another frame; however the stream is cut."""
    passed = through(without_heartbeats(), b"".join(stream), size)
    assert passed == b"".join(frame for frame in stream if frame != HEARTBEAT)
    again = frames()(through(mixed(), b"".join(stream), size))
    assert sorted(again) == sorted(stream)
    for channel in range(4):
        assert [frame for frame in again if frame[2] == channel] == [frame for frame in stream if frame[2] == channel]


def test_channels_take_turns_where_their_frames_are_there_together() -> None:
    one, two = (b"\3\0%c\0\0\0\1x\xce" % channel for channel in (1, 2))
    assert mixed()(one * 3 + two * 2) == one + two + one + two + one
