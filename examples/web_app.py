"""A web service that is asked in speech and answers in speech. It needs fastapi and uvicorn as well.

uvicorn web_app:app
curl --data-binary @question.wav http://127.0.0.1:8000/ask --output answer.wav
"""

from fastapi import FastAPI, HTTPException, Request, Response

from realtime import RealtimeClient, RealtimeError
from wavtools import DecodeError, load

app = FastAPI()


@app.post("/ask")
async def ask(request: Request) -> Response:
    """Take a sound file of any format, and return the answer as a WAV file."""
    try:
        question = load(await request.body())
        async with RealtimeClient(turn_detection=None) as client:
            answer = await client.ask(question, timeout=60)
    except DecodeError as error:
        raise HTTPException(422, str(error)) from error
    except (RealtimeError, TimeoutError) as error:
        raise HTTPException(502, str(error)) from error
    return Response(answer.file.data, media_type="audio/wav")
