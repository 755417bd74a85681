"""Prices: what a usage costs, by the vendor's rules, from each source of prices."""

from __future__ import annotations

import copy
import pickle
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given

from realtime import prices
from realtime.prices import TABLE, Cost, Prices, TotalCost, context_window, cost_of, prices_of, total_cost
from tests.fuzz_values import JSON

FULL, MINI, OLD = "gpt-realtime-2.1", "gpt-realtime-2.1-mini", "gpt-realtime-1.5"


@pytest.fixture(autouse=True)
def forgotten_prices() -> Iterator[None]:
    yield
    prices.set_prices(None)


@pytest.fixture(params=["table", "genai-prices"])
def source(request, monkeypatch) -> Iterator[str]:
    """Each source of prices."""
    if request.param == "table":
        monkeypatch.setitem(sys.modules, "genai_prices", None)
    else:
        pytest.importorskip("genai_prices", reason="run: pip install 'wavtools[prices]'")
    prices._packaged.cache_clear()
    yield request.param
    prices._packaged.cache_clear()


def usage(read: tuple[int, int, int], cached: tuple[int, int, int], made: tuple[int, int]) -> dict:
    """A usage as the vendor states it: text, audio and image tokens read, of these cached; text and audio made."""
    kinds = ("text_tokens", "audio_tokens", "image_tokens")
    details = {
        **dict(zip(kinds, read, strict=True)),
        "cached_tokens": sum(cached),
        "cached_tokens_details": dict(zip(kinds, cached, strict=True)),
    }
    return {
        "total_tokens": sum(read) + sum(made),
        "input_tokens": sum(read),
        "output_tokens": sum(made),
        "input_token_details": details,
        "output_token_details": dict(zip(kinds, made, strict=False)),
    }


# Model, usage, and its cost in millionths of a dollar, worked out by hand from the vendor's prices.
RECORDED = [
    (FULL, usage((119, 42, 0), (0, 0, 0), (34, 108)), 119 * 4 + 42 * 32 + 34 * 24 + 108 * 64),
    (FULL, usage((275, 127, 0), (192, 64, 0), (26, 87)), 83 * 4 + 192 * 0.4 + 63 * 32 + 64 * 0.4 + 26 * 24 + 87 * 64),
    (FULL, usage((1204, 0, 0), (1152, 0, 0), (412, 0)), 52 * 4 + 1152 * 0.4 + 412 * 24),
    (FULL, usage((310, 0, 1105), (0, 0, 0), (61, 0)), 310 * 4 + 1105 * 5 + 61 * 24),
    (FULL, usage((380, 55, 1105), (256, 0, 1088), (40, 131)),
     124 * 4 + 256 * 0.4 + 55 * 32 + 17 * 5 + 1088 * 0.5 + 40 * 24 + 131 * 64),
    (MINI, usage((119, 42, 0), (0, 0, 0), (34, 108)), 119 * 0.6 + 42 * 10 + 34 * 2.4 + 108 * 20),
    (MINI, usage((2048, 911, 0), (1984, 896, 0), (55, 240)),
     64 * 0.6 + 1984 * 0.06 + 15 * 10 + 896 * 0.3 + 55 * 2.4 + 240 * 20),
    (MINI, usage((90, 0, 256), (0, 0, 256), (12, 0)), 90 * 0.6 + 256 * 0.08 + 12 * 2.4),
    (OLD, usage((275, 127, 0), (192, 64, 0), (26, 87)), 83 * 4 + 192 * 0.4 + 63 * 32 + 64 * 0.4 + 26 * 16 + 87 * 64),
    ("gpt-live-transcribe", {"type": "duration", "seconds": 90}, 1.5 * 17_000),
]  # fmt: skip


@pytest.mark.parametrize(("model", "recorded", "millionths"), RECORDED)
def test_the_cost_of_a_recorded_usage_agrees_with_the_formula(model, recorded, millionths, source):
    cost = cost_of(model, recorded)
    assert cost == pytest.approx(millionths / 1e6, rel=1e-12)
    assert cost == pytest.approx(cost.input + cost.cached + cost.output)
    assert cost.source.startswith("genai-prices" if source == "genai-prices" else "the price list of 20")


def test_cached_tokens_are_a_part_of_the_input_and_counted_once():
    whole, cached = (
        usage((1_000_000, 0, 0), (0, 0, 0), (0, 0)),
        usage((1_000_000, 0, 0), (1_000_000, 0, 0), (0, 0)),
    )
    assert (float(cost_of(FULL, whole)), float(cost_of(FULL, cached))) == (4.0, 0.4)


def test_reasoning_is_a_part_of_the_output():
    made = usage((0, 0, 0), (0, 0, 0), (1_000_000, 0))
    made["output_token_details"]["reasoning_tokens"] = 900_000
    assert float(cost_of(FULL, made)) == 24.0


def test_one_number_of_cached_tokens_counts_for_text_first():
    older = usage((100, 50, 0), (0, 0, 0), (0, 0))
    older["input_token_details"] |= {"cached_tokens": 120, "cached_tokens_details": None}
    assert float(cost_of(FULL, older)) == pytest.approx((100 * 0.4 + 20 * 0.4 + 30 * 32) / 1e6)


def test_tokens_without_details_are_text():
    said = {"type": "tokens", "input_tokens": 1_000_000, "output_tokens": 1_000_000}
    assert float(cost_of("gpt-4o-transcribe", said)) == 12.5


def test_a_snapshot_has_the_prices_of_its_model(source):
    assert prices_of(f"{FULL}-2026-05-01").text_out == 24.0
    assert prices_of(None) is None and prices_of("") is None


