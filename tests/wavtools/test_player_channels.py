"""Stereo playback: counted in frames, mapped to the channels of the device; and samples as people hold them."""

from __future__ import annotations

import array

import numpy as np
import pytest

from wavtools import DuplexDevice, OfflineDevice, QueueFullError, WavRecorder, WavStreamPlayer
from wavtools.pcm import float32_to_pcm16, mix_to_mono
from wavtools.resample import resample

RATE = 24_000


@pytest.fixture
def stereo(rng):
    return rng.integers(-32768, 32768, (5000, 2)).astype(np.int16)


def played(pcm, channels: int, outputs: int, frames: int, device_rate: int = RATE):
    device = OfflineDevice(device_rate, channels=outputs)
    with WavStreamPlayer(RATE, channels=channels, device=device) as player:
        player.add_16bit_pcm(pcm)
        out = device.render(frames)
        assert player.get_track_sample_offset().offset == player.stats.frames_played == len(pcm)
    return out


def test_stereo_reaches_a_stereo_device_of_the_same_rate_bit_for_bit(stereo):
    np.testing.assert_array_equal(played(stereo, 2, 2, 5000), stereo)


def test_stereo_on_a_mono_device_is_the_mean(stereo):
    np.testing.assert_array_equal(played(stereo, 2, 1, 5000), mix_to_mono(stereo))


def test_stereo_on_more_channels_is_the_first_two_beside_silence(stereo):
    out = played(stereo, 2, 4, 5000)
    np.testing.assert_array_equal(out[:, :2], stereo)
    assert not out[:, 2:].any()


def test_more_channels_than_the_device_has_are_their_mean_on_each(rng):
    pcm = rng.integers(-32768, 32768, (1000, 6)).astype(np.int16)
    np.testing.assert_array_equal(played(pcm, 6, 2, 1000), np.stack([mix_to_mono(pcm)] * 2, axis=1))


@pytest.mark.parametrize("device_rate", [48_000, 44_100, 16_000])
def test_each_channel_is_resampled_as_resample_does(rng, device_rate):
    pcm = (rng.standard_normal((2400, 2)) * 6000).astype(np.int16)
    expected = np.stack(
        [resample(np.ascontiguousarray(pcm[:, c]), RATE, device_rate) for c in (0, 1)], axis=1
    )
    out = played(pcm, 2, 2, len(expected) + 2, device_rate)
    np.testing.assert_allclose(out[: len(expected)].astype(int), expected, atol=1)


def test_interrupts_fades_and_volume_count_frames(stereo):
    device = OfflineDevice(RATE, channels=2)
    loud = np.tile(np.array([[10_000, -5_000]], np.int16), (5000, 1))
    with WavStreamPlayer(RATE, channels=2, device=device) as player:
        player.add_16bit_pcm(loud, "a")
        device.render(1000)
        receipt = player.interrupt(fade_ms=10)
        assert (receipt.offset, receipt.queued, receipt.dropped) == (1000, 4000, {"a": 4000})
        assert receipt.current_time == 1000 / RATE
        fade = device.render(300).astype(int)
        np.testing.assert_allclose(fade[:, 0], -2 * fade[:, 1], atol=2)
        assert (np.diff(fade[:240, 0]) < 0).all()
        assert not fade[240:].any()
        player.volume = 0.5
        player.add_16bit_pcm(loud, "b")
        device.render(240)
        np.testing.assert_array_equal(device.render(10), np.tile([[5_000, -2_500]], (10, 1)))


def test_queue_seconds_holds_as_much_stereo_as_mono():
    for channels in (1, 2):
        with WavStreamPlayer(RATE, channels=channels, device=OfflineDevice(RATE), queue_seconds=1) as player:
            player.add_16bit_pcm(np.ones((RATE, channels), np.int16))
            with pytest.raises(QueueFullError, match=r"1 frames do not fit: 24000 of 24000"):
                player.add_16bit_pcm(np.ones((1, channels), np.int16))


