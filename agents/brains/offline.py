"""The brain that needs no key and no network: a menu of the agent's tools, and a matcher that asks before it acts.

It writes no prose of its own: every line is a fixed sentence, a tool's title or a stored outcome. Where it stands in
a conversation (menu, yes-or-no, contact details) is the `state` of its last reply.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from agents.brains import fields, matcher, slots
from agents.brains.base import Answer, Ask, Entry, OnText, ToolSpec
from agents.models import Agent, Tool
from agents.phrases import person_wanted

YES = set("yes y yep yeah yup sure ok okay please correct right do ndiyo ndio sawa ya oui si sí ja 是 好 好的".split())
NO = set("no n nope nah don't dont not hapana tidak non nein 不 不是 没有".split())
CANCEL = {"cancel", "stop", "never mind", "nevermind", "forget it", "quit", "abort"}
WITHOUT = {"none", "no", "nope", "skip", "no thanks", "no thank you", "neither", "hapana", "tidak", "non", "nein"}

CONTACT = "What e-mail address or phone number can the team reach you at?"
CONTACT_AGAIN = 'I found no e-mail address or phone number in that. Please write one, or "none" to go on without.'
STOPPED = "Alright, nothing was sent."
NOTHING_TO_DO = "There is nothing I can do for you here yet."
GONE = "This is no longer available, so nothing was sent."
PASSED_ON = "I have noted that you would like to talk to a person. The team sees it with this conversation."


@dataclass(frozen=True)
class Moment:
    """What the customer just said, and where the conversation stood."""

    agent: Agent
    tools: dict[str, ToolSpec]
    text: str
    stage: str
    tool: ToolSpec | None
    about: str
    misses: int
    given: dict[str, Any]
    is_first: bool
    facts: dict[str, Any]
    known: dict[str, str]
    evidence: dict[str, Any]

    @property
    def plain(self) -> str:
        return self.text.strip().strip(".!?,").casefold()

    @property
    def has_contact(self) -> bool:
        return bool(self.known.keys() & {"email", "phone"})


class OfflineBrain:
    @staticmethod
    def describe() -> str:
        if matcher.engine() is None:
            return "Menu: offers the agent's tools by name. No language model, nothing leaves this server."
        return (
            "Offline matcher: compares messages with your example phrases. No language model, nothing leaves this "
            "server. It asks before it acts."
        )

    def answer(
        self, *, agent: Agent, tools: Sequence[ToolSpec], history: Sequence[Entry], on_text: OnText | None
    ) -> Answer:
        if history and history[-1]["kind"] == "results":
            return _report(tools, history)
        return _respond(_moment(agent, tools, history))


def _moment(agent: Agent, tools: Sequence[ToolSpec], history: Sequence[Entry]) -> Moment:
    lines = [entry for entry in history if entry["kind"] == "said"]
    mine = [entry for entry in lines if entry["role"] == "agent"]
    theirs = [entry["text"] for entry in lines if entry["role"] == "customer"]
    facts: dict[str, Any] = next((entry for entry in history if entry["kind"] == "facts"), {})
    state = mine[-1].get("state") or {} if mine else {}
    known: dict[str, str] = dict(facts.get("customer", {}))
    for text in theirs:
        known |= slots.find(text)
    by_name = {tool.name: tool for tool in tools if tool.is_free_form or fields.can_ask(tool.schema)}
    return Moment(
        agent=agent,
        tools=by_name,
        text=theirs[-1] if theirs else "",
        stage=state.get("stage", ""),
        tool=by_name.get(state.get("tool", "")),
        about=state.get("about", ""),
        misses=state.get("misses", 0),
        given=state.get("given", {}),
        is_first=not mine,
        facts=facts,
        known=known,
        evidence=_kind(),
    )


def _kind() -> dict[str, Any]:
    if matcher.engine() is None:
        return {"kind": "offline-menu"}
    return {"kind": "offline-matcher", "version": matcher.version()}


# --- responding ------------------------------------------------------------------------------------------------------


def _respond(now: Moment) -> Answer:
    if person_wanted(now.text, now.agent.escalation_phrases.splitlines()):
        return _hand_over(now)
    if answers := ANSWERS.get(now.stage):
        if now.tool is None:
            return _say(now, GONE)
        if now.plain in CANCEL:
            return _say(now, STOPPED)
        going_on = answers(now, now.tool)
        if going_on is not None:
            return going_on
    if picked := _picked(now):
        # Always the same words for the same pick, so that the ledger recognises a second click.
        return _collect(replace(now, about=now.text if now.plain in _words(picked.phrases) else picked.title), picked)
    return _match(now)


def _hand_over(now: Moment) -> Answer:
    """By the agent's tool, if it has it. Without one the message alone has asked for a person."""
    tool = now.tools.get(Tool.Kind.ESCALATE)
    return _collect(replace(now, about=now.text), tool) if tool else _say(now, PASSED_ON)


def _confirmed(now: Moment, tool: ToolSpec) -> Answer | None:
    """Yes, no, or None: then it is a new message and not an answer to our question."""
    words = now.plain.replace(",", " ").split()
    first = words[0] if words else ""
    if now.plain in NO or (first in NO and len(words) <= 4):
        return _say(now, STOPPED)
    if first in YES or now.plain in YES:
        return _collect(now, tool)
    return None


def _contacted(now: Moment, tool: ToolSpec) -> Answer | None:
    if slots.find(now.text).keys() & {"email", "phone"} or now.plain in WITHOUT:
        return _fire(now, tool)
    if now.misses:
        return _say(now, STOPPED)
    return _say(now, CONTACT_AGAIN, _state(now, "contact", tool, misses=1), ["none"])


