"""Budget: what a client may cost, and how it stops asking for answers when that is spent.

Thread: the event loop's only.
"""

from __future__ import annotations

from typing import Any

from .. import prices
from ..errors import BudgetError
from ..events import BudgetEvent, ErrorEvent
from ..protocol.numbers import not_negative
from .session import Session

__all__ = ["Budget"]


class Budget:
    """The limit of one client's cost. `RealtimeClient` makes one only if a budget is set.

    Attributes
    ----------
    limit : float or None
        US dollars; None sets no limit.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self.limit: float | None = None
        self._reached = False
        # The turn detection before the server was told not to answer by itself.
        self._detection: Any = None
        # Models without a price that were reported.
        self._reported: set[str] = set()
        session.turns.refusal = self.error
        session.reports.after_usage = self.review

    def set_limit(self, limit: float | None) -> None:
        """Set another limit; one above the cost lets the client ask again. Raises ValueError below 0."""
        self.limit = None if limit is None else not_negative(limit, "budget")
        if self._reached and not self._spent():
            self._reached = False
            detection, self._detection = self._detection, None
            if detection is not None:
                self._detect(detection)
        # Loads the prices now, and not in the middle of an answer.
        prices.prices_of(self._session.settings.model)

    def _cost(self) -> float:
        usages = [(model, source, usage) for (model, source), usage in self._session.meter.by_model.items()]
        cost = prices.total_cost(usages)
        unpriced = cost.unpriced if cost is not None else tuple(str(model) for model, _, _ in usages)
        for model in unpriced:
            if model not in self._reported:
                self._reported.add(model)
                message = (
                    f"the budget does not count the model {model}, whose prices are unknown: "
                    "give them to realtime.prices.set_prices()"
                )
                self._session.reports.error(ErrorEvent(message, "client", code="price_unknown"))
        return cost or 0.0

    def _spent(self) -> bool:
        return self.limit is not None and self._cost() >= self.limit

    def error(self) -> BudgetError | None:
        """Why no answer may be asked for now; None while the budget lasts."""
        self.review()
        return BudgetError(self._cost(), self.limit or 0.0) if self._reached else None

    def review(self) -> None:
        """Stop asking if the budget is spent, and emit ``budget.reached`` once."""
        newly = not self._reached
        if newly and not self._spent():
            return
        self._reached = True
        settings = self._session.settings
        if settings.server_answers():
            self._detection = settings.turn_detection()
            self._detect({**self._detection, "create_response": False})
        if not newly:
            return
        event = BudgetEvent(self._cost(), self.limit or 0.0)
        self._session.emitter.emit("budget.reached", event)

    def _detect(self, detection: dict[str, Any]) -> None:
        self._session.configuration.update({"audio": {"input": {"turn_detection": detection}}})
