"""The modules whose names are promised to users: docs/stability.md says how, the API index lists them and no others.

A name that `wavtools`, `realtime` or one of the two servers exports has its page here, or is described on the package's own.

Thread: any; constants.
"""

from __future__ import annotations

__all__ = ["PACKAGES", "PROMISED", "SERVERS", "promised_modules"]

# In the order of the index: what applications use first, first.
PROMISED = {
    "wavtools": "recorder player oneliners scripting playback offline_device duplex_device remote_device"
    " remote notebook notebook_device wav files.load files.blocks files.sound"
    " files.wav_reader files.wav_writer decode analysis bands spectrum stft levels loudness"
    " voice_activity gain echo echo_detector echo_native resample pcm ring errors",
    "realtime": "client.client client.answer client.farewell voice.session voice_events synchronous"
    " program transcript_lines conversation.reducer conversation.items conversation.change"
    " events errors tools tools.context tools.results captions.transcriber"
    " captions.transcript phone.call connection.options prices"
    " offline.asgi relay.asgi",
}
SERVERS = ["realtime.offline", "realtime.relay"]
PACKAGES = [*PROMISED, *SERVERS]


def promised_modules() -> list[str]:
    """Modules with a page, without PACKAGES, in the order of the index."""
    return [f"{package}.{name}" for package, names in PROMISED.items() for name in names.split()]