def test_the_sum_of_usages_costs_the_sum(source):
    from realtime.client.meter import add_counts

    total: dict = {}
    ours = [(recorded, cost_of(model, recorded)) for model, recorded, _ in RECORDED if model == FULL]
    for recorded, _ in ours:
        add_counts(total, recorded)
    assert cost_of(FULL, total) == pytest.approx(sum(cost for _, cost in ours))


def test_an_unknown_model_costs_none_and_is_said_once(caplog, source):
    assert cost_of("my-own-model", RECORDED[0][1]) is None and cost_of("my-own-model", {}) is None
    assert cost_of(None, {}) is None
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 2 and "my-own-model" in messages[0] and "set_prices" in messages[0]
    assert context_window("my-own-model") is None


def test_a_usage_of_another_kind_than_the_prices_costs_none():
    assert cost_of(FULL, {"type": "duration", "seconds": 3}) is None
    assert cost_of("gpt-live-transcribe", RECORDED[0][1]) is None
    assert float(cost_of(FULL, {})) == float(cost_of("gpt-live-transcribe", None)) == 0.0


def test_the_application_can_replace_prices():
    prices.set_prices({FULL: Prices(text_in=1.0), "mine": {"per_minute": 0.6, "context": 8_000}, "free": {}})
    assert float(cost_of(FULL, usage((1_000_000, 5, 0), (0, 0, 0), (7, 7)))) == 1.0
    assert float(cost_of("mine", {"seconds": 60})) == 0.6 and context_window("mine") == 8_000
    assert float(cost_of("free", RECORDED[0][1])) == float(cost_of("free", {"seconds": 60})) == 0.0
    assert cost_of(FULL, {}).source == "set_prices"
    assert context_window(FULL) == 128_000
    prices.set_prices(None)
    assert prices_of(FULL).text_in == 4.0 and prices_of("mine") is None


def test_prices_can_be_given_with_the_question():
    one = usage((1_000_000, 0, 0), (0, 0, 0), (0, 0))
    assert (
        float(cost_of("x", one, Prices(text_in=2.0)))
        == float(cost_of("x", one, {"x": {"text_in": 2.0}}))
        == 2.0
    )
    assert cost_of("y", one, {"x": {"text_in": 2.0}}) is None


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ([], TypeError, "mapping of model names"),
        ({"m": 3}, TypeError, "are Prices or a mapping, not int"),
        ({3: {}}, TypeError, "prices of 3"),
        ({"m": {"txt_in": 3}}, TypeError, "they have text_in"),
        ({"m": {"text_in": "4"}}, TypeError, "text_in is a number, not str"),
        ({"m": {"text_in": True}}, TypeError, "not bool"),
        ({"m": {"text_in": -1}}, ValueError, "0 or more"),
        ({"m": {"per_minute": float("nan")}}, ValueError, "per_minute"),
        ({"m": {"context": "big"}}, TypeError, "context is a number"),
    ],
)
def test_wrong_prices_are_refused_and_change_nothing(wrong, error, message):
    prices.set_prices({"mine": {}})
    with pytest.raises(error, match=message):
        prices.set_prices(wrong)
    assert prices_of("mine") == Prices()


def test_the_table_names_its_date_and_agrees_with_the_package():
    pytest.importorskip("genai_prices", reason="run: pip install 'wavtools[prices]'")
    assert all(prices.TABLE_DATE in entry.source for entry in TABLE.values())
    for model, listed in TABLE.items():
        packaged = prices._packaged(model)
        for name in ("text_in", "text_out", "audio_in", "per_minute"):
            assert getattr(packaged, name) == pytest.approx(getattr(listed, name)), (model, name)


def test_windows_of_context_come_from_the_table_where_the_package_has_none(source):
    assert (context_window(FULL), context_window(MINI), context_window(OLD)) == (128_000, 128_000, 32_000)
    assert context_window("gpt-live-transcribe") is None and context_window(None) is None


def test_a_package_without_the_model_leaves_it_to_the_application(source):
    prices.set_prices({"gpt-realtime-9": Prices(text_in=1.0)})
    assert context_window("gpt-realtime-9") is None and prices_of("gpt-realtime-9").text_in == 1.0


def test_the_total_of_a_client_names_what_it_lacks():
    recorded = RECORDED[0][1]
    total = total_cost(
        [(FULL, "response", recorded), ("gpt-live-transcribe", "transcription", {"seconds": 60})]
    )
    assert total.responses == cost_of(FULL, recorded) and total.transcriptions == 0.017
    assert total == pytest.approx(total.responses + 0.017) and total.unpriced == ()
    total = total_cost([(FULL, "response", recorded), ("mine", "response", recorded), (None, "response", {})])
    assert total == cost_of(FULL, recorded) and total.unpriced == ("mine", "unknown")
    assert total_cost([("mine", "response", recorded)]) is None and total_cost([]) == 0.0


@pytest.mark.parametrize("cost", [Cost(1.0, 2.0, 3.0, "x"), TotalCost(1.0, 2.0, ("x",))])
def test_costs_can_be_copied_and_stored(cost):
    for again in (copy.deepcopy(cost), pickle.loads(pickle.dumps(cost))):
        assert again == cost and vars(again) == vars(cost)


@given(JSON)
def test_no_usage_that_a_server_sends_raises(anything):
    for model in (FULL, "gpt-live-transcribe"):
        cost = cost_of(
            model, {"input_token_details": anything, "output_token_details": anything, "seconds": anything}
        )
        assert cost is None or cost >= 0
    assert cost_of(FULL, anything) is None or cost_of(FULL, anything) >= 0
