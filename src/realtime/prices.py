"""Prices of models, and what a usage object of the Realtime API costs, in US dollars.

Prices come from `set_prices`, else from the package genai-prices where it is installed (``wavtools[prices]``), else
from `TABLE`, the vendor's price list of `TABLE_DATE`. An estimate: the vendor's bill decides.

Thread: any.
"""

from __future__ import annotations

import logging
import math
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

from .protocol.bounded_dict import remember
from .protocol.reading import dict_of

__all__ = [
    "TABLE",
    "TABLE_DATE",
    "Cost",
    "Prices",
    "TotalCost",
    "context_window",
    "cost_of",
    "prices_of",
    "set_prices",
    "total_cost",
]

log = logging.getLogger("realtime")

KINDS = ("text", "audio", "image")
# A snapshot of a model has the model's name and a date: gpt-realtime-2.1-2026-05-01.
_DATE = re.compile(r"-20\d\d-\d\d-\d\d$")
# Characters of a model's name in messages.
MAX_NAME = 80


@dataclass(frozen=True)
class Prices:
    """Prices of one model, in US dollars per million tokens.

    Attributes
    ----------
    text_in, text_cached, text_out : float
        Text tokens that the model reads, reads from the cache, and writes; reasoning is written text.
    audio_in, audio_cached, audio_out : float
    image_in, image_cached : float
    per_minute : float
        Dollars per minute, for models that are paid by the minute.
    context : int or None
        Tokens that the model can hold; None if unknown.
    source : str
        Where the prices come from.
    """

    text_in: float = 0.0
    text_cached: float = 0.0
    text_out: float = 0.0
    audio_in: float = 0.0
    audio_cached: float = 0.0
    audio_out: float = 0.0
    image_in: float = 0.0
    image_cached: float = 0.0
    per_minute: float = 0.0
    context: int | None = None
    source: str = "set_prices"

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "source" or (field.name == "context" and value is None):
                continue
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise TypeError(f"{field.name} is a number, not {type(value).__name__}")
            if not 0 <= value < math.inf:
                raise ValueError(f"{field.name} is {value!r}: it must be 0 or more")

    @property
    def by_token(self) -> bool:
        """True if any kind of token has a price."""
        return any((self.text_in, self.text_out, self.audio_in, self.audio_out, self.image_in))


TABLE_DATE = "2026-11-28"
_FROM = f"the price list of {TABLE_DATE}"
_FULL = Prices(4.0, 0.4, 24.0, 32.0, 0.4, 64.0, 5.0, 0.5, context=128_000, source=_FROM)
_FIRST = Prices(4.0, 0.4, 16.0, 32.0, 0.4, 64.0, 5.0, 0.5, context=32_000, source=_FROM)
_MINI = Prices(0.6, 0.06, 2.4, 10.0, 0.3, 20.0, 0.8, 0.08, context=128_000, source=_FROM)
_WHISPER = Prices(per_minute=0.017, source=_FROM)
# The vendor's prices on TABLE_DATE, by the name of the model.
TABLE: Mapping[str, Prices] = {
    "gpt-realtime-2.1": _FULL,
    "gpt-realtime-2": _FULL,
    "gpt-realtime-2.1-mini": _MINI,
    "gpt-realtime-1.5": _FIRST,
    "gpt-realtime": _FIRST,
    "gpt-live-transcribe": _WHISPER,
    "gpt-realtime-whisper": _WHISPER,
    "gpt-realtime-translate": Prices(per_minute=0.034, source=_FROM),
    "whisper-1": Prices(per_minute=0.006, source=_FROM),
    "gpt-4o-transcribe": Prices(2.5, 2.5, 10.0, 6.0, 6.0, source=_FROM),
    "gpt-4o-transcribe-diarize": Prices(2.5, 2.5, 10.0, 6.0, 6.0, source=_FROM),
    "gpt-4o-mini-transcribe": Prices(1.25, 1.25, 5.0, 3.0, 3.0, source=_FROM),
}
# What the application set.
_own: dict[str, Prices] = {}
# Models without a price that were logged.
_logged: dict[str, None] = {}
_lock = threading.Lock()


class Cost(float):
    """What one usage costs in US dollars: a float, with its parts.

    Attributes
    ----------
    input, cached, output : float
        Dollars for what the model read, read from the cache, and made. Minutes count as input.
    source : str
        Where the prices come from.
    """

    input: float
    cached: float
    output: float
    source: str

    def __new__(cls, input: float, cached: float, output: float, source: str) -> Cost:
        cost = super().__new__(cls, input + cached + output)
        cost.input, cost.cached, cost.output, cost.source = input, cached, output, source
        return cost

    def __getnewargs__(self) -> tuple[Any, ...]:
        return self.input, self.cached, self.output, self.source


