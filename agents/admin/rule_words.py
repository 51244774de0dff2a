"""Rules in words: what one says, what it was asked and found, and what its judgement means."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from agents import catalogue, conditions
from agents.conditions import FREE, WORDS
from agents.models import Agent, Customer, Evaluation, Lead, Segment, TriggerRule, WordList
from chatzuri.models import Team

Outcome = Evaluation.Outcome

STATE_TONES = {"live": "good", "watching": "wait", "off": ""}
STATE_WORDS = {"live": "live", "watching": "watching", "off": "off"}
OUTCOME_TONES = {
    Outcome.FIRED: "good",
    Outcome.WATCHED: "wait",
    Outcome.NO_MATCH: "",
    Outcome.STILL_TRUE: "",
    Outcome.NOT_FIRST: "",
    Outcome.COOLING: "warn",
    Outcome.CAPPED: "warn",
    Outcome.LOOP: "warn",
    Outcome.FAULTY: "bad",
}
OUTCOME_SENTENCES = {
    Outcome.FIRED: "Everything held, and the delivery was made.",
    Outcome.WATCHED: "Everything held. The rule was only watching, so nothing was sent.",
    Outcome.NO_MATCH: "Not everything held, so nothing was sent.",
    Outcome.STILL_TRUE: "Everything held, as it did before. The rule fires only when that becomes true.",
    Outcome.NOT_FIRST: "Everything held, and the rule had fired before. It fires only the first time.",
    Outcome.COOLING: "Everything held, within the pause after the last time. Nothing was sent.",
    Outcome.CAPPED: "Everything held, and the daily limit was reached. Nothing was sent.",
    Outcome.LOOP: "Rules caused this event, this one itself or three in a row. A chain ends here.",
    Outcome.FAULTY: "The rule could not judge or could not send. What is wrong stands below.",
}
# Events that say how somebody is now, and not that something was done: these are true for a while.
STATES = ("customer.updated", "customer.matched")
# What stays as it is from one message to the next.
STANDING = ("lead.score", "lead.qualified")
PER = {"conversation": "per conversation", "customer": "per customer", "agent": "for the agent as a whole"}
# Events under the heading that people look for them under; the rest stands under the last one.
HEADINGS = (
    ("Messages", ("message", "contact", "keyword", "feedback", "reply")),
    ("Conversations", ("conversation",)),
    ("Leads and customers", ("lead", "customer")),
    ("A person is needed", ("escalation",)),
    ("Tools", ()),
)
FIELD_HEADINGS = (("customer.", "Customer"), ("lead.", "Lead"), ("", "This event"))
SUGGESTED = 50
LOOKED_AT = 300


@dataclass(frozen=True)
class Reason:
    """One row of a judgement. `is_inner`: it stands in a group of its own, which `lead` opens with a word."""

    held: bool
    text: str
    is_inner: bool = False
    lead: str = ""


# --- events and fields -----------------------------------------------------------------------------------------------


def event_title(type: str) -> str:
    kind = catalogue.EVENTS.get(type)
    return kind.title if kind else type


def first_fires(type: str) -> str:
    """How often a new rule about this event fires until somebody chooses: every time, unless the event is a state.

    A message or an escalation is a moment, and whoever asks to be told of it means each of them. The model's default,
    and so the API's and that of rules which exist, stays *when it becomes true*. So does the choice for what
    `standing` names: a lead that is good enough is so for every message that follows.
    """
    return TriggerRule.Fires.BECOMES_TRUE if type in STATES else TriggerRule.Fires.EVERY


def standing(type: str) -> tuple[str, ...]:
    """Fields that make a new rule about this event fire when it becomes true. A lead's own events are moments still."""
    return () if type.startswith("lead.") else STANDING


@cache
def events() -> list[tuple[str, list[catalogue.EventType]]]:
    """Every event under its heading."""
    found: dict[str, list[catalogue.EventType]] = {heading: [] for heading, _ in HEADINGS}
    for kind in catalogue.EVENTS.values():
        prefix = kind.type.split(".")[0]
        heading = next((name for name, prefixes in HEADINGS if prefix in prefixes), HEADINGS[-1][0])
        found[heading].append(kind)
    return [(heading, kinds) for heading, kinds in found.items() if kinds]


