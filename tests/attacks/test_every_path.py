"""The attack list through every way in. J: a form, a button, an API and a row in the table all meet the same guard."""

from ipaddress import ip_network
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import DataError, transaction
from django.utils.html import escape

from agents.models import Agent
from tests.agents.conftest import model as model
from tests.agents.scripted_model import ScriptedModel
from tests.attacks import watching, ways
from tests.attacks.cases import ANSWERS, REFUSED, RESOLVED, Case, one_of_each
from tests.attacks.namespace import Namespace
from tests.attacks.ways import House
from tests.nameserver import NameServer
from tests.webhooks.receivers import Receiver
from webhooks import addresses
from webhooks.addresses import Reason
from webhooks.models import Delivery, Endpoint

STORABLE = [case for case in REFUSED if case.is_storable]
# The one way whose answer is a page instead of a code.
PAGES = {"model check button"}


@pytest.fixture(autouse=True)
def _policy(settings: Any) -> None:
    settings.ALLOW_HTTP, settings.ALLOWED_PORTS, settings.INSPECTOR_ORIGIN = True, [80, 443], ""


def sentence(code: str) -> str:
    return addresses._SENTENCES[Reason(code)]


# --- typed -----------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("form", ways.FORMS)
def test_typed(form: str, subtests: Any) -> None:
    house = House()
    before = (Endpoint.objects.count(), house.endpoint.url, house.agent.llm_base_url)
    with watching.connections() as seen:
        for case in REFUSED:
            with subtests.test(msg=str(case)):
                errors = ways.FORMS[form](house, case.url)
                # A form may stop what is too long or has a NUL before the guard reads it.
                assert errors if not case.is_storable else errors == [sentence(case.code)]
    house.endpoint.refresh_from_db()
    house.agent.refresh_from_db()
    assert (Endpoint.objects.count(), house.endpoint.url, house.agent.llm_base_url) == before
    assert seen == []


@pytest.mark.django_db
@pytest.mark.parametrize("form", ways.FORMS)
def test_a_name_is_judged_when_it_is_sent_to_and_not_when_it_is_typed(form: str, server: NameServer) -> None:
    errors = ways.FORMS[form](House(), RESOLVED[0].url)
    assert errors == (["This address may be used."] if form == "endpoint check" else [])
    assert server.asked == []


@pytest.mark.django_db
@pytest.mark.parametrize("form", ways.FORMS)
def test_http_is_refused_where_only_https_is_allowed_and_the_setting_is_named(form: str, settings: Any) -> None:
    settings.ALLOW_HTTP = False
    [error] = ways.FORMS[form](House(), "http://good.example/")
    assert "ALLOW_HTTP" in error


# --- stored ----------------------------------------------------------------------------------------------------------


def blocked(house: House, way: ways.Way, case: Case, *, name: str) -> None:
    state, code = way(house, case.url)
    if name in PAGES:
        assert escape(sentence(case.code)) in code
    else:
        assert (state, code) == ("blocked", case.code)


def own_connections(settings: Any, model: ScriptedModel) -> set[int]:
    return {urlsplit(settings.REDIS_URL).port or 0, model.server.server_port}


def canary_cases(four: int, six: int, inside: str = "") -> list[Case]:
    """Addresses where something really listens."""
    private = [f"127.0.0.1:{four}", f"[::ffff:127.0.0.1]:{four}", f"0.0.0.0:{four}", f"[::1]:{six}"]
    private += [f"loopback.attack.example:{four}", f"loopback6.attack.example:{six}"] + ([inside] if inside else [])
    cases = [Case("canary", f"http://{host}/inspector/x", Reason.PRIVATE_ADDRESS) for host in private]
    return [*cases, Case("canary", f"http://localhost:{four}/", Reason.RESERVED_NAME)]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", ways.QUICK)
def test_stored(
    name: str, settings: Any, model: ScriptedModel, server: NameServer, canaries: list[Receiver], subtests: Any
) -> None:
    settings.ALLOWED_PORTS = [80, 443, canaries[0].port, canaries[1].port]
    house = House(model=model)
    with watching.connections() as seen:
        for case in [*STORABLE, *RESOLVED, *canary_cases(canaries[0].port, canaries[1].port)]:
            with subtests.test(msg=str(case)):
                blocked(house, ways.QUICK[name], case, name=name)
    assert {port for _, port in seen} <= own_connections(settings, model)


