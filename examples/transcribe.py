"""Print what is said into the microphone, as it is said, until Ctrl+C.

python transcribe.py
"""

import realtime
from wavtools import WavRecorder


async def main():
    async with realtime.Transcriber(language="en") as captions, WavRecorder(captions.sample_rate) as recorder:
        recorder.record(captions.append)
        async for words in captions:
            print(words, end="\n" if words.final else "\r", flush=True)


realtime.run(main())
