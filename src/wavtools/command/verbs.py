"""The verbs of the command, and what each of them does, in a few words.

Thread: any; constants.
"""

__all__ = ["PARTS", "VERBS"]

# Verb: what it does. Each has a module here with ``add_arguments(parser)`` and ``run(arguments) -> int``.
VERBS = {
    "devices": "list microphones and speakers",
    "record": "record from a microphone into a WAV file",
    "play": "play audio files",
    "convert": "write an audio file as WAV, with another rate, channels or encoding",
    "info": "say what audio files hold",
    "meter": "show the level of a microphone",
    "plot": "draw the waveform or spectrogram of a file, as PNG or SVG",
    "bench": "measure the audio path of this machine",
    "doctor": "check this installation and its devices; say what to mend",
    "completion": "print the completion of a shell",
}
# Verbs of other parts: the module that is run, the extra that installs it, and what it does.
PARTS = {
    "console": ("realtime_console", "console", "hold and inspect a voice conversation"),
    "offline": ("realtime.offline", "offline", "run a Realtime server that needs no network"),
    "relay": ("realtime.relay", "relay", "run a server that keeps the API key"),
}
