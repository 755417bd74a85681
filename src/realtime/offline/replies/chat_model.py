"""Replies by a chat model at any OpenAI-compatible endpoint: Ollama, llama.cpp, vLLM, LM Studio.

The stream is passed on piece by piece, so the first sentence is spoken while the rest is still being written. If the
endpoint fails before its first word, another replier answers and a warning says why.

Thread: the event loop.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

import httpx

from ...protocol import codec
from ...protocol.reading import dict_of, list_of, text_of
from .rules import Call, Context, Message, Replier, RuleReplies, Say, Spoken, ToolCall

CONNECT_SECONDS = 2.0
# A large model on a small machine needs long for its first token.
READ_SECONDS = 60.0
# Characters in the arguments of one tool call.
LONGEST_ARGUMENTS = 64 << 10


class ChatReplies:
    """Replier that asks ``POST <url>/chat/completions``.

    Parameters
    ----------
    url : str
        Base address, such as "http://127.0.0.1:11434/v1".
    model : str
        Name of the model at the endpoint.
    key : str, optional
        Sent as a bearer token.
    fallback : Replier, optional
        Answers if the endpoint fails before its first word; default: RuleReplies().
    log : callable taking a str
        Receives the warnings.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        key: str | None = None,
        fallback: Replier | None = None,
        log: Callable[[str], None] = print,
    ) -> None:
        self._url = url.rstrip("/") + "/chat/completions"
        self._model = model
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._fallback = fallback or RuleReplies()
        self._log = log

    async def reply(self, context: Context) -> AsyncGenerator[Say | Call | Spoken, None]:
        """Implements Replier.reply."""
        started = False
        try:
            async with aclosing(self._stream(context)) as pieces:
                async for piece in pieces:
                    started = True
                    yield piece
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            reason = f"{type(error).__name__}: {error}".rstrip(": ")
            if started:
                self._log(f"warning: the chat endpoint failed during its answer ({reason})")
                return
            self._log(f"warning: no answer from the chat endpoint ({reason}); another replier answers")
        if not started:
            async for other in self._fallback.reply(context):
                yield other

    async def _stream(self, context: Context) -> AsyncGenerator[Say | Call, None]:
        timeout = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
        async with (
            httpx.AsyncClient(timeout=timeout, headers=self._headers) as client,
            client.stream("POST", self._url, json=request_body(self._model, context)) as response,
        ):
            if response.status_code != 200:
                body = (await response.aread())[:200].decode("utf-8", "replace")
                raise ValueError(f"HTTP {response.status_code} {body!r}")
            calls: dict[int, dict[str, str]] = {}
            if "text/event-stream" not in response.headers.get("content-type", ""):
                # Some versions of llama.cpp do not stream when tools are offered.
                choice = _first_choice(codec.loads(await response.aread()))
                for piece in _take(choice.get("message"), calls):
                    yield piece
            else:
                async for line in response.aiter_lines():
                    data = line.removeprefix("data:").strip()
                    if not line.startswith("data:") or data == "[DONE]":
                        continue
                    for piece in _take(_first_choice(codec.loads(data)).get("delta"), calls):
                        yield piece
            for call in calls.values():
                if not call["name"]:
                    continue
                # Raises ValueError for incomplete arguments: no call is made then.
                codec.loads(call["arguments"] or "{}")
                yield Call(call["name"], call["arguments"] or "{}")


def request_body(model: str, context: Context) -> dict[str, Any]:
    """The chat completion request for *context*."""
    messages: list[dict[str, Any]] = []
    if context.instructions:
        messages.append({"role": "system", "content": context.instructions})
    for turn in context.history:
        if isinstance(turn, Message):
            messages.append({"role": turn.role, "content": _content(turn)})
        elif isinstance(turn, ToolCall):
            function = {"name": turn.name, "arguments": turn.arguments}
            call = {"id": turn.call_id, "type": "function", "function": function}
            last = messages[-1] if messages else {}
            if "tool_calls" in last:
                last["tool_calls"].append(call)
            else:
                messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
        else:
            messages.append({"role": "tool", "tool_call_id": turn.call_id, "content": turn.output})
    body: dict[str, Any] = {"model": model, "messages": messages, "stream": True}
    functions = [
        {"type": "function", "function": {k: v for k, v in tool.items() if k != "type" and v is not None}}
        for tool in context.tools
        if tool.get("type") == "function"
    ]
    if functions and context.tool_choice != "none":
        body["tools"] = functions
        choice = context.tool_choice
        if isinstance(choice, dict) and choice.get("type") == "function":
            choice = {"type": "function", "function": {"name": choice["name"]}}
        if choice != "auto":
            body["tool_choice"] = choice
    return body


def _content(message: Message) -> str | list[dict[str, Any]]:
    """The text, or with images the parts that a vision model takes."""
    if not message.images:
        return message.text
    parts: list[dict[str, Any]] = [{"type": "text", "text": message.text}] if message.text else []
    for image in message.images:
        parts.append({"type": "image_url", "image_url": {"url": image.url, "detail": image.detail}})
    return parts


def _first_choice(answer: Any) -> dict[str, Any]:
    if not isinstance(answer, dict):
        raise ValueError("the answer is not a JSON object")
    if "error" in answer:
        raise ValueError(str(answer["error"])[:200])
    choices = answer.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else {}
    return first if isinstance(first, dict) else {}


def _take(message: Any, calls: dict[int, dict[str, str]]) -> list[Say]:
    """The text in a message or delta; adds its tool calls to *calls*, by index. Any value is read safely."""
    message = dict_of(message)
    for i, piece in enumerate(list_of(message.get("tool_calls"))):
        index = dict_of(piece).get("index")
        call = calls.setdefault(index if isinstance(index, int) else i, {"name": "", "arguments": ""})
        function = dict_of(dict_of(piece).get("function"))
        call["name"] += text_of(function.get("name")) or ""
        arguments = function.get("arguments")
        call["arguments"] += (
            arguments if isinstance(arguments, str) else json.dumps(arguments) if arguments else ""
        )
        if len(call["arguments"]) > LONGEST_ARGUMENTS:
            raise ValueError(f"tool arguments longer than {LONGEST_ARGUMENTS} characters")
    text = text_of(message.get("content"))
    return [Say(text)] if text else []