def fields_of(type: str) -> Sequence[catalogue.Field]:
    kind = catalogue.EVENTS.get(type)
    return kind.fields if kind else ()


def grouped(fields: Iterable[catalogue.Field]) -> list[tuple[str, list[catalogue.Field]]]:
    """Fields under Customer, Lead and This event; the event's own first."""
    found: dict[str, list[catalogue.Field]] = {"This event": [], "Customer": [], "Lead": []}
    for each in fields:
        found[next(heading for start, heading in FIELD_HEADINGS if each.path.startswith(start))].append(each)
    return [(heading, members) for heading, members in found.items() if members]


@cache
def operator_choices() -> list[tuple[str, str]]:
    """Every operator and its opposite, as a select offers them."""
    return [
        (f"not {operator}" if negated else operator, WORDS[operator][negated])
        for operator in WORDS
        for negated in (False, True)
    ]


@cache
def builder_data() -> dict[str, Any]:
    """What the builder's script knows: for each event its fields with their operators, and the words of operators."""
    shapes = [catalogue.SEGMENT_FIELDS, *(kind.fields for kind in catalogue.EVENTS.values())]
    return {
        "words": dict(operator_choices()),
        "segment": [each.path for each in catalogue.SEGMENT_FIELDS],
        "fields": {each.path: _shape(each) for fields in shapes for each in fields if each.path.count(".")},
        "events": {
            kind.type: {
                "description": kind.description,
                "fires": first_fires(kind.type),
                "standing": standing(kind.type),
                "fields": [
                    each.path if each.path.count(".") else {**_shape(each), "path": each.path} for each in kind.fields
                ],
            }
            for kind in catalogue.EVENTS.values()
        },
    }


def _shape(each: catalogue.Field) -> dict[str, Any]:
    heading = next(heading for start, heading in FIELD_HEADINGS if each.path.startswith(start))
    kind = "any" if each.path.endswith(FREE) else each.type
    return {
        "label": each.label,
        "type": kind,
        "heading": heading,
        "operators": conditions.operators(each.path, each.type),
        "choices": each.suggestions if each.type == "choice" else (),
    }


# --- suggestions -----------------------------------------------------------------------------------------------------


def suggestions(team: Team, agent: Agent | None = None) -> dict[str, list[str]]:
    """What the value of a field might be, by its path: the catalogue's words, and what the team's own rows say."""
    shapes = [catalogue.SEGMENT_FIELDS, *(kind.fields for kind in catalogue.EVENTS.values())]
    found = {each.path: list(each.suggestions) for fields in shapes for each in fields if each.suggestions}
    customers = Customer.objects.filter(team=team).order_by("-pk").values("country", "plan", "attributes")[:LOOKED_AT]
    leads = Lead.objects.filter(agent__team=team).order_by("-pk").values_list("answers", flat=True)[:LOOKED_AT]
    people = list(customers)
    segments = list(Segment.objects.filter(team=team).order_by("name").values_list("name", flat=True)[:SUGGESTED])
    found |= {
        "customer.country": _first([*(one["country"] for one in people), *found.get("customer.country", [])]),
        "customer.plan": _first(one["plan"] for one in people),
        "customer.segments": segments,
        "segment": segments,
        "list": _first(WordList.objects.filter(team=team).order_by("name").values_list("name", flat=True)),
        "keys:customer.attributes.*": _first(key for one in people for key in one["attributes"]),
        "keys:lead.answers.*": _first(key for answers in leads for key in answers),
    }
    if agent is not None:
        found["tool"] = _first(agent.tools.order_by("name").values_list("name", flat=True))
    return {path: words for path, words in found.items() if words}


def _first(words: Iterable[str]) -> list[str]:
    return [word for word in dict.fromkeys(words) if word][:SUGGESTED]


# --- a rule in a sentence --------------------------------------------------------------------------------------------


