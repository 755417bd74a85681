"""The two tools that the console offers the model: get_weather and set_memory.

Arguments from a model are not trusted: numbers are checked, the host is fixed, sizes are bounded, and every failure is
an answer for the model ({"error": ...}), never an exception.

Thread: one event loop.
"""

from __future__ import annotations

import json
import math
from typing import Any

from .text import one_line

__all__ = ["GET_WEATHER", "SAMPLE_NOTE", "SET_MEMORY", "Memory", "get_weather", "sample_weather"]

SAMPLE_NOTE = "a sample, because offline mode has no network"
WEATHER_URL = "https://api.open-meteo.com/v1/forecast"
WEATHER_SECONDS = 5.0
WEATHER_MAX_BYTES = 65_536

MEMORY_MAX_KEY_CHARS = 64
MEMORY_MAX_VALUE_BYTES = 1_024
MEMORY_MAX_ENTRIES = 100
MEMORY_MAX_BYTES = 65_536

GET_WEATHER: dict[str, Any] = {
    "name": "get_weather",
    "description": "Retrieves the weather for a given lat, lng coordinate pair. Specify a label for the location.",
    "parameters": {
        "type": "object",
        "properties": {
            "lat": {"type": "number", "description": "Latitude"},
            "lng": {"type": "number", "description": "Longitude"},
            "location": {"type": "string", "description": "Name of the location"},
        },
        "required": ["lat", "lng", "location"],
    },
}

SET_MEMORY: dict[str, Any] = {
    "name": "set_memory",
    "description": "Saves important data about the user into memory.",
    "parameters": {
        "type": "object",
        "properties": {
            "key": {
                "type": "string",
                "description": "The key of the memory value: lowercase and underscores, no other characters.",
            },
            "value": {"type": "string", "description": "Value can be anything represented as a string"},
        },
        "required": ["key", "value"],
    },
}


async def sample_weather(lat: Any = None, lng: Any = None, location: Any = "", **_: Any) -> dict[str, Any]:
    """Answer get_weather in offline mode, in which nothing may leave this machine: always the same, marked as a sample."""
    return {
        "location": one_line(location, 100),
        "temperature_celsius": 19.4,
        "wind_speed_kmh": 17.9,
        "note": SAMPLE_NOTE,
    }


async def get_weather(lat: Any = None, lng: Any = None, location: Any = "", **_: Any) -> dict[str, Any]:
    """Return the present temperature (degrees Celsius) and wind (km/h) from Open-Meteo.

    lat is in [-90, 90], lng in [-180, 180]; the location's name is only passed back. The request goes to one fixed host
    over https, without redirects and without proxies from the environment; it takes at most WEATHER_SECONDS and reads
    at most WEATHER_MAX_BYTES.
    """
    # The import takes a second, so it waits for the first question about the weather
    import httpx

    for name, value, limit in (("lat", lat, 90), ("lng", lng, 180)):
        # NaN differs from itself; math.isfinite() would refuse a large int
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
            return {"error": "bad_argument", "message": f"{name} must be a number"}
        if abs(value) > limit:
            return {"error": "bad_argument", "message": f"{name} must be within {limit} degrees"}
    query = {"latitude": lat, "longitude": lng, "current": "temperature_2m,wind_speed_10m"}
    try:
        async with (
            httpx.AsyncClient(timeout=WEATHER_SECONDS, follow_redirects=False, trust_env=False) as http,
            http.stream("GET", WEATHER_URL, params=query) as response,
        ):
            response.raise_for_status()
            body = b""
            async for part in response.aiter_bytes():
                body += part
                if len(body) > WEATHER_MAX_BYTES:
                    return {"error": "weather_unavailable", "message": "the weather service sent too much"}
        current = json.loads(body)["current"]
        temperature, wind = float(current["temperature_2m"]), float(current["wind_speed_10m"])
        if not (math.isfinite(temperature) and math.isfinite(wind)):
            raise ValueError("no number")
        return {
            "location": one_line(location, 100),
            "temperature_celsius": temperature,
            "wind_speed_kmh": wind,
        }
    except (httpx.HTTPError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        return {
            "error": "weather_unavailable",
            "message": f"the weather service did not answer: {type(error).__name__}",
        }


class Memory:
    """Texts by key that the model was asked to remember; their number and sizes are bounded."""

    def __init__(self) -> None:
        self.entries: dict[str, str] = {}

    async def set(self, key: Any = None, value: Any = None, **_: Any) -> dict[str, Any]:
        """Remember *value* under *key*, in place of an older value."""
        if not isinstance(key, str) or not 1 <= len(key) <= MEMORY_MAX_KEY_CHARS:
            return _refused(f"key must be text of 1 to {MEMORY_MAX_KEY_CHARS} characters")
        key, value = _with_whole_characters(key), _with_whole_characters(value)
        if not isinstance(value, str) or len(value.encode()) > MEMORY_MAX_VALUE_BYTES:
            return _refused(f"value must be text of at most {MEMORY_MAX_VALUE_BYTES} bytes")
        entries = {**self.entries, key: value}
        if len(entries) > MEMORY_MAX_ENTRIES:
            return _refused(f"memory holds {MEMORY_MAX_ENTRIES} entries; replace one of them")
        if sum(len(k.encode()) + len(v.encode()) for k, v in entries.items()) > MEMORY_MAX_BYTES:
            return _refused(f"memory holds {MEMORY_MAX_BYTES} bytes; shorten or replace an entry")
        self.entries = entries
        return {"ok": True}


def _with_whole_characters(value: Any) -> Any:
    """Replace half of a surrogate pair, which no UTF-8 text can hold."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _refused(message: str) -> dict[str, Any]:
    return {"error": "refused", "message": message}
