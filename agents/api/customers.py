"""What the team's own application knows of its customers."""

import json
from typing import Any

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from agents import events, segments
from agents.api import people_docs
from agents.api.base import AgentView, cause_of
from agents.events import Cause, emit_all
from agents.identity import DETAILS, MOST_FREE, Identifiers, Told, TooMuch, recognise, standing
from agents.models import Agent, Customer
from chatzuri.api import find
from webhooks.api import moment

WHO = ("user_id", "phone", "email", "session_id")


class PhoneField(serializers.CharField):
    """A number as people write it; with its country code it is recognised however it is written."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=40, help_text="With country code, for example +254 711 000 111.", **options)

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if text and not Identifiers.read(phone=text).phone:
            raise serializers.ValidationError("This is no telephone number.")
        return text


class FreeField(serializers.DictField):
    """Values under names of the team's own, as JSON."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        found = super().to_internal_value(data)
        if len(json.dumps(found)) > MOST_FREE:
            raise serializers.ValidationError(f"Altogether this may have {MOST_FREE // 1024} KB.")
        return found


class CustomerDetailsSerializer(serializers.Serializer[Any]):
    phone = PhoneField(required=False)
    email = serializers.EmailField(max_length=254, required=False)
    name = serializers.CharField(max_length=200, required=False, allow_blank=True)
    country = serializers.RegexField(
        r"^(?:[A-Za-z]{2})?$", required=False, allow_blank=True, help_text="ISO code, for example KE."
    )
    plan = serializers.CharField(max_length=100, required=False, allow_blank=True)
    attributes = FreeField(required=False, help_text="Whatever else you know, by names of your own.")

    def validate_country(self, country: str) -> str:
        return country.upper()


class CustomerRequestSerializer(CustomerDetailsSerializer):
    user_id = serializers.CharField(max_length=200, required=False, help_text="Your own id of the customer.")
    session_id = serializers.CharField(max_length=100, required=False, help_text="Of their browser.")

    def validate(self, asked: dict[str, Any]) -> dict[str, Any]:
        if not any(asked.get(name) for name in WHO):
            raise serializers.ValidationError(f"Say who it is: one of {', '.join(WHO)}.")
        return asked


class Customers(AgentView):
    @extend_schema(**people_docs.IDENTIFY, request=CustomerRequestSerializer)
    def put(self, request: Request, agent_id: str) -> Response:
        agent = self.agent(agent_id)
        asked = CustomerRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        return Response(describe(learn(agent, asked.validated_data, cause_of(request))))


class CustomerDetail(AgentView):
    @extend_schema(**people_docs.GET_CUSTOMER)
    def get(self, request: Request, agent_id: str, customer_id: str) -> Response:
        _, customer = self.found(agent_id, customer_id)
        return Response(describe(standing(customer)))

    @extend_schema(**people_docs.CHANGE_CUSTOMER, request=CustomerDetailsSerializer)
    def patch(self, request: Request, agent_id: str, customer_id: str) -> Response:
        agent, customer = self.found(agent_id, customer_id)
        asked = CustomerDetailsSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        return Response(describe(learn(agent, asked.validated_data, cause_of(request), known=customer)))

    def found(self, agent_id: str, customer_id: str) -> tuple[Agent, Customer]:
        agent = self.agent(agent_id)
        return agent, find(Customer.objects.filter(team=self.team), customer_id, what="customer")


def learn(agent: Agent, asked: dict[str, Any], cause: Cause, known: Customer | None = None) -> Customer:
    """What the application says is so, also where something else was known."""
    given = Identifiers.read(
        external_id=asked.get("user_id", ""),
        phone=asked.get("phone", ""),
        email=asked.get("email", ""),
        session_id=asked.get("session_id", ""),
    )
    details = {name: asked[name] for name in (*DETAILS, "attributes") if name in asked}
    try:
        with transaction.atomic():
            recognised = recognise(agent, Told(given, details=details, is_correction=True, cause=cause), known=known)
            entered = segments.rejudge(recognised.customer) if recognised.happenings else []
            emit_all(agent, [*recognised.happenings, *entered], cause=cause)
    except TooMuch as refusal:
        raise serializers.ValidationError({"attributes": str(refusal)}) from None
    return recognised.customer


def describe(customer: Customer) -> dict[str, Any]:
    told = events.customers([customer.pk])[customer.pk]
    return told | {"user_id": customer.external_id or None, "created_at": moment(customer.created_at)}
