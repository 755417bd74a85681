"""Talk with a model that can switch the lights: Enter begins what you say, and Enter sends it. Ctrl+C ends it.

    python push_to_talk.py            # default microphone and loudspeaker
    python push_to_talk.py null       # silent devices, for machines without a sound card

Enter during an answer interrupts it.
"""

import sys

import realtime

client = realtime.RealtimeClient(input_audio_transcription="gpt-transcribe")
realtime.print_transcript(client)


@client.tool
def switch_lights(on: bool) -> str:
    """Switch the lights on or off."""
    print("The lights are", "on" if on else "off")
    return "done"


async def main(device=None):
    async with realtime.VoiceSession(client, mode="manual", input=device, output=device) as voice:
        while True:
            await realtime.read_line("Enter to talk. ")
            await voice.talk()
            await realtime.read_line("Listening. Enter to send. ")
            await voice.release()


realtime.run(main(*sys.argv[1:2]))
