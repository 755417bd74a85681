"""`RealtimeClient.send_image`: files as they are, arrays as PNG, and what the offline server says of them."""

from __future__ import annotations

import asyncio
import base64
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime import RealtimeClient, StateError
from realtime.client.images import MAX_IMAGE_BYTES, image_part, png
from realtime.offline.replies.images import Image, describe
from realtime.protocol.images import ImageInfo, from_data_url, image_info
from tests.client_bench import MANUAL, Bench


def jpeg(width: int, height: int, before: bytes = b"\xff\xe0\x00\x04ab") -> bytes:
    """The head of a JPEG file, up to its size."""
    frame = struct.pack(">HBHH", 11, 8, height, width) + b"\x01\x01\x11\x00"
    return b"\xff\xd8" + before + b"\xff\xc0" + frame


def pixels_of(data: bytes) -> np.ndarray:
    """Decode a PNG of this package: chunks and checksums by the standard, filter 1 only."""
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    at, chunks = 8, {}
    while at < len(data):
        length, name = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + length]
        assert struct.unpack(">I", data[at + 8 + length : at + 12 + length])[0] == zlib.crc32(name + body)
        chunks[name], at = body, at + 12 + length
    width, height, depth, colour, *rest = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert depth == 8 and rest == [0, 0, 0] and list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    channels = {0: 1, 4: 2, 2: 3, 6: 4}[colour]
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, 1 + width * channels)
    assert (rows[:, 0] == 1).all()
    return np.cumsum(rows[:, 1:].reshape(height, width, channels), axis=1, dtype=np.uint8)


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_pixels_come_back_from_the_png(height, width, channels, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)
    data = png(pixels)
    assert image_info(data) == ("image/png", width, height)
    assert np.array_equal(pixels_of(data), pixels)
    assert np.array_equal(pixels_of(png(pixels[::-1, :, ::-1])), pixels[::-1, :, ::-1])


def test_another_decoder_reads_the_png():
    pillow = pytest.importorskip("PIL.Image", reason="run: pip install pillow")
    import io

    for shape in ((5, 7), (5, 7, 1), (5, 7, 2), (5, 7, 3), (5, 7, 4)):
        pixels = np.random.default_rng(5).integers(0, 256, shape, np.uint8)
        read = np.asarray(pillow.open(io.BytesIO(png(pixels))))
        assert np.array_equal(read, pixels.reshape(read.shape))
    assert image_part(pillow.new("RGB", (7, 5)))["image_url"].startswith("data:image/png")
    buffer = io.BytesIO()
    pillow.new("RGB", (70, 50)).save(buffer, "JPEG", progressive=True)
    assert image_info(buffer.getvalue()) == ("image/jpeg", 70, 50)


def test_a_mask_is_black_and_white():
    mask = np.array([[True, False]])
    assert np.array_equal(pixels_of(png(mask))[0, :, 0], [255, 0])


@pytest.mark.parametrize(
    ("pixels", "error", "message"),
    [
        (np.zeros((2, 2)), TypeError, r"uint8 from 0 to 255, not float64: convert them"),
        (np.zeros((2, 2), np.int16), TypeError, "not int16"),
        (np.zeros(4, np.uint8), ValueError, r"not \(4,\)"),
        (np.zeros((2, 2, 5), np.uint8), ValueError, r"1 to 4 channels\), not \(2, 2, 5\)"),
        (np.zeros((0, 2), np.uint8), ValueError, "not 2 by 0"),
        (np.zeros((1, 65_536), np.uint8), ValueError, "not 65536 by 1"),
    ],
)
def test_pixels_that_are_no_image_are_refused(pixels, error, message):
    with pytest.raises(error, match=message):
        image_part(pixels)


def test_a_file_and_its_bytes_are_sent_as_they_are(tmp_path: Path):
    for name, data in (("a.png", png(np.zeros((3, 4), np.uint8))), ("a.jpg", jpeg(640, 480))):
        path = tmp_path / name
        path.write_bytes(data)
        for given_image in (path, str(path), data, bytearray(data), memoryview(data)):
            part = image_part(given_image, "low")
            assert from_data_url(part["image_url"]) == data and part["detail"] == "low"
            assert part["image_url"].startswith("data:image/png" if name == "a.png" else "data:image/jpeg")


@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        (b"", ValueError, "the data is empty: servers take PNG and JPEG"),
        (b"GIF89a...", ValueError, "the data is a GIF"),
        (b"RIFF....WEBP", ValueError, "a WebP"),
        (b"hello", ValueError, "no image"),
        (b"\x89PNG\r\n\x1a\n", ValueError, "damaged"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 40, ValueError, "damaged"),
        (jpeg(640, 480)[:12], ValueError, "damaged"),
        (jpeg(0, 480), ValueError, "damaged"),
        ("https://example.org/a.png", ValueError, "servers fetch no images"),
        ("missing.png", FileNotFoundError, "missing.png"),
        (None, TypeError, "an image is a path, .*, not NoneType"),
        (5, TypeError, "not int"),
    ],
)
def test_what_is_no_image_is_refused(image, error, message):
    with pytest.raises(error, match=message):
        image_part(image)


