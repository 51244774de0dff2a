"""The first page after the login: what to do next, what left, what needs a look.

Every query is bounded by the newest rows of the team and runs along an index, so it costs the same with a million
deliveries as with a thousand.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from agents.models import ActionRun, Agent, CustomAction, Escalation, Tool, ToolCall
from chatzuri.models import Team
from webhooks.models import Delivery, Endpoint
from webhooks.outcomes import describe

State = Delivery.State
COUNTED = 10_000  # The newest rows that the numbers look at; the page says so when there are more.
JUDGED = 500  # The newest rows that say which endpoints fail.
TESTS = ("test", "signature test")  # What causes a delivery that a person sent to try an endpoint.
MOST_COUNTED = 100  # Calls and customers that wait for a person: beyond this the number does not matter.
ENDED = (ActionRun.State.SUCCEEDED, ActionRun.State.FAILED, ActionRun.State.INTERRUPTED)
TONES = {State.DELIVERED: "good", State.NO_ANSWER: "warn"} | dict.fromkeys(
    (State.HELD, State.QUEUED, State.SENDING), "wait"
)


@dataclass(frozen=True)
class Step:
    title: str
    text: str
    link: str
    done: bool


@dataclass(frozen=True)
class Share:
    """One outcome of the last day. `start` and `width` place it in a bar of 100."""

    state: str
    label: str
    tone: str
    count: int
    start: float
    width: float


@dataclass(frozen=True)
class Notice:
    text: str
    link: str


def callback(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Unfold's DASHBOARD_CALLBACK."""
    team = getattr(request, "team", None)
    if team is None:
        return context
    steps = get_started(team)
    counts = outcomes_of_a_day(team)
    return context | {
        "title": "Home",
        "steps": steps,
        "steps_done": sum(step.done for step in steps),
        "is_started": all(step.done for step in steps),
        "shares": shares(counts),
        "counted": sum(counts.values()),
        "is_capped": sum(counts.values()) >= COUNTED,
        "success_rate": success_rate(counts),
        "latest": latest(team),
        "notices": notices(team),
    }


def newest(team: Team, number: int) -> QuerySet[Delivery]:
    return Delivery.objects.of(team).order_by("-pk")[:number]


# --- get started -----------------------------------------------------------------------------------------------------


def get_started(team: Team) -> list[Step]:
    agent = Agent.objects.filter(team=team).order_by("pk").first()
    tool = Tool.objects.on().filter(agent__team=team).order_by("pk").first()
    real, test = arrived(team)
    add_agent = reverse("admin:agents_agent_add")
    about = (tool.agent if tool else agent) if agent else None
    tools = reverse("admin:agents_agent_tools", args=[about.pk]) if about else add_agent
    play = reverse("admin:agents_agent_playground", args=[about.pk]) if about else add_agent
    return [
        Step("Make an agent", "It talks to your customers.", add_agent, agent is not None),
        Step("Make an endpoint", "The address that shall receive.", *_endpoint_step(team)),
        Step(
            "See a test event arrive", "Send one to your endpoint, or to a bin of the inspector.", tools, test or real
        ),
        Step("Switch a tool on", "So that the agent may send.", tools, tool is not None),
        Step("First real delivery", "Chat in the playground until the agent sends.", play, real),
    ]


def _endpoint_step(team: Team) -> tuple[str, bool]:
    return reverse("admin:webhooks_endpoint_add"), Endpoint.objects.of(team).exists()


def arrived(team: Team) -> tuple[bool, bool]:
    """Whether a delivery that an agent caused, and one that a person sent as a test, ever arrived.

    Agents cause them by a tool's call, by a rule, and by the code of a custom action in a run for a call; a run that a
    person started in the editor is neither.

    The oldest and the newest rows tell: the first success lies at one end, and a team at work has one at the other.
    """
    rows = Delivery.objects.of(team).values("caused_by", "state")
    causes = {
        row["caused_by"]
        for end in (rows.order_by("pk")[:JUDGED], rows.order_by("-pk")[:JUDGED])
        for row in end
        if row["state"] == State.DELIVERED
    }
    real = any(cause.startswith(("call_", "rul_")) for cause in causes) or _ran_for_an_agent(team, causes)
    return real, not causes.isdisjoint(TESTS)


def _ran_for_an_agent(team: Team, causes: set[str]) -> bool:
    runs = [cause for cause in causes if cause.startswith("run_")]
    rows = ActionRun.objects.of(team).filter(public_id__in=runs, purpose=ActionRun.Purpose.CALL)
    return bool(runs) and rows.exists()


# --- numbers ---------------------------------------------------------------------------------------------------------


def outcomes_of_a_day(team: Team) -> Counter[str]:
    since = timezone.now() - timedelta(hours=24)
    # One walk along the index: an aggregate over a slice counts inside of the slice.
    counts = newest(team, COUNTED).aggregate(
        **{state.value: Count("pk", filter=Q(state=state, accepted_at__gte=since)) for state in State}
    )
    return Counter(counts)


def shares(counts: Counter[str]) -> list[Share]:
    total, start, found = sum(counts.values()) or 1, 0.0, []
    for state in State:
        if number := counts[state.value]:
            width = round(100 * number / total, 2)
            found.append(Share(state.value, state.label, TONES.get(state, "bad"), number, round(start, 2), width))
            start += width
    return found


