"""Frames: whatever pieces the bytes come in, the same frames come out; and what is none is refused at once."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axon.port import BadFrame
from axon.port._channel import Channel
from axon.port._frames import LARGEST, Decoder, Frame, Kind, encode

frames = st.builds(
    Frame,
    st.sampled_from(Kind),
    st.integers(min_value=0, max_value=2**64 - 1),
    st.binary(max_size=200),
)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[begin:end] for begin, end in pairwise(ends)]


@given(st.lists(frames, max_size=8), st.lists(st.integers(min_value=0), max_size=12))
def test_frames_come_out_as_they_went_in_however_their_bytes_are_cut(sent: list[Frame], places: list[int]) -> None:
    decoder = Decoder()
    data = b"".join(encode(*frame) for frame in sent)
    got = [frame for piece in cut(data, places) for frame in decoder.feed(piece)]
    assert got == sent


@given(
    st.lists(frames, max_size=4), st.binary(min_size=13, max_size=100), st.lists(st.integers(min_value=0), max_size=8)
)
def test_garbage_is_refused_or_waited_for_and_never_more_than_a_frame_is_kept(
    sent: list[Frame], garbage: bytes, places: list[int]
) -> None:
    """What comes before it is heard; after it nothing is."""
    decoder = Decoder()
    data = b"".join(encode(*frame) for frame in sent) + garbage
    got: list[Frame] = []
    failed = False
    for piece in cut(data, places):
        try:
            got += decoder.feed(piece)
        except BadFrame:
            failed = True
            break
    head = garbage[:13]
    length, kind = int.from_bytes(head[:4], "big"), head[4]
    is_bad = kind not in set(Kind) or length > LARGEST
    assert got[: len(sent)] == sent[: len(got)]
    if is_bad:
        assert failed
        assert decoder.feed(encode(Kind.END)) == []
    if failed:
        assert decoder.feed(data) == []


@settings(max_examples=20)
@given(st.integers(min_value=LARGEST + 1, max_value=2**32 - 1), st.sampled_from(Kind))
def test_a_length_that_is_too_large_is_refused_before_its_bytes_come(length: int, kind: Kind) -> None:
    with pytest.raises(BadFrame, match=str(length)):
        Decoder().feed(length.to_bytes(4, "big") + bytes([kind]) + bytes(8))


def test_after_what_is_no_frame_nothing_is_heard_any_more() -> None:
    heard: list[Frame] = []
    broken: list[BadFrame] = []
    channel = Channel(heard.append, broken.append, lambda: None)
    channel.data_received(encode(Kind.ANSWER, 1, b"1"))
    channel.data_received(b"\xff" * 64)
    channel.data_received(encode(Kind.ANSWER, 2, b"2"))
    assert [frame[1] for frame in heard] == [1]
    assert len(broken) == 1