def test_the_stereo_spectrum_is_of_the_mean():
    device = OfflineDevice(RATE, channels=2)
    tone = np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE) * 16_000
    values = []
    for right in (tone, -tone):
        with WavStreamPlayer(RATE, channels=2, device=device) as player:
            player.add(np.stack([tone, right], axis=1).astype(np.int16))
            device.render(12_000)
            values.append(player.get_frequencies("music").values.max())
    assert values[0] > 0 == values[1]


def test_a_stereo_player_moves_between_devices_of_any_channels(stereo):
    first, second = OfflineDevice(RATE, channels=2), OfflineDevice(RATE)
    with WavStreamPlayer(RATE, channels=2, device=first) as player:
        player.add_16bit_pcm(stereo)
        np.testing.assert_array_equal(first.render(1000), stereo[:1000])
        player.use_device(second)
        np.testing.assert_array_equal(second.render(4000), mix_to_mono(stereo[1000:]))


def test_a_duplex_reference_is_the_mean_of_the_speakers_channels():
    device = OfflineDevice(RATE, channels=2, duplex=True)
    pcm = np.tile(np.array([[3000, -1000]], np.int16), (2400, 1))
    chunks = []
    with (
        WavRecorder(RATE, device=device) as recorder,
        WavStreamPlayer(RATE, channels=2, device=device) as player,
    ):
        recorder.record(chunks.append, 1200)
        player.add_16bit_pcm(pcm)
        np.testing.assert_array_equal(device.exchange(np.zeros((2400, 2), np.int16)), pcm)
        recorder.pause()
    assert (np.concatenate([chunk.played for chunk in chunks]) == 1000).all()


def test_native_devices_open_in_stereo():
    with WavStreamPlayer(RATE, channels=2, device="null") as player:
        player.add_16bit_pcm(np.ones((2400, 2), np.int16))
        assert player.wait_until_idle(timeout=30)
        assert player.stats.frames_played == 2400
    duplex = DuplexDevice("null", "null", output_channels=2)
    with WavStreamPlayer(RATE, channels=2, device=duplex) as player:
        player.add_16bit_pcm(np.ones((2400, 2), np.int16))
        assert player.wait_until_idle(timeout=30)


@pytest.mark.parametrize(("channels", "error"), [(0, ValueError), (9, ValueError), (2.0, TypeError)])
def test_a_number_of_channels_out_of_range_is_refused(channels, error):
    with pytest.raises(error, match="channels"):
        WavStreamPlayer(channels=channels)
    with pytest.raises(error, match="output_channels"):
        DuplexDevice(output_channels=channels)


# ---- samples as people hold them


@pytest.fixture(params=[1, 2], ids=["mono", "stereo"])
def rig(request):
    device = OfflineDevice(RATE, channels=request.param)
    with WavStreamPlayer(RATE, channels=request.param, device=device) as player:
        yield player, device


@pytest.mark.parametrize("dtype", ["int16", "int32", "float32", "float64"])
@pytest.mark.parametrize("as_bytes", [False, True])
def test_all_common_types_play(rig, dtype, as_bytes):
    player, device = rig
    floats = np.array([[0.0], [0.5], [-0.5], [1.0], [-1.0], [0.25]])
    scale = {"int16": 32767, "int32": 2**31 - 1}.get(dtype, 1.0)
    samples = np.repeat(floats * scale, player.channels, axis=1).astype(dtype)
    if as_bytes:
        queued = player.add(samples.astype(samples.dtype.newbyteorder("<")).tobytes(), dtype=dtype)
    else:
        queued = player.add(samples)
    out = device.render(6)
    np.testing.assert_array_equal(out, queued)
    expected = {"int16": samples, "int32": samples >> 16} if scale != 1.0 else {}
    np.testing.assert_array_equal(
        out.reshape(6, -1), expected.get(dtype, float32_to_pcm16(samples.astype(np.float32)))
    )


def test_loud_and_undefined_floats_are_clamped(rig):
    player, device = rig
    given = np.array([[2.0], [-2.0], [1e300], [np.nan]])
    player.add(given)
    np.testing.assert_array_equal(device.render(4).reshape(4, -1)[:, 0], [32767, -32768, 32767, 0])