def sentence(rule: TriggerRule) -> str:
    """*When a lead is complete and lead’s score is more than 70, then send to CRM, each time.*

    Load the endpoint with the rule.
    """
    asked = _condition_in_words(rule.condition, labels(fields_of(rule.event_type)))
    script = "the JavaScript says so" if rule.predicate.strip() else ""
    when = " and ".join(part for part in (_begin_small(event_title(rule.event_type)), asked, script) if part)
    where = f"then send to {rule.endpoint}" if rule.endpoint else "then send to an endpoint that is still to be chosen"
    return f"When {when}, {where}, {how_often(rule)}."


def how_often(rule: TriggerRule) -> str:
    """*each time*, or *when it becomes true, once per conversation until it no longer holds*; with its pause."""
    per = PER.get(rule.scope, rule.scope)
    if rule.fires == TriggerRule.Fires.EVERY:
        often = "each time"
    elif rule.fires == TriggerRule.Fires.FIRST:
        often = f"only the first time {per}"
    elif rule.condition or rule.predicate.strip():
        often = f"when it becomes true, once {per} until it no longer holds"
    else:
        # Nothing is asked, so it never stops to hold.
        often = f"when it becomes true, once {per}"
    return often + (f", not again within {rule.cooldown_minutes} min" if rule.cooldown_minutes else "")


def condition_in_words(condition: Mapping[str, Any], fields: Iterable[catalogue.Field]) -> str:
    """*Customer’s country is 'KE' and lead’s score is more than 70*; a word for a condition without rows."""
    return _condition_in_words(condition, labels(fields)) or "everybody"


def _condition_in_words(condition: Mapping[str, Any], names: Mapping[str, str]) -> str:
    if not condition:
        return ""
    [(mode, entries)] = condition.items()
    parts = [_entry_in_words(entry, names) for entry in entries]
    return f" {'and' if mode == 'all' else 'or'} ".join(parts)


def _entry_in_words(entry: Mapping[str, Any], names: Mapping[str, str]) -> str:
    if "field" not in entry:
        return f"({_condition_in_words(entry, names)})"
    # A line about something that was never asked says what the row says, and then what was found.
    line = {**entry, "field": _begin_small(label_of(entry["field"], names)), "missing": True}
    return conditions.sentence(line).removesuffix(" (was missing)")


def labels(fields: Iterable[catalogue.Field]) -> dict[str, str]:
    return {each.path: each.label for each in fields}


def label_of(path: str, names: Mapping[str, str]) -> str:
    """What people read for a field: below a free one, the name that the customer's own system gave."""
    if path in names:
        return names[path]
    below = next((each for each in names if each.endswith(FREE) and path.startswith(each.removesuffix("*"))), "")
    return f"{names[below]} “{path.removeprefix(below.removesuffix('*'))}”" if below else path


def _begin_small(text: str) -> str:
    return text[:1].lower() + text[1:]


# --- a judgement, row by row -----------------------------------------------------------------------------------------


def reasons(lines: Iterable[Mapping[str, Any]], type: str) -> list[Reason]:
    """The lines that a judgement keeps, in their order. They speak for themselves, whatever became of the rule."""
    names = labels(fields_of(type))
    found: list[Reason] = []
    before: list[Any] = []
    for line in lines:
        place = line.get("group") or []
        is_inner = len(place) > 2
        opens = is_inner and place != before
        before = place
        found.append(_reason(line, names, is_inner=is_inner, lead=_opening(place) if opens else ""))
    return found


def _opening(place: list[Any]) -> str:
    return "Any of these:" if place[-1] == "any" else "All of these:"


def _reason(line: Mapping[str, Any], names: Mapping[str, str], *, is_inner: bool, lead: str) -> Reason:
    if "field" in line:
        text = conditions.sentence({**line, "field": label_of(line["field"], names)})
        return Reason(bool(line["held"]), text, is_inner, lead)
    if line.get("predicate"):
        said = "The JavaScript returned true" if line.get("held") else "The JavaScript returned false"
        return Reason(bool(line.get("held")), f"The JavaScript: {line['trouble']}" if line.get("trouble") else said)
    return Reason(False, str(line.get("trouble", "")))