def test_an_image_that_no_server_takes_is_refused(tmp_path: Path):
    large = jpeg(640, 480) + bytes(MAX_IMAGE_BYTES)
    path = tmp_path / "large.jpg"
    path.write_bytes(large)
    for image in (large, path):
        with pytest.raises(ValueError, match="scale it down, or save it as JPEG"):
            image_part(image)
    with pytest.raises(ValueError, match="detail is one of auto, low, high, not 'best'"):
        image_part(path, "best")


def test_sizes_of_jpeg_files_are_found_behind_what_comes_before():
    assert image_info(jpeg(640, 480, b"")) == ("image/jpeg", 640, 480)
    assert image_info(jpeg(640, 480, b"\xff\xff\xe0\x00\x04ab\xff\xc4\x00\x02")) == ("image/jpeg", 640, 480)


@given(st.binary(max_size=60), st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", jpeg(3, 4)[:9]]))
def test_no_bytes_make_the_reader_fail(data, head):
    try:
        info = image_info(head + data)
    except ValueError:
        return
    assert info.width > 0 and info.height > 0


@pytest.mark.parametrize(
    "url", ["", "http://x/a.png", "data:image/png,abc", "data:image/png;base64,@@", "data:image/png;base64"]
)
def test_other_urls_hold_no_image(url):
    with pytest.raises(ValueError, match="image"):
        from_data_url(url)


async def test_an_image_is_added_and_no_answer_is_asked_for():
    bench = Bench(**MANUAL)
    await bench.sent()
    item_id = bench.client.send_image(np.zeros((4, 5, 3), np.uint8), detail="high")
    [event] = await bench.sent()
    assert event["type"] == "conversation.item.create" and event["item"]["id"] == item_id
    [part] = event["item"]["content"]
    assert (part["type"], part["detail"], event["item"]["role"]) == ("input_image", "high", "user")
    with pytest.raises(ValueError, match="no image"):
        bench.client.send_image(b"nothing")
    assert not await bench.sent()
    again = asyncio.to_thread(bench.client.send_image, jpeg(5, 5))
    assert (await again) != item_id and len(await bench.sent()) == 1


def test_without_a_connection_no_image_is_sent():
    with pytest.raises(StateError, match="connect"):
        RealtimeClient(api_key="").send_image(jpeg(5, 5))


def test_images_are_described_by_their_size():
    def shown(data: bytes) -> Image:
        url = f"data:image/png;base64,{base64.b64encode(data).decode()}"
        return Image.of({"type": "input_image", "image_url": url})

    one, two, bad = shown(jpeg(640, 480)), shown(jpeg(3, 4)), shown(b"x")
    assert describe([one]) == "I see an image of 640 by 480 pixels."
    assert describe([one, two]) == "I see 2 images: 640 by 480 pixels and 3 by 4 pixels."
    assert describe([two, bad]) == (
        "I see an image of 3 by 4 pixels. I got an image that I cannot read: send a PNG or a JPEG as base64."
    )
    assert describe([bad]).startswith("I got an image that I cannot read")
    assert (one.tokens, two.tokens, bad.tokens) == (20 * 15, 1, 0)
    assert Image("", "low", ImageInfo("image/png", 640, 480)).tokens == 85
    assert Image("", "auto", ImageInfo("image/png", 9_000, 9_000)).tokens == 1536


async def test_the_offline_server_says_what_it_got(offline_url: str):
    async with RealtimeClient(
        api_key="", url=offline_url, turn_detection=None, output_modalities=["text"]
    ) as client:
        client.send_image(np.zeros((48, 64, 3), np.uint8))
        answer = await client.ask("What is this?")
        assert answer.text == "I see an image of 64 by 48 pixels. You said: What is this?"
        assert answer.usage.input_token_details.image_tokens == 4
        client.send_image(jpeg(640, 480))
        assert str(await client.ask()) == "I see an image of 640 by 480 pixels."
        # An answer has been given about them.
        assert str(await client.ask("Thanks.")) == "You are welcome."


async def test_a_large_image_passes_and_too_many_are_refused(offline_url: str):
    async with RealtimeClient(
        api_key="", url=offline_url, turn_detection=None, output_modalities=["text"]
    ) as client:
        large = jpeg(640, 480) + bytes(MAX_IMAGE_BYTES - 200)
        errors: list[object] = []
        client.on("error", errors.append)
        client.send_image(large)
        assert "640 by 480" in str(await asyncio.wait_for(client.ask(), 30)) and not errors
        for _ in range(4):
            client.send_image(large)
        await asyncio.wait_for(client.ask("Thanks."), 60)
        assert [error.code for error in errors] == ["string_above_max_length"]
        assert "delete older ones" in errors[0].message
