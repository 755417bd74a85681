"""A user's program as mypy --strict sees it: checked against the installed wheel by tools/test_wheels.py.

Not run: the assertions are about types.
"""

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_type

import wavtools
from realtime import (
    EchoEvent,
    FalseInterruptionEvent,
    IdleEvent,
    PhoneCall,
    RealtimeClient,
    Transcriber,
    TranscriptionUsage,
    VoiceSession,
    Words,
)
from realtime.prices import Cost, TotalCost, cost_of
from wavtools import (
    EchoCanceller,
    EchoDetector,
    EchoState,
    NativeEchoCanceller,
    OfflineDevice,
    TrackOffset,
    WavFile,
    WavPacker,
    WavRecorder,
    WavStreamPlayer,
)
from wavtools.pcm import float32_to_pcm16, pcm16_to_float32
from wavtools.resample import Resampler, resample
from wavtools.ring import RingBuffer
from wavtools.spectrum import Analyser

samples: NDArray[np.float32] = np.zeros(480, np.float32)
pcm = float32_to_pcm16(samples)
assert_type(pcm, NDArray[np.int16])
assert_type(pcm16_to_float32(pcm), NDArray[np.float32])
assert_type(Resampler(48_000, 24_000).process(samples), NDArray[np.float32])
assert_type(resample(pcm, 48_000, 24_000), NDArray[np.int16])
assert_type(wavtools.resample(pcm, 48_000, 24_000), NDArray[np.int16])
assert_type(RingBuffer(1_000).write(samples), int)
assert_type(Analyser().float_frequency_data(), NDArray[np.float32])
assert_type(wavtools.get_include(), str)

device = OfflineDevice()
player = WavStreamPlayer(device=device)
player.connect()
player.add_16bit_pcm(pcm, "answer")
assert_type(player.interrupt(), TrackOffset | None)
assert_type(WavPacker.pack(pcm, 24_000), WavFile)
recorder = WavRecorder(device=device)
assert_type(recorder.end(), WavFile)

canceller = wavtools.echo_canceller("native", 24_000)
assert_type(canceller, EchoCanceller)
assert_type(canceller.process(pcm[:240], pcm[:240]), NDArray[np.int16])
own: EchoCanceller = NativeEchoCanceller(24_000)
listener = WavRecorder(device=device, echo_canceller=own, reference=player)
assert_type(listener.echo, EchoState | None)
assert_type(listener.cancelling, bool)
assert_type(EchoDetector(24_000).look(pcm, pcm), bool)

client = RealtimeClient(url="ws://127.0.0.1:1")
assert_type(client.is_connected(), bool)

voice = VoiceSession(client, listener, player, mode="vad", echo="auto")
voice.set_echo("half-duplex")


def tell(event: EchoEvent) -> None:
    assert_type(event.heard, bool)
    assert_type(event.erle_db, float | None)
    assert_type(event.action == voice.echo, bool)


client.on("voice.echo", tell)

assert_type(client.busy, bool)
assert_type(client.server_answers(), bool)
session = VoiceSession(
    client,
    interrupt="duck",
    input=device,
    output=device,
    idle_timeout=60,
    on_chunk=lambda chunk: chunk.mono.max(),
)
assert_type(session.muted, bool)
assert_type(FalseInterruptionEvent("item_1", 0.5).item_id, str | None)
assert_type(IdleEvent(60.0).seconds, float)

captions = Transcriber(url="ws://127.0.0.1:1", language="en")
assert_type(captions.append(pcm), bool)
assert_type(captions.usage, TranscriptionUsage)
assert_type(captions.usage.minutes, float)
assert_type(captions.client, RealtimeClient)


async def read(captions: Transcriber) -> None:
    async for words in captions:
        assert_type(words, Words)


async def answer(websocket: object) -> None:
    async with PhoneCall(websocket, instructions="Be brief.") as call:
        assert_type(call.stream_id, str)
        await call.wait_until_ended()


assert_type(client.cost, TotalCost | None)
assert_type(client.budget, float | None)
assert_type(client.context_used, float | None)
assert_type(client.send_image(b"", detail="low"), str)
assert_type(cost_of("gpt-realtime-2.1", {}), Cost | None)
