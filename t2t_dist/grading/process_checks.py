"""Process checks: how the agent proceeded, whatever the result. Always reported; in the basis only on request."""

from __future__ import annotations

from functools import partial

from t2t_dist.core.schema import Task, Turn
from t2t_dist.core.speech_acts import asks_to_confirm, mentions, normalised
from t2t_dist.environments.base import Domain
from t2t_dist.environments.rules import Made
from t2t_dist.environments.state import World
from t2t_dist.environments.tools import AGENT, Call, Kind, Tool, ToolResult
from t2t_dist.synthesis.intents import REGISTRY
from t2t_dist.synthesis.intents.changing import ASKED_TO_CONFIRM
from t2t_dist.tau2.initial_world import world_of

from .confirmation import Confirmations


class ProcessChecks:
    """The process checks of one episode, fed turn by turn and call by call, in order.

    ``authenticated_first``: nobody's data was read, and nothing written, before an entry tool named the customer.
    ``confirmed_before_write``: each write that was accepted follows a yes to a plan that names it (``confirmation``).
    ``one_call_at_a_time``: no turn makes two calls.
    ``own_data_only``: no call was about anybody but the customer, and no result showed anybody else's data.
    ``policy_order``: the calls of both sides kept the order that the domain declares (``order_list``), if it does.

    Each intent of the task may add a check of its own: ``process_check`` of its ``IntentSpec``.
    """

    def __init__(self, domain: Domain, task: Task) -> None:
        self.domain, self.task = domain, task
        self._identified = self._asked = False
        self._changes = task.user.changes
        self._changes_said = 0
        self._replies = 0
        self._confirmations = Confirmations(domain, task.customer)
        self._messages = 0
        self._made: list[Made] = []
        self._result = {
            "authenticated_first": True,
            "confirmed_before_write": True,
            "one_call_at_a_time": True,
            "own_data_only": True,
        }
        own = [check for name in task.intents if (check := REGISTRY[name].process_check) is not None]
        self._own = [check(domain, task, partial(world_of, domain, task)) for check in own]
        self._result |= {check.name: True for check in self._own}

    def turn(self, turn: Turn) -> None:
        """Look at a message before its calls are made."""
        if len(turn.tool_calls) > 1:
            self._result["one_call_at_a_time"] = False
        text = turn.content or ""
        if turn.role == "assistant" and turn.seat == "agent" and text and not turn.tool_calls:
            # What stands beside a call is not answered.
            self._asked = bool(asks_to_confirm(text))
            self._confirmations.agent(text)
            self._messages += 1
        elif turn.role == "user" and text:
            self._replies += 1
            self._confirmations.user(text)
            if self._changes_said < len(self._changes) and self._says_change(text):
                self._changes_said += 1

    @property
    def changes_said(self) -> int:
        """How often the customer has changed their mind by now."""
        return self._changes_said

    def _says_change(self, text: str) -> bool:
        """Whether the customer says what they change to next."""
        change = self._changes[self._changes_said]
        before = [self.task.user.goals[change.goal].facts, *(one.facts for one in self._changes[: self._changes_said])]
        first = {said for fact in before[-1] for said in fact.says}
        news = [said for fact in change.facts for said in fact.says if said not in first]
        # Who says their name when asked for it does not add themselves to a booking.
        who = [self.task.user.name, *(fact.text for fact in self.task.user.identity)]
        told = normalised(change.request) in normalised(text)
        if news and not mentions("\n".join(who), news):
            # What another request says, too, is no change of mind before its time.
            others = [goal for number, goal in enumerate(self.task.user.goals) if number != change.goal]
            beside = [one for goal in others for one in (goal.request, *(fact.text for fact in goal.facts))]
            if told or not mentions(text, news) or not mentions("\n".join(beside), news):
                return told or mentions(text, news)
        # Something else about the same things: it is said in the task's words, or when its time has come.
        return told or (self._asked if change.trigger == ASKED_TO_CONFIRM else self._replies > 1)

    def call(self, name: str, result: ToolResult, before: World) -> None:
        """Look at a call and what it gave. ``before``: the world as it was then."""
        tool = self.domain.tools.get(name)
        if tool is None or result.error:
            return
        arguments = result.arguments or {}
        self._made.append(Made(Call(name, arguments), result.changed, self._messages))
        if tool.side != AGENT:
            return
        self._confirmations.saw(tool, result.value, arguments)
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
            if not self._confirmations.covers(before, tool, arguments):
                self._result["confirmed_before_write"] = False
            for check in self._own:
                if check.broken_by(Call(name, arguments), self._changes_said):
                    self._result[check.name] = False

    def _named(self, tool: Tool, result: ToolResult) -> set[str]:
        """Customers whom the call names: a list of somebody's orders need not say whose they are."""
        arguments, kind = result.arguments or {}, self.domain.customer_type
        return {str(arguments[slot]) for slot, spec in tool.parameters.items() if spec.name == kind}

    def out_of_order(self) -> list[tuple[int, Call]]:
        """The rules about the order of calls that were broken, each with the call that broke it."""
        found = [(order.rule, order.broken_by(self._made)) for order in self.domain.order_list]
        return [(rule, call) for rule, call in found if call is not None]

    def result(self) -> dict[str, bool]:
        result = dict(self._result)
        if self.domain.order_list:
            result["policy_order"] = not self.out_of_order()
        return result
