"""Process checks: how the agent proceeded, whatever the result. Always reported; in the basis only on request."""

from __future__ import annotations

from functools import partial

from t2t_dist.core.schema import Task, Turn
from t2t_dist.core.speech_acts import asks_to_confirm, mentions, normalised, says_yes
from t2t_dist.environments.base import Domain
from t2t_dist.environments.tools import Call, Kind, Tool, ToolResult
from t2t_dist.synthesis.intents import REGISTRY
from t2t_dist.synthesis.intents.changing import ASKED_TO_CONFIRM
from t2t_dist.tau2.initial_world import world_of


class ProcessChecks:
    """The process checks of one episode, fed turn by turn and call by call, in order.

    ``authenticated_first``: nobody's data was read, and nothing written, before an entry tool named the customer.
    ``confirmed_before_write``: each write that was accepted follows a question to confirm and a yes to it.
    ``one_call_at_a_time``: no turn makes two calls.
    ``own_data_only``: no call was about anybody but the customer, and no result showed anybody else's data.

    An intent may add a check of its own: ``process_check`` of its ``IntentSpec``.
    """

    def __init__(self, domain: Domain, task: Task) -> None:
        self.domain, self.task = domain, task
        self._identified = self._asked = self._confirmed = self._change_said = False
        self._replies = 0
        self._result = {
            "authenticated_first": True,
            "confirmed_before_write": True,
            "one_call_at_a_time": True,
            "own_data_only": True,
        }
        own = REGISTRY[task.intent].process_check
        self._own = None if own is None else own(domain, task, partial(world_of, domain, task))
        if self._own is not None:
            self._result[self._own.name] = True

    def turn(self, turn: Turn) -> None:
        """Look at a message before its calls are made."""
        if len(turn.tool_calls) > 1:
            self._result["one_call_at_a_time"] = False
        text = turn.content or ""
        if turn.role == "assistant" and turn.seat == "agent" and text and not turn.tool_calls:
            # What stands beside a call is not answered: the yes before it still holds.
            self._asked, self._confirmed = bool(asks_to_confirm(text)), False
        elif turn.role == "user" and text:
            self._replies += 1
            self._confirmed = self._asked and bool(says_yes(text))
            if self.task.user.change is not None and self._says_change(text):
                self._change_said = True

    @property
    def change_said(self) -> bool:
        """Whether the customer has changed their mind by now."""
        return self._change_said

    def _says_change(self, text: str) -> bool:
        change = self.task.user.change
        assert change is not None
        first = {said for fact in self.task.user.goals[change.goal].facts for said in fact.says}
        news = [said for fact in change.facts for said in fact.says if said not in first]
        if news:
            return mentions(text, news)
        # Something else about the same things: it is said in the task's words, or when its time has come.
        told = normalised(change.request) in normalised(text)
        return told or (self._asked if change.trigger == ASKED_TO_CONFIRM else self._replies > 1)

    def call(self, name: str, result: ToolResult) -> None:
        """Look at a call of the agent's and what it gave."""
        tool = self.domain.tools.get(name)
        if tool is None or result.error:
            return
        if (who := self.domain.identified(tool, result.value)) is not None:
            if who == self.task.customer:
                self._identified = True
            else:
                self._result["own_data_only"] = False
            return
        owners = self.domain.owners(tool, result.value) | self._named(tool, result)
        if (owners or tool.kind is Kind.WRITE) and not self._identified:
            self._result["authenticated_first"] = False
        if owners - {self.task.customer}:
            self._result["own_data_only"] = False
        if tool.kind is Kind.WRITE and result.changed:
            if not self._confirmed:
                self._result["confirmed_before_write"] = False
            if self._own is not None and self._own.broken_by(Call(name, result.arguments or {}), self._change_said):
                self._result[self._own.name] = False

    def _named(self, tool: Tool, result: ToolResult) -> set[str]:
        """Customers whom the call names: a list of somebody's orders need not say whose they are."""
        arguments, kind = result.arguments or {}, self.domain.customer_type
        return {str(arguments[slot]) for slot, spec in tool.parameters.items() if spec.name == kind}

    def result(self) -> dict[str, bool]:
        return dict(self._result)
