"""The ring between two threads: order, capacity, and what it refuses."""

from __future__ import annotations

import array
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavtools import ConcurrencyError
from wavtools.ring import RingBuffer


@pytest.mark.parametrize("dtype", ["float32", "int16"])
@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize("capacity", [1, 2, 37, 199])
@pytest.mark.parametrize("block", [1, 7, 128])
def test_frames_arrive_once_and_in_order(dtype, channels, capacity, block):
    ring = RingBuffer(capacity, channels, dtype)
    frames = np.arange(1000 * channels).reshape(1000, channels).astype(dtype)
    if channels == 1:
        frames = frames[:, 0]
    got, sent = [], 0
    while sent < 1000:
        sent += ring.write(frames[sent : sent + block])
        got.append(ring.read(block // 2 + 1))
    got.append(ring.read())
    np.testing.assert_array_equal(np.concatenate(got), frames)


def test_all_of_the_capacity_is_usable_and_a_full_ring_refuses():
    ring = RingBuffer(10)
    assert ring.write(np.arange(12, dtype=np.float32)) == 10
    assert (ring.readable, ring.writable) == (10, 0)
    assert ring.write(np.ones(1, np.float32)) == 0
    np.testing.assert_array_equal(ring.read(3), [0, 1, 2])
    assert (ring.readable, ring.writable) == (7, 3)


def test_an_empty_ring_gives_nothing():
    ring = RingBuffer(4, channels=2, dtype="int16")
    assert ring.read(3).shape == (0, 2)
    out = np.full((3, 2), 9, np.int16)
    assert ring.read(out=out) == 0
    assert (out == 9).all()


def test_out_is_filled_from_its_start_and_the_rest_stays():
    ring = RingBuffer(8, dtype="int16")
    ring.write(np.array([1, 2, 3], np.int16))
    out = np.zeros(5, np.int16)
    assert ring.read(out=out) == 3
    np.testing.assert_array_equal(out, [1, 2, 3, 0, 0])


def test_clear_drops_what_is_readable_and_says_how_much():
    ring = RingBuffer(8)
    ring.write(np.ones(5, np.float32))
    assert ring.clear() == 5
    assert (ring.readable, ring.writable) == (0, 8)


def test_bytes_are_int16():
    ring = RingBuffer(8, dtype="int16")
    assert ring.write(np.array([1, -2], np.int16).tobytes()) == 2
    np.testing.assert_array_equal(ring.read(), [1, -2])


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 30)), max_size=60), st.integers(1, 25))
def test_any_sequence_of_writes_and_reads_is_a_queue(operations, capacity):
    ring = RingBuffer(capacity, dtype="int16")
    model: list[int] = []
    counter = 0
    for write, count in operations:
        if write:
            values = np.arange(counter, counter + count, dtype=np.int16)
            taken = ring.write(values)
            assert taken == min(count, capacity - len(model))
            model += list(values[:taken])
            counter += taken
        else:
            got = ring.read(count)
            assert list(got) == model[:count]
            del model[:count]
        assert ring.readable == len(model)
        assert ring.writable == capacity - len(model)


@pytest.mark.parametrize(
    ("x", "error", "words"),
    [
        (np.zeros(4), TypeError, "float32"),
        (np.zeros(8, np.float32)[::2], TypeError, "contiguous"),
        (np.zeros((4, 3), np.float32), ValueError, "3 channels, the ring has 2"),
        (np.zeros(3, np.float32), ValueError, "12 bytes, not a whole number of 8-byte frames"),
        ([1.0, 2.0], TypeError, "not list"),
        (bytes(8), TypeError, "float32 samples, not bytes"),
        (array.array("h", [1, 2]), TypeError, "float32 samples, not array"),
    ],
)
def test_a_bad_write_says_what_is_wrong_and_writes_nothing(x, error, words):
    ring = RingBuffer(8, channels=2)
    with pytest.raises(error, match=words):
        ring.write(x)
    assert ring.readable == 0


def test_a_read_only_out_is_refused_and_nothing_is_read():
    ring = RingBuffer(8)
    ring.write(np.ones(2, np.float32))
    out = np.zeros(2, np.float32)
    out.flags.writeable = False
    with pytest.raises(TypeError, match="out is read-only"):
        ring.read(out=out)
    with pytest.raises(TypeError, match="not both"):
        ring.read(1, out=np.zeros(1, np.float32))
    assert ring.readable == 2


@pytest.mark.parametrize("arguments", [(0,), (-1,), (4, 0), (4, 65), (4, 1, "float64"), (1 << 60,)])
def test_a_ring_out_of_range_cannot_be_made(arguments):
    with pytest.raises(ValueError, match="ring|capacity"):
        RingBuffer(*arguments)


def test_two_threads_one_producer_one_consumer_lose_nothing():
    ring = RingBuffer(997, dtype="int16")
    total = 400_000
    expected = (np.arange(total) % 30_000).astype(np.int16)
    got = []

    def consume():
        count = 0
        while count < total:
            part = ring.read(1 + count % 777)
            got.append(part)
            count += len(part)

    consumer = threading.Thread(target=consume)
    consumer.start()
    sent = 0
    while sent < total:
        sent += ring.write(expected[sent : sent + 1 + sent % 613])
    consumer.join()
    np.testing.assert_array_equal(np.concatenate(got), expected)


def test_the_repr_shows_units():
    ring = RingBuffer(8, 2)
    ring.write(np.zeros((3, 2), np.float32))
    assert "channels=2" in repr(ring)
    assert "3 readable frames" in repr(ring)


def test_a_concurrency_error_is_a_runtime_error():
    assert issubclass(ConcurrencyError, RuntimeError)