def _picked(now: Moment) -> ToolSpec | None:
    """A number of the menu, an exact title, or word for word an example."""
    offered = list(now.tools.values())
    if now.stage == "menu" and now.plain.isdecimal() and 1 <= int(now.plain[:4]) <= len(offered):
        return offered[int(now.plain[:4]) - 1]
    for tool in offered:
        if now.plain in _words([tool.title, *tool.phrases]):
            return tool
    return None


def _words(lines: Sequence[str]) -> set[str]:
    return {line.strip().strip(".!?,").casefold() for line in lines}


def _match(now: Moment) -> Answer:
    found = matcher.match(
        now.text,
        {tool.name: tool.phrases for tool in now.tools.values()},
        has_contact=bool(slots.find(now.text).keys() & {"email", "phone"}),
    )
    if found is None:
        return _menu(now)
    now = replace(now, evidence=now.evidence | found.evidence(), about=now.text)
    tool = now.tools[found.tool]
    if found.verdict == "fire":
        return _collect(now, tool)
    if found.verdict == "ask":
        question = f"Shall I do this for you: {tool.title}? (yes/no)"
        return _say(now, question, _state(now, "confirm", tool), ["Yes", "No"])
    return _menu(now)


def _menu(now: Moment) -> Answer:
    titles = [tool.title for tool in now.tools.values()]
    greeting = [now.agent.greeting] if now.is_first and now.agent.greeting else []
    if not titles:
        return _say(now, "\n".join([*greeting, NOTHING_TO_DO]))
    lines = [f"{number}. {title}" for number, title in enumerate(titles, 1)]
    text = "\n".join([*greeting, "This is what I can do for you:", *lines, "Answer with a number."])
    return _say(now, text, {"stage": "menu"}, titles)


def _collect(now: Moment, tool: ToolSpec) -> Answer:
    """What the team needs and the conversation does not hold yet is asked for, once."""
    if not tool.is_free_form:
        return _fill_in(replace(now, given=fields.known(tool.schema, now.known, now.about or now.text)), tool)
    if now.has_contact:
        return _fire(now, tool)
    return _say(now, CONTACT, _state(now, "contact", tool), ["none"])


def _fill_in(now: Moment, tool: ToolSpec) -> Answer:
    """The next field that is required and not known is asked for; with all of them the action is called."""
    name = fields.missing(tool.schema, now.given)
    if name is None:
        return _call(now, tool, now.given)
    field = tool.schema["properties"][name]
    replies = [str(value) for value in field.get("enum", [])[:8]]
    return _say(now, fields.question(name, field), _state(now, "field", tool), replies)


def _filled_in(now: Moment, tool: ToolSpec) -> Answer | None:
    """The customer's answer to the question about one field."""
    name = fields.missing(tool.schema, now.given)
    if name is None:
        return _call(now, tool, now.given)
    field = tool.schema["properties"][name]
    value = fields.read(name, field, now.text)
    if value is not fields.NOTHING:
        return _fill_in(replace(now, given=now.given | {name: value}), tool)
    if now.misses:
        return _say(now, STOPPED)
    again = f"I could not find that in your answer. {fields.question(name, field)}"
    return _say(now, again, _state(now, "field", tool, misses=1), [str(value) for value in field.get("enum", [])[:8]])


ANSWERS = {"confirm": _confirmed, "contact": _contacted, "field": _filled_in}


def _fire(now: Moment, tool: ToolSpec) -> Answer:
    payload = {
        "source": "chat",
        "request": tool.title,
        "message": now.about or now.text,
        **{slot: now.known[slot] for slot in ("name", "email", "phone", "order_number") if now.known.get(slot)},
        **{fact: now.facts[fact] for fact in ("conversation_id", "channel") if now.facts.get(fact)},
    }
    return _call(now, tool, {"payload": payload})


def _call(now: Moment, tool: ToolSpec, given: dict[str, Any]) -> Answer:
    arguments = json.dumps(given, ensure_ascii=False)
    return Answer(asks=(Ask("offline-1", tool.name, arguments),), finish="tool_call", brain=now.evidence)


def _say(now: Moment, text: str, state: dict[str, Any] | None = None, replies: Sequence[str] = ()) -> Answer:
    brain = now.evidence | ({"quick_replies": list(replies)} if replies else {})
    return Answer(text=text, brain=brain, state=state or {})


def _state(now: Moment, stage: str, tool: ToolSpec, misses: int = 0) -> dict[str, Any]:
    return {"stage": stage, "tool": tool.name, "about": now.about, "misses": misses, "given": now.given}


# --- reporting -------------------------------------------------------------------------------------------------------

OPENINGS = {
    "fired": "Done.",
    "held": "",
    "repeated": "",
    "failed": "This did not work.",
    "refused": "This was not done.",
}


def _report(tools: Sequence[ToolSpec], history: Sequence[Entry]) -> Answer:
    """The outcome as the ledger has it, with the number under which the team finds it."""
    titles = {tool.name: tool.title for tool in tools}
    lines = []
    for result in history[-1]["results"]:
        reference = f"Reference: {result['delivery']}." if result.get("delivery") else ""
        opening, said = OPENINGS.get(result["status"], ""), result.get("summary") or result["text"]
        words = ["" if said.startswith(opening) else opening, said, reference]
        lines.append(f"{titles.get(result['name'], result['name'])}: {' '.join(word for word in words if word)}")
    asked = next((entry for entry in reversed(history) if entry["kind"] == "answer"), {})
    return Answer(text="\n".join(lines), brain=asked.get("brain") or _kind())
