"""A team to try things with: a login, an agent whose webhook_trigger points at a bin of the inspector, an API key."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from agents.models import Agent, Tool
from chatzuri.models import ApiKey, Membership, Team, User
from webhooks.models import Bin, Endpoint

EMAIL, PASSWORD = "demo@example.com", "try-chatzuri"
PHRASES = """\
Can somebody call me back?
I would like to talk to sales
Please contact me about a quote
I want to buy this for my company
How much would it cost for fifty people?
Could your team ring me tomorrow?"""


class Command(BaseCommand):
    help = "Makes the demo team, once. Prints its login and API key. Development only."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--key-file", type=Path, default=settings.BASE_DIR / "var" / "demo-api-key")

    def handle(self, *_: Any, key_file: Path, **__: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("The demo login has a known password, so it is made only where DEBUG=true.")
        with transaction.atomic():
            team = self.make_team()
            agent = self.make_agent(team, self.make_endpoint(team))
            key = self.key_for(team, key_file)
        self.stdout.write(f"login:    {EMAIL}\npassword: {PASSWORD}\nagent:    {agent.public_id}\nAPI key:  {key}")

    def make_team(self) -> Team:
        team, _ = Team.objects.get_or_create(slug="demo", defaults={"name": "Demo team"})
        user = User.objects.filter(email=EMAIL).first() or User.objects.create_user(EMAIL, PASSWORD, name="Demo Owner")
        Membership.objects.get_or_create(team=team, user=user, defaults={"role": Membership.Role.OWNER})
        return team

    def make_endpoint(self, team: Team) -> Endpoint:
        """The bin's address carries the port of this start, so it is brought up to date each time."""
        caught = Bin.objects.filter(team=team, name="Demo inspector").order_by("pk").first()
        caught = caught or Bin.objects.create(team=team, name="Demo inspector")
        endpoint, made = Endpoint.objects.get_or_create(
            team=team, name="Demo inspector", defaults={"url": caught.address}
        )
        if not made and "/inspector/" in endpoint.url and endpoint.url != caught.address:
            endpoint.url = caught.address
            endpoint.save(update_fields=["url", "changed_at"])
        return endpoint

    def make_agent(self, team: Team, endpoint: Endpoint) -> Agent:
        agent = Agent.objects.filter(team=team).order_by("pk").first()
        if agent is None:
            agent = Agent.objects.create(team=team, name="Front desk", instructions="You greet visitors of our shop.")
            Tool.objects.update_or_create(
                agent=agent,
                name="webhook_trigger",
                defaults={
                    "title": "Ask for a call back",
                    "is_active": True,
                    "endpoint": endpoint,
                    "when_to_use": "When a visitor wants to be contacted by a person. Not for small talk.",
                    "example_phrases": PHRASES,
                },
            )
        return agent

    def key_for(self, team: Team, key_file: Path) -> str:
        """The key kept beside the development data while it is live, else a new one."""
        known = key_file.read_text().strip() if key_file.exists() else ""
        key = ApiKey.objects.for_secret(known) if known else None
        if key and key.team_id == team.pk:
            return known
        secret = ApiKey(team=team, name="Demo key").issue()
        key_file.parent.mkdir(parents=True, exist_ok=True)
        key_file.touch(mode=0o600)
        key_file.write_text(secret)
        return secret