class TotalCost(float):
    """What a client has cost in US dollars: a float, the sum of its parts.

    Attributes
    ----------
    responses : float
        Dollars for the responses.
    transcriptions : float
        Dollars for the transcriptions of the user's speech, which are billed beside the responses.
    unpriced : tuple of str
        Models without a known price, whose usage is missing in the sum.
    """

    responses: float
    transcriptions: float
    unpriced: tuple[str, ...]

    def __new__(cls, responses: float, transcriptions: float, unpriced: tuple[str, ...] = ()) -> TotalCost:
        cost = super().__new__(cls, responses + transcriptions)
        cost.responses, cost.transcriptions, cost.unpriced = responses, transcriptions, unpriced
        return cost

    def __getnewargs__(self) -> tuple[Any, ...]:
        return self.responses, self.transcriptions, self.unpriced


def set_prices(prices: Mapping[str, Prices | Mapping[str, Any]] | None) -> None:
    """Set prices of models; they go before those of genai-prices and of `TABLE`, also for usage in the past.

    Parameters
    ----------
    prices : mapping or None
        By the name of the model: `Prices`, or a mapping with its fields. Replaces what was set before; None
        forgets it.

    Raises
    ------
    TypeError
        anything else, or a field that does not exist
    ValueError
        a price that is negative or no number
    """
    table = {} if prices is None else _checked(prices)
    with _lock:
        _own.clear()
        _own.update(table)
        _logged.clear()


def _checked(prices: Mapping[str, Prices | Mapping[str, Any]]) -> dict[str, Prices]:
    if not isinstance(prices, Mapping):
        raise TypeError(f"prices are a mapping of model names to Prices, not {type(prices).__name__}")
    table = {}
    for model, given in prices.items():
        if isinstance(given, Mapping):
            known = [field.name for field in fields(Prices)]
            wrong = [name for name in given if name not in known]
            if wrong:
                raise TypeError(f"Prices have no {wrong[0]!r}: they have {', '.join(known)}")
            given = Prices(**given)
        if not isinstance(model, str) or not isinstance(given, Prices):
            raise TypeError(f"prices of {model!r} are Prices or a mapping, not {type(given).__name__}")
        table[model] = given
    return table


def _given(model: str | None, prices: Prices | Mapping[str, Prices | Mapping[str, Any]]) -> Prices | None:
    return prices if isinstance(prices, Prices) else _checked(prices).get(model or "")


def prices_of(model: str | None) -> Prices | None:
    """The prices of a model, None if they are unknown; a dated snapshot has those of its model."""
    if not model:
        return None
    for name in (model, _DATE.sub("", model)):
        found = _own.get(name) or _packaged(name) or TABLE.get(name)
        if found is not None:
            return found
    return None


def context_window(model: str | None) -> int | None:
    """Tokens that a model can hold; None if unknown."""
    prices = prices_of(model)
    if prices is None or prices.context is not None:
        return None if prices is None else prices.context
    # Some entries of genai-prices have prices only.
    listed = TABLE.get(_DATE.sub("", model or ""))
    return None if listed is None else listed.context


def cost_of(
    model: str | None, usage: Any, prices: Prices | Mapping[str, Prices | Mapping[str, Any]] | None = None
) -> Cost | None:
    """What a usage costs.

    Cached tokens are a part of the input tokens and are counted once, at their own price; reasoning tokens are a part
    of the output's text. The cost of a sum of usages is the sum of their costs.

    Parameters
    ----------
    model : str or None
        Name of the model.
    usage : mapping
        As the server states it: of ``response.done``, or of a transcription.
    prices : Prices or mapping, optional
        In the place of the known ones: of this model, or by the name of the model.

    Returns
    -------
    Cost or None
        US dollars; None for a model without a known price, which is logged once, and for a usage that its prices do
        not cover.

    Raises
    ------
    TypeError, ValueError
        prices as `set_prices` refuses them

    Examples
    --------
    >>> float(cost_of("gpt-realtime-2.1", {"output_token_details": {"text_tokens": 500_000}}))
    12.0
    """
    found = prices_of(model) if prices is None else _given(model, prices)
    if found is None:
        _say_unknown(model)
        return None
    usage = dict_of(usage)
    seconds, tokens = _count(usage.get("seconds")), _Tokens(usage)
    if (seconds and found.by_token and not found.per_minute) or (
        tokens.any and found.per_minute and not found.by_token
    ):
        return None
    fresh, cached = seconds / 60 * found.per_minute, 0.0
    for kind in KINDS:
        from_cache = tokens.cached[kind]
        fresh += (tokens.read[kind] - from_cache) * getattr(found, f"{kind}_in") / 1e6
        cached += from_cache * getattr(found, f"{kind}_cached") / 1e6
    made = (tokens.text_out * found.text_out + tokens.audio_out * found.audio_out) / 1e6
    return Cost(fresh, cached, made, found.source)