def test_one_channel_of_any_layout_plays_on_every_one(rig, stereo):
    player, device = rig
    for samples in (stereo[:, :1], stereo[::2, 1:], stereo[:100, :1].astype(">i2"), stereo[:, ::-1][:, :1]):
        player.add(samples)
        out = device.render(len(samples)).reshape(len(samples), -1)
        np.testing.assert_array_equal(out, np.repeat(samples, player.channels, axis=1))
    player.add_16bit_pcm(stereo[:, :1])
    np.testing.assert_array_equal(device.render(5000).reshape(5000, -1)[:, -1], stereo[:, 0])


def test_interleaved_buffers_are_taken_as_frames(stereo):
    device = OfflineDevice(RATE, channels=2)
    with WavStreamPlayer(RATE, channels=2, device=device) as player:
        flat = stereo.reshape(-1)
        for given in (flat, flat.tobytes(), memoryview(stereo), array.array("h", flat.tobytes())):
            player.add_16bit_pcm(given)
            np.testing.assert_array_equal(device.render(5000), stereo)


@pytest.mark.parametrize(
    ("channels", "samples", "dtype", "error", "words"),
    [
        (1, np.zeros((9, 2)), None, ValueError, r"shape \(9, 2\).*channels=2.*mix_to_mono"),
        (1, np.zeros((2, 9)), None, ValueError, r"shape \(2, 9\).*samples\.T.*channels=2"),
        (1, np.zeros((1, 99)), None, ValueError, r"samples\.T"),
        (2, np.zeros((2, 99)), None, ValueError, r"shape \(2, 99\).*\(frames, 2\).*samples\.T"),
        (2, np.zeros((9, 3)), None, ValueError, r"channels=3.*mix_to_mono"),
        (2, np.zeros((99, 99)), None, ValueError, r"this is a player of 2 channels; mix"),
        (2, np.zeros(10), None, ValueError, r"reshape\(-1, 2\).*np\.newaxis"),
        (2, np.zeros((3, 3, 2)), None, ValueError, r"shape \(3, 3, 2\); \(frames, 2\) is needed"),
        (1, np.float32(0), None, ValueError, r"shape \(\)"),
        (1, [0.1], None, TypeError, r"numpy\.asarray\(samples, numpy\.float32\)"),
        (1, "text", None, TypeError, "not str"),
        (1, b"\0\0", None, TypeError, "dtype='int16'"),
        (1, b"\0\0\0", "float32", ValueError, "3 bytes; a sample of float32 has 4"),
        (2, b"\0\0", "int16", ValueError, "no whole number of frames"),
        (1, b"RIFF\0\0\0\0WAVE....", "int16", ValueError, "audio file"),
        (1, np.zeros(4), "float32", TypeError, "samples are float64, and dtype is 'float32'"),
        (1, np.zeros(4), "int24", ValueError, "one of 'int16', 'int32', 'float32', 'float64'"),
        (
            1,
            np.zeros(4, np.uint8),
            None,
            TypeError,
            r"samples holds uint8.*samples\.astype\(np\.int16\) - 128",
        ),
        (1, np.zeros(4, np.int64), None, TypeError, "samples holds int64.*full scale"),
        (1, np.zeros(4, complex), None, TypeError, "samples holds complex128"),
    ],
)
def test_samples_that_cannot_be_meant_are_refused_with_what_to_write(channels, samples, dtype, error, words):
    with WavStreamPlayer(RATE, channels=channels, device=OfflineDevice(RATE)) as player:
        with pytest.raises(error, match=words):
            player.add(samples, dtype=dtype)
        assert player.get_track_sample_offset() is None


@pytest.mark.parametrize(
    ("channels", "shape", "words"),
    [
        (1, (9, 2), r"channels=2.*mix_to_mono\(pcm\)"),
        (1, (2, 99), r"pcm\.T"),
        (2, (2, 99), r"pcm\.T"),
        (2, (3,), "no whole number of frames"),
        (2, (3, 3, 2), r"\(frames, 2\) is needed"),
    ],
)
def test_int16_of_another_shape_is_refused_with_what_to_write(channels, shape, words):
    with WavStreamPlayer(RATE, channels=channels, device=OfflineDevice(RATE)) as player:
        with pytest.raises(ValueError, match=words):
            player.add_16bit_pcm(np.zeros(shape, np.int16))
        assert player.get_track_sample_offset() is None
