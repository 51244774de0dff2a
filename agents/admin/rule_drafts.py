"""A trigger rule as it was typed: kept word for word until it can be saved, with what is wrong beside each field."""

import json
from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.http import QueryDict

from agents import catalogue, payloads, rules
from agents.admin.forms import free_name
from agents.admin.rule_rows import Row, Typed
from agents.admin.rule_words import fields_of, first_fires
from agents.arguments import Fault
from agents.models import Agent, TriggerRule
from webhooks.models import Endpoint

WORDS = ("name", "event_type", "fires", "scope", "cooldown_minutes", "most_a_day", "endpoint", "new_url", "payload")
KNOWN = (*WORDS, "condition", "predicate")
NUMBERS = ("cooldown_minutes", "most_a_day")
OWN = "own"
FIRST_EVENT = "message.received"


@dataclass
class Draft:
    """Everything on the builder's page. `endpoint` is a key as text; `sends` is event or own; `payload` is JSON."""

    name: str = ""
    event_type: str = FIRST_EVENT
    condition: Typed = field(default_factory=Typed)
    predicate: str = ""
    fires: str = TriggerRule.Fires.BECOMES_TRUE
    scope: str = TriggerRule.Scope.CONVERSATION
    cooldown_minutes: str = ""
    most_a_day: str = ""
    endpoint: str = ""
    new_url: str = ""
    sends: str = "event"
    payload: str = ""
    leaves_out_missing: bool = False
    starts_anew: bool = False
    errors: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def posted(cls, data: QueryDict) -> "Draft":
        words: dict[str, Any] = {key: data.get(key, "").strip() for key in WORDS}
        return cls(
            **words,
            condition=Typed.posted(data),
            predicate=data.get("predicate", "").replace("\r\n", "\n"),
            sends=OWN if data.get("sends") == OWN else "event",
            leaves_out_missing=bool(data.get("leaves_out_missing")),
            starts_anew=bool(data.get("starts_anew")),
        )

    @classmethod
    def new(cls, event_type: str = "", word_list: str = "") -> "Draft":
        """What the page of a new rule begins with; `word_list` is the name of a list to listen for."""
        type = event_type if event_type in catalogue.EVENTS else FIRST_EVENT
        rows = [Row(field="list", value=word_list)] if word_list else []
        return cls(event_type=type, condition=Typed(rows=rows), fires=first_fires(type))

    @classmethod
    def of(cls, rule: TriggerRule) -> "Draft":
        return cls(
            name=rule.name,
            event_type=rule.event_type,
            condition=Typed.of(rule.condition, fields_of(rule.event_type)),
            predicate=rule.predicate,
            fires=rule.fires,
            scope=rule.scope,
            cooldown_minutes=str(rule.cooldown_minutes or ""),
            most_a_day=str(rule.most_a_day or ""),
            endpoint=str(rule.endpoint_id or ""),
            sends="event" if rule.payload is None else OWN,
            payload="" if rule.payload is None else json.dumps(rule.payload, indent=2, ensure_ascii=False),
            leaves_out_missing=rule.leaves_out_missing,
        )

    @property
    def has_errors(self) -> bool:
        return bool(self.errors) or self.condition.has_errors

    @property
    def general_errors(self) -> list[str]:
        """What is about no field of the page."""
        return [sentence for key, said in self.errors.items() if key not in KNOWN for sentence in said]

    @property
    def sends_own(self) -> bool:
        return self.sends == OWN

    # --- from what was typed to a rule ---

    def rule(self, agent: Agent, saved: TriggerRule | None, endpoints: Iterable[Endpoint]) -> TriggerRule:
        """The rule it would be, not saved. What cannot be read is named in `errors`, and left as it was."""
        rule = copy(saved) if saved else TriggerRule(agent=agent)
        rule.name, rule.event_type, rule.predicate = self.name, self.event_type, self.predicate
        if not self.predicate.strip():
            rule.predicate = ""
        rule.condition = self.condition.raw(fields_of(self.event_type))
        rule.fires, rule.scope = self.fires, self.scope
        rule.cooldown_minutes, rule.most_a_day = (self._number(name) for name in NUMBERS)
        rule.endpoint = next((each for each in endpoints if str(each.pk) == self.endpoint), None)
        rule.payload = self._payload()
        rule.leaves_out_missing = self.leaves_out_missing
        return rule

    def judge(self, rule: TriggerRule) -> None:
        """Everything that can be said without a worker is beside its field afterwards."""
        self.take(rules.check(rule))
        kind = catalogue.EVENTS.get(rule.event_type)
        if kind is not None and rule.payload is not None and "payload" not in self.errors:
            # Saving allows the names of every event; this one may not have what was typed.
            self.take(_under("/payload", payloads.read(rule.payload, kind.schema["properties"])[1]))

    def take(self, faults: Iterable[Fault]) -> None:
        """Put each fault beside the field it is about."""
        of_rows = []
        for fault in faults:
            head, _, rest = fault.pointer.strip("/").partition("/")
            if head == "condition":
                of_rows.append(Fault(f"/{rest}" if rest else "", fault.detail))
                continue
            where = f"At /{rest}: " if head == "payload" and rest else ""
            said = self.errors.setdefault(head, [])
            if where + fault.detail not in said:
                said.append(where + fault.detail)
        self.condition.take(of_rows)

    def _number(self, name: str) -> int | None:
        text = getattr(self, name)
        if not text:
            return None
        if not text.isdecimal() or len(text) > 9:
            self.take([Fault(f"/{name}", "Write a whole number, or leave it empty.")])
            return None
        return int(text)

    def _payload(self) -> Any:
        if not self.sends_own:
            return None
        try:
            value = json.loads(self.payload, parse_constant=_refuse)
        except json.JSONDecodeError as error:
            where = f"line {error.lineno}, column {error.colno}"
            self.take([Fault("/payload", f"This is not JSON yet ({where}): {error.msg}.")])
            return None
        except (ValueError, RecursionError):
            self.take([Fault("/payload", "This is not JSON that we can read.")])
            return None
        if value is None:
            self.take([Fault("/payload", "Write an object, for example {}; or choose to send the event itself.")])
        return value

    def make_endpoint(self, agent: Agent) -> tuple[Endpoint | None, bool]:
        """The team's endpoint with the address that was typed, or else a new one that is still to be saved."""
        endpoint = Endpoint(team=agent.team, name=free_name(agent), url=self.new_url)
        try:
            endpoint.full_clean()
        except ValidationError as refusal:
            self.take(Fault("/new_url", sentence) for sentence in refusal.messages)
            return None, False
        same = Endpoint.objects.of(agent.team).filter(url=endpoint.url, credential=None).order_by("pk").first()
        return (same, False) if same else (endpoint, True)


def _under(start: str, faults: Iterable[Fault]) -> list[Fault]:
    return [Fault(start + fault.pointer, fault.detail) for fault in faults]


def _refuse(constant: str) -> None:
    raise ValueError(constant)
