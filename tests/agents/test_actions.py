"""Saving actions: what a change leaves out stays, whoever changed it meanwhile; versions only for what runs."""

import pytest
from django.db import transaction

from agents import actions, running
from agents.models import CustomAction
from tests.factories import make_action

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def no_look(monkeypatch):
    """Nobody looks at the syntax: that is a worker's part, and has tests of its own."""
    monkeypatch.setattr(running, "check", lambda **_: None)


def test_a_colleague_s_change_during_the_look_at_the_syntax_is_kept(monkeypatch):
    action = make_action(code="return 1;")

    def meanwhile(**_):
        CustomAction.objects.filter(pk=action.pk).update(description="By a colleague.")

    monkeypatch.setattr(running, "check", meanwhile)
    actions.save(team=action.team, action=action, code="return 2;")
    stored = CustomAction.objects.get(pk=action.pk)
    assert (stored.description, stored.current.code, stored.current.number) == ("By a colleague.", "return 2;", 2)


def test_new_parameters_meet_the_code_that_stands_when_they_are_written():
    action = make_action(code="return 1;")
    stale = CustomAction.objects.get(pk=action.pk)
    actions.save(team=action.team, action=action, code="return 2;")
    actions.save(team=action.team, action=stale, parameters=[{"name": "email", "type": "string"}])
    current = CustomAction.objects.get(pk=action.pk).current
    assert (current.number, current.code, [one["name"] for one in current.parameters]) == (3, "return 2;", ["email"])


def test_words_alone_make_no_version_and_nothing_is_saved_by_halves():
    action = make_action(code="return 1;")
    saved = actions.save(team=action.team, action=action, title="Another title")
    assert (saved.is_new_version, saved.version.number) == (False, 1)
    other = make_action(team=action.team)
    with pytest.raises(actions.ActionRefused) as refused, transaction.atomic():
        actions.save(team=action.team, action=action, name=other.name, code="return 9;")
    assert [fault.pointer for fault in refused.value.faults] == ["/name"]
    assert CustomAction.objects.get(pk=action.pk).current.code == "return 1;"