def total_cost(usages: Iterable[tuple[str | None, str, Any]]) -> TotalCost | None:
    """The cost of usages of several models; None if there are some and none has a known price.

    Parameters
    ----------
    usages : iterable of tuple
        Model, "response" or "transcription", and usage.
    """
    sums = {"response": 0.0, "transcription": 0.0}
    priced, unpriced = False, []
    for model, source, usage in usages:
        cost = cost_of(model, usage)
        if cost is None:
            unpriced.append(_named(model))
        else:
            priced = True
            sums[source] += cost
    if unpriced and not priced:
        return None
    return TotalCost(sums["response"], sums["transcription"], tuple(unpriced))


class _Tokens:
    """The token counts of a usage by kind; what is missing or malformed counts as 0."""

    def __init__(self, usage: Mapping[str, Any]) -> None:
        inputs = dict_of(usage.get("input_token_details"))
        cached = dict_of(inputs.get("cached_tokens_details"))
        outputs = dict_of(usage.get("output_token_details"))
        self.read = {kind: _count(inputs.get(f"{kind}_tokens")) for kind in KINDS}
        # Without details, all tokens are text.
        self.read["text"] += max(0.0, _count(usage.get("input_tokens")) - sum(self.read.values()))
        self.audio_out = _count(outputs.get("audio_tokens"))
        self.text_out = _count(outputs.get("text_tokens"))
        self.text_out += max(0.0, _count(usage.get("output_tokens")) - self.text_out - self.audio_out)
        self.cached = {kind: min(_count(cached.get(f"{kind}_tokens")), self.read[kind]) for kind in KINDS}
        # Older servers state one number for all kinds.
        rest = max(0.0, _count(inputs.get("cached_tokens")) - sum(self.cached.values()))
        for kind in KINDS if not cached else ():
            taken = min(rest, self.read[kind])
            self.cached[kind] += taken
            rest -= taken
        self.any = bool(sum(self.read.values()) or self.text_out or self.audio_out)


def _count(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return 0.0
    return float(value) if 0 <= value < 1e15 else 0.0


def _named(model: str | None) -> str:
    return repr(model)[1:-1][:MAX_NAME] if model else "unknown"


def _say_unknown(model: str | None) -> None:
    with _lock:
        first = (model or "") not in _logged
        remember(_logged, model or "", None)
    if first:
        advice = 'realtime.prices.set_prices({"MODEL": Prices(...)}) takes one'
        log.warning("no price is known for the model %s, so its cost is None: %s", _named(model), advice)


@lru_cache(maxsize=64)
def _packaged(model: str) -> Prices | None:
    """The prices of *model* in genai-prices; None without the package, and for a model that it does not know."""
    try:
        from genai_prices import Usage, __version__, calc_price
    except ImportError:
        return None
    try:
        found = calc_price(Usage(), model)
    except LookupError:
        return None
    price = found.model_price

    def per(*names: str) -> float:
        """The first price that the package has; the base of one with tiers."""
        values = (getattr(price, name, None) for name in names)
        value = next((value for value in values if value is not None), 0)
        return float(getattr(value, "base", value))

    return Prices(
        text_in=per("input_mtok"),
        text_cached=per("cache_read_mtok", "input_mtok"),
        text_out=per("output_mtok"),
        audio_in=per("input_audio_mtok", "input_mtok"),
        audio_cached=per("cache_audio_read_mtok", "input_audio_mtok", "cache_read_mtok", "input_mtok"),
        audio_out=per("output_audio_mtok", "output_mtok"),
        image_in=per("input_image_mtok", "input_mtok"),
        image_cached=per("cache_image_read_mtok", "input_image_mtok", "cache_read_mtok", "input_mtok"),
        per_minute=per("input_audio_hours", "audio_hours") / 60,
        context=found.model.context_window,
        source=f"genai-prices {__version__}",
    )
