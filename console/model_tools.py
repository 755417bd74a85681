"""ModelTools: get_weather and set_memory for a session, with their results shown in the session model.

Thread: the event loop's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from .session import SessionModel
from .state import Place
from .text import one_line
from .tools import GET_WEATHER, SET_MEMORY, Memory

__all__ = ["FetchWeather", "ModelTools"]

FetchWeather = Callable[..., Awaitable[dict[str, Any]]]


class ModelTools:
    """The tools of one console; the memory outlives a connection."""

    def __init__(self, model: SessionModel) -> None:
        self._model = model
        self._memory = Memory()

    def add_to(self, client: Any, fetch_weather: FetchWeather) -> None:
        """Offer the tools to the model of *client*'s session."""

        async def weather(**arguments: Any) -> dict[str, Any]:
            return await self.weather(fetch_weather, **arguments)

        client.add_tool(GET_WEATHER, weather)
        client.add_tool(SET_MEMORY, self._remember)

    async def weather(
        self, fetch: FetchWeather, lat: Any = None, lng: Any = None, location: Any = "", **_: Any
    ) -> dict[str, Any]:
        """Call *fetch* and show the place and its weather."""
        place = Place(name=one_line(location, 60), state="asking ...")
        if _is_degrees(lat, 90) and _is_degrees(lng, 180):
            place.latitude, place.longitude = float(lat), float(lng)
            # The marker moves before the weather is known, as in the original console
            self._model.place = place
            self._model.revision += 1
        result = await fetch(lat=lat, lng=lng, location=location)
        if "error" in result:
            place.state = f"no weather: {one_line(result.get('message', result['error']), 120)}"
        else:
            place.state, place.sample = "", "note" in result
            place.temperature, place.wind = result["temperature_celsius"], result["wind_speed_kmh"]
        self._model.revision += 1
        return result

    async def _remember(self, **arguments: Any) -> dict[str, Any]:
        result = await self._memory.set(**arguments)
        self._model.remember(self._memory.entries)
        return result


def _is_degrees(value: Any, limit: float) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= limit
