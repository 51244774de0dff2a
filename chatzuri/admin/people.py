"""Teams and who belongs to them."""

import secrets
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, reverse
from django.views.decorators.http import require_POST
from unfold.widgets import UnfoldAdminEmailInputWidget, UnfoldAdminTextInputWidget

from chatzuri.admin.base import TeamScopedAdmin
from chatzuri.admin.wall import team_of
from chatzuri.middleware import SESSION_KEY
from chatzuri.models import Membership, Team, User

OWNER = Membership.Role.OWNER


@admin.register(Team)
class TeamAdmin(TeamScopedAdmin):
    """The chosen team's own page; and the switch in the header."""

    team_path = "pk"
    managers_only = True
    members_may_view = True
    list_display = ("name", "slug", "created_at")
    fields = ("name", "slug")
    prepopulated_fields = {"slug": ("name",)}

    def get_urls(self) -> list[URLPattern]:
        return [self.page("switch/", require_POST(self.switch), "switch"), *super().get_urls()]

    def switch(self, request: HttpRequest) -> HttpResponse:
        chosen = Team.objects.open_to(request.user).filter(public_id=request.POST.get("team", "")).first()
        if chosen is None:
            raise Http404
        request.session[SESSION_KEY] = chosen.public_id
        return HttpResponseRedirect(reverse("admin:index"))

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A team goes with everything it owns; that needs more than one click, so it is not offered here."""
        return False

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return {} if obj else super().get_prepopulated_fields(request, obj)

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> HttpResponse:
        """Whoever makes a team works in it next."""
        request.session[SESSION_KEY] = obj.public_id
        return super().response_add(request, obj, post_url_continue)


class AddMemberForm(forms.ModelForm[Membership]):
    email = forms.EmailField(label="E-mail address", widget=UnfoldAdminEmailInputWidget())
    name = forms.CharField(
        label="Name",
        required=False,
        max_length=150,
        widget=UnfoldAdminTextInputWidget(),
        help_text="Only for somebody who has no login yet.",
    )

    class Meta:
        model = Membership
        fields = ("role",)

    def clean_email(self) -> str:
        email = str(self.cleaned_data["email"]).strip().lower()
        if Membership.objects.filter(team=self.instance.team, user__email=email).exists():
            raise ValidationError("This person is in the team already.")
        return email


class RoleForm(forms.ModelForm[Membership]):
    class Meta:
        model = Membership
        fields = ("role",)

    def clean_role(self) -> str:
        role = str(self.cleaned_data["role"])
        if role != OWNER and is_last_owner([Membership.objects.get(pk=self.instance.pk)]):
            raise ValidationError("A team needs an owner. Make somebody else an owner first.")
        return role


def is_last_owner(leaving: list[Membership]) -> bool:
    """Whether the team would have no owner without these."""
    owners = [membership for membership in leaving if membership.role == OWNER]
    if not owners:
        return False
    staying = Membership.objects.filter(team=owners[0].team_id, role=OWNER).exclude(pk__in=[m.pk for m in leaving])
    return not staying.exists()


@admin.register(Membership)
class MembershipAdmin(TeamScopedAdmin):
    managers_only = True
    members_may_view = True
    list_display = ("__str__", "email", "role", "created_at")
    list_select_related = ("user",)
    list_filter = ("role",)
    search_fields = ("user__email", "user__name")
    search_help_text = "Search by name or e-mail address"
    readonly_fields = ("email", "created_at")

    @admin.display(description="E-mail address", ordering="user__email")
    def email(self, membership: Membership) -> str:
        return membership.user.email

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("email", "role", "created_at") if obj else ("email", "name", "role")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("email", "created_at") if obj else ()

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any) -> Any:
        return super().get_form(request, obj, change=change, form=RoleForm if obj else AddMemberForm, **options)

    def formfield_for_choice_field(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        if db_field.name == "role" and not may_keep_owners(request):
            options["choices"] = [choice for choice in Membership.Role.choices if choice[0] != OWNER]
        return super().formfield_for_choice_field(db_field, request, **options)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and self._may_touch(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and self._may_touch(request, obj)

    def _may_touch(self, request: HttpRequest, obj: Any) -> bool:
        is_owner = isinstance(obj, Membership) and obj.role == OWNER
        return not is_owner or may_keep_owners(request)

    def refusals(self, request: HttpRequest, rows: list[Any]) -> list[str]:
        if any(row.role == OWNER for row in rows) and not may_keep_owners(request):
            return ["Only an owner may remove an owner."]
        if is_last_owner(rows):
            return ["A team needs an owner. Make somebody else an owner first; nobody was removed."]
        return []

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not change:
            obj.team = team_of(request)
            obj.user, obj.initial_password = person(form.cleaned_data["email"], form.cleaned_data["name"])
        super().save_model(request, obj, form, change)

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> HttpResponse:
        if not obj.initial_password:
            messages.success(request, f"{obj.user} is now in the team.")
            return HttpResponseRedirect(reverse(self.url_name("changelist")))
        context = self.page_context(
            request,
            title="New member",
            heading=f"{obj.user} is now in the team",
            sentence=f"Send this first password to {obj.user.email} on a safe way. It can be changed after the login.",
            secret=obj.initial_password,
            next_url=reverse(self.url_name("changelist")),
        )
        return TemplateResponse(request, "admin/shown_once.html", context)


def may_keep_owners(request: HttpRequest) -> bool:
    membership = getattr(request, "membership", None)
    return bool(request.user.is_superuser or (membership and membership.role == OWNER))


def person(email: str, name: str) -> tuple[User, str]:
    """The user with this address and, when there was none, the password of the new one."""
    user = User.objects.filter(email=email).first()
    if user is not None:
        return user, ""
    password = secrets.token_urlsafe(12)
    return User.objects.create_user(email, password, name=name), password