def success_rate(counts: Counter[str]) -> str:
    """Delivered among those that were tried; empty where none was."""
    tried = sum(number for state, number in counts.items() if state not in (*Delivery.UNFINISHED, State.CANCELLED))
    if not tried:
        return ""
    rate = 100 * counts[State.DELIVERED.value] / tried
    # Never round a failure away.
    return "100 %" if rate == 100 else f"{min(rate, 99.9):.1f} %"


def latest(team: Team) -> list[dict[str, Any]]:
    rows = newest(team, 8).select_related("event", "endpoint", "attempt")
    heavy = ("body", "event__data", "attempt__response_body", "attempt__response_headers")
    return [{"delivery": row, "described": describe(row)} for row in rows.defer(*heavy)]


# --- needs attention -------------------------------------------------------------------------------------------------


def notices(team: Team) -> list[Notice]:
    found = (_asking(team), _waiting(team), _failing(team), _failing_actions(team), _paused(team), _forgotten(team))
    return [notice for some in found for notice in some]


def _asking(team: Team) -> list[Notice]:
    """Customers whom nobody has taken yet; one of them is a click away."""
    asking = Escalation.objects.filter(conversation__agent__team=team, state=Escalation.State.REQUESTED)
    found = list(asking.values_list("conversation", flat=True)[:MOST_COUNTED])
    if not found:
        return []
    if len(found) == 1:
        return [Notice("A customer asks for a person.", reverse("admin:agents_conversation_change", args=found))]
    many = str(len(found)) if len(found) < MOST_COUNTED else f"More than {MOST_COUNTED - 1}"
    return [Notice(f"{many} customers ask for a person.", _waiting_conversations())]


def _waiting_conversations() -> str:
    return reverse("admin:agents_conversation_changelist") + f"?person={Escalation.State.REQUESTED}"


def _waiting(team: Team) -> list[Notice]:
    """Calls that a person has to judge; counted as far as anybody would read."""
    held = ToolCall.objects.filter(agent__team=team, status=ToolCall.Status.HELD)
    number = held[:MOST_COUNTED].count()
    if not number:
        return []
    many = f"{number} calls wait" if number < MOST_COUNTED else f"More than {MOST_COUNTED - 1} calls wait"
    text = "A call waits for your approval." if number == 1 else f"{many} for your approval."
    return [Notice(text, reverse("admin:agents_toolcall_changelist") + "?status__exact=held")]


def _failing_actions(team: Team) -> list[Notice]:
    """Actions of which at least half of the newest runs for agents ended badly."""
    calls = ActionRun.objects.of(team).filter(purpose=ActionRun.Purpose.CALL).order_by("-pk")
    tried, bad = Counter[int](), Counter[int]()
    for action, state, said in calls.values_list("action_id", "state", "result__success")[:JUDGED]:
        if action and state in ENDED:
            tried[action] += 1
            bad[action] += state != ActionRun.State.SUCCEEDED or said is False
    failing = [action for action in tried if bad[action] and bad[action] * 2 >= tried[action]]
    titles = dict(CustomAction.objects.filter(pk__in=failing).values_list("pk", "title"))
    runs = reverse("admin:agents_actionrun_changelist")
    return [
        Notice(
            f"{titles[action]}: {bad[action]} of the last {tried[action]} runs failed.",
            f"{runs}?action__id__exact={action}&outcome=failed",
        )
        for action in failing[:5]
    ]


def _failing(team: Team) -> list[Notice]:
    """Endpoints where at least half of the newest tries went wrong."""
    rows = newest(team, JUDGED).values_list("endpoint_id", "state")
    tried, bad = Counter[int](), Counter[int]()
    for endpoint, state in rows:
        if endpoint and state not in (*Delivery.UNFINISHED, State.CANCELLED):
            tried[endpoint] += 1
            bad[endpoint] += state != State.DELIVERED
    failing = [endpoint for endpoint in tried if bad[endpoint] * 2 >= tried[endpoint] and bad[endpoint]]
    names = dict(Endpoint.objects.filter(pk__in=failing).values_list("pk", "name"))
    return [
        Notice(
            f"{names[endpoint]}: {bad[endpoint]} of the last {tried[endpoint]} deliveries did not arrive.",
            reverse("admin:webhooks_endpoint_change", args=[endpoint]),
        )
        for endpoint in failing[:5]
    ]


def _paused(team: Team) -> list[Notice]:
    paused = Endpoint.objects.of(team).filter(state=Endpoint.State.PAUSED).order_by("name")[:5]
    return [
        Notice(
            f"{endpoint.name} is paused: new deliveries are held.",
            reverse("admin:webhooks_endpoint_change", args=[endpoint.pk]),
        )
        for endpoint in paused
    ]


def _forgotten(team: Team) -> list[Notice]:
    late = Delivery.objects.of(team).forgotten(older_than=timedelta(seconds=30))
    if not late.exists():
        return []
    text = "Deliveries wait for more than 30 seconds. Is the worker running?"
    return [Notice(text, reverse("admin:webhooks_delivery_changelist"))]
