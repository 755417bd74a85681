"""Talk with one visitor after the other, for weeks: whatever goes wrong, it starts again by itself.

    python kiosk.py

A minute of silence ends a conversation, and the next visitor begins a new one. Ctrl+C ends the program.
"""

import realtime


async def welcome():
    client = realtime.RealtimeClient(instructions="You welcome the visitors of a museum. Be brief.")
    realtime.print_transcript(client)
    async with realtime.VoiceSession(client, mode="vad", idle_timeout=60) as voice:
        await voice.wait_until_ended()


realtime.run(welcome, restart=5)