@pytest.mark.django_db(transaction=True)
def test_a_redirect_that_a_fetch_follows(
    settings: Any, monkeypatch: pytest.MonkeyPatch, server: NameServer, canaries: list[Receiver], subtests: Any
) -> None:
    """Only what is an address by itself: the others are read from where the redirect came."""
    settings.ALLOWED_PORTS = [80, 443, canaries[0].port, canaries[1].port]
    monkeypatch.setattr(ways, "GOOD", "http://receiver.example/hook")
    house, seen = House(), set()
    cases = [*STORABLE, *RESOLVED, *canary_cases(canaries[0].port, canaries[1].port)]
    with watching.connections() as opened:
        for case in cases:
            if not case.url.startswith(("http://", "https://")) or _is_mended_by_joining(case):
                continue
            seen.add(case.code)
            with subtests.test(msg=str(case)):
                blocked(house, ways.redirect_of_a_fetch, case, name="redirect of a fetch")
    assert {Reason.PRIVATE_ADDRESS, Reason.NUMERIC_HOST, Reason.USERINFO, Reason.BACKSLASH, Reason.PORT} <= seen
    assert opened == []


def _is_mended_by_joining(case: Case) -> bool:
    """Letters beyond ASCII are encoded before, and an address without a host is completed."""
    return not case.url.isascii() or not case.url.isprintable() or case.code in (Reason.NO_HOST, Reason.INVALID_HOST)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", ways.WORKER)
def test_stored_and_sent_by_a_worker(
    name: str,
    settings: Any,
    model: ScriptedModel,
    server: NameServer,
    canaries: list[Receiver],
    worker: None,
    subtests: Any,
) -> None:
    settings.ALLOWED_PORTS = [80, 443, canaries[0].port, canaries[1].port]
    house = House(model=model)
    cases = [*one_of_each(STORABLE), *one_of_each(RESOLVED), *canary_cases(canaries[0].port, canaries[1].port)]
    with watching.connections() as seen:
        for case in cases:
            with subtests.test(msg=str(case)):
                blocked(house, ways.WORKER[name], case, name=name)
    assert {port for _, port in seen} <= own_connections(settings, model)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", {**ways.QUICK, **ways.WORKER})
def test_a_private_address_that_answers_is_not_reached(
    name: str, settings: Any, model: ScriptedModel, server: NameServer, namespace: Namespace, worker: None
) -> None:
    way, before = {**ways.QUICK, **ways.WORKER}[name], namespace.connections
    server.names["inside.attack.example"] = [namespace.address]
    house = House(model=model)
    for host in (namespace.address, "inside.attack.example"):
        blocked(house, way, Case("canary", f"http://{host}/", Reason.PRIVATE_ADDRESS), name=name)
    assert namespace.connections == before


@pytest.mark.django_db(transaction=True)
def test_the_watching_sees_and_the_canaries_count(settings: Any, server: NameServer, namespace: Namespace) -> None:
    """Otherwise everything above would hold for a house without doors."""
    settings.ALLOWED_PRIVATE_NETWORKS = [ip_network(f"{namespace.address}/32")]
    before = namespace.connections
    with watching.connections() as seen:
        assert ways.drain(House(), f"http://{namespace.address}/") == ("delivered", "")
    assert seen[-1] == (namespace.address, 80)
    assert namespace.connections == before + 1


# --- stored, and too much for the table ------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("case", [case for case in REFUSED if not case.is_storable], ids=str)
def test_the_table_itself_refuses(case: Case) -> None:
    house = House()
    with pytest.raises((DataError, ValueError)), transaction.atomic():
        Endpoint.objects.filter(pk=house.endpoint.pk).update(url=case.url)
    assert not Delivery.objects.exists()
    assert Agent.objects.get().llm_base_url == ""


def test_every_answer_of_the_name_server_is_a_case() -> None:
    assert {urlsplit(case.url).hostname for case in RESOLVED} == set(ANSWERS)
