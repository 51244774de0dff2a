"""The base of every admin: a team sees and touches its own rows, whatever the address or the form says."""

import re
from collections.abc import Callable, Iterable
from functools import update_wrapper
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.contrib.admin import SimpleListFilter
from django.contrib.admin import actions as django_actions
from django.core.exceptions import (
    NON_FIELD_ERRORS,
    FieldDoesNotExist,
    ImproperlyConfigured,
    PermissionDenied,
    ValidationError,
)
from django.db.models import CASCADE, PROTECT, Model, ProtectedError, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from unfold.admin import ModelAdmin, StackedInline, TabularInline
from unfold.views import ChangeList

from chatzuri.admin.filters import TeamRelatedFilter
from chatzuri.admin.wall import is_inside, is_manager, rows_of_team, team_of

PLAIN_LOOKUPS = {"id", "pk", "exact", "in", "isnull", "gte", "lte", "gt", "lt", "year", "month", "day"}


class _Forgetful:
    """Unfold keeps the request of the last list on the admin, which threads share. This one keeps nothing."""

    def __get__(self, admin: Any, owner: type | None = None) -> Any:
        raise AttributeError("request")

    def __set__(self, admin: Any, request: HttpRequest) -> None:
        pass


class _TeamChangeList(ChangeList):
    """A list without filters shows everything there is: no second count, and no “show all”."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if not self.has_active_filters and not self.query:
            self.full_result_count = self.result_count


class _TeamChoices:
    """Choices of foreign keys and many-to-many fields: the team's own rows, in forms and inlines alike."""

    admin_site: Any
    raw_id_fields: Any

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        options.setdefault("queryset", rows_of_team(db_field.remote_field.model, request=request, site=self.admin_site))
        return super().formfield_for_foreignkey(db_field, request, **options)  # type: ignore[misc]

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        options.setdefault("queryset", rows_of_team(db_field.remote_field.model, request=request, site=self.admin_site))
        return super().formfield_for_manytomany(db_field, request, **options)  # type: ignore[misc]


class _RolePermissions:
    """Every member of the team may work; `managers_only` leaves a model to owners and admins."""

    managers_only: ClassVar[bool] = False
    members_may_view: ClassVar[bool] = False

    def may_work(self, request: HttpRequest) -> bool:
        return is_inside(request) and (not self.managers_only or is_manager(request))

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_inside(request) and (self.members_may_view or self.may_work(request))

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may_work(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may_work(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may_work(request)


class TeamScopedAdmin(_RolePermissions, _TeamChoices, ModelAdmin):
    """Inherit this. `team_path` leads from the model to its team: `team`, `agent__team`, …"""

    team_path: ClassVar[str] = "team"
    empty_sentence: ClassVar[str] = "Add the first one."  # what an empty list says: one next step
    request = _Forgetful()
    show_full_result_count = False
    list_per_page = 50
    compressed_fields = False
    warn_unsaved_form = True

    def __init__(self, model: type[Model], admin_site: Any) -> None:
        super().__init__(model, admin_site)
        if self.raw_id_fields:
            raise ImproperlyConfigured("A raw id field shows the name of any row of any team: use autocomplete_fields.")

    # --- whose rows ---

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        team, rows = team_of(request), super().get_queryset(request)
        return rows.filter(**{self.team_path: team.pk}) if team else rows.none()

    def own_row(self, request: HttpRequest, object_id: Any, *, to_change: bool = False) -> Any:
        """The row of a page of our own: 404 for another team's, 403 where the role does not allow it."""
        row = self.get_object(request, object_id)
        if row is None:
            raise Http404
        may = self.has_change_permission if to_change else self.has_view_permission
        if not may(request, row):
            raise PermissionDenied
        return row

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Not found is 404, before any question of permission: Django would redirect, or answer 403 to a post."""
        if (row := super().get_object(request, object_id, from_field)) is None:
            raise Http404
        return row

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[ChangeList]:
        return _TeamChangeList

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        """Only what the list offers as a filter: `?agent__team__name__startswith=` would read over the wall."""
        for name in self._filter_names(request):
            if lookup == name or lookup.startswith((f"{name}_from", f"{name}_to")):
                return True
            if lookup.startswith(name + "__") and set(lookup[len(name) + 2 :].split("__")) <= PLAIN_LOOKUPS:
                return True
        return False

    def _filter_names(self, request: HttpRequest) -> Iterable[str]:
        if self.date_hierarchy:
            yield self.date_hierarchy
        for item in self.get_list_filter(request):
            if isinstance(item, tuple | list):
                yield item[0]
            elif isinstance(item, str):
                yield item
            elif issubclass(item, SimpleListFilter):
                yield str(item.parameter_name)

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        return [self._team_filter(item) for item in super().get_list_filter(request)]

    def _team_filter(self, item: Any) -> Any:
        """A plain relation becomes a filter that lists the team's own values."""
        return (item, TeamRelatedFilter) if isinstance(item, str) and self._is_relation(item) else item

    def _is_relation(self, name: str) -> bool:
        try:
            return bool(self.model._meta.get_field(name).is_relation)
        except FieldDoesNotExist:
            return False

    # --- forms ---

    @property
    def _has_team_field(self) -> bool:
        return any(field.name == "team" for field in self.model._meta.fields)

    def get_exclude(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [*(super().get_exclude(request, obj) or ()), *(["team"] if self._has_team_field else [])]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any) -> Any:
        form = super().get_form(request, obj, change=change, **options)
        return _with_team(form, team_of(request)) if self._has_team_field else form

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if self._has_team_field and not change:
            obj.team = team_of(request)
        super().save_model(request, obj, form, change)

    # --- deleting ---

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, dict[str, int], set[str], list[str]]:
        """Counts where Django would list a tree: an endpoint may have a million deliveries."""
        rows: list[Any] = list(objs)
        counts: dict[str, int] = {}
        for relation in self.model._meta.related_objects:
            if getattr(relation, "on_delete", None) is CASCADE:
                hanging = relation.related_model._base_manager.filter(**{f"{relation.field.name}__in": rows}).count()
                counts |= {str(relation.related_model._meta.verbose_name_plural): hanging} if hanging else {}
        counts[str(self.opts.verbose_name_plural if len(rows) != 1 else self.opts.verbose_name)] = len(rows)
        return [str(row) for row in rows], counts, set(), self.users_of(rows)

    def users_of(self, rows: list[Any]) -> list[str]:
        """What would break without these rows, by name: `endpoint CRM`, `tool Ask for a call back`."""
        names = []
        for relation in self.model._meta.related_objects:
            if getattr(relation, "on_delete", None) is PROTECT:
                users = relation.related_model._base_manager.filter(**{f"{relation.field.name}__in": rows})[:20]
                names += [f"{relation.related_model._meta.verbose_name} “{user}”" for user in users]
        return names

    def refusals(self, request: HttpRequest, rows: list[Any]) -> list[str]:
        """Why these rows cannot be deleted, in sentences; nothing where they can."""
        return [in_use(row, users) for row in rows if (users := self.users_of([row]))]

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """A row in use is not deleted, and the reader is told who uses it."""
        row = self.own_row(request, object_id)
        sentences = self.refusals(request, [row]) if self.has_delete_permission(request, row) else []
        try:
            if not sentences:
                return super().delete_view(request, object_id, extra_context)
        except ProtectedError:
            sentences = self.refusals(request, [row])
        for sentence in sentences:
            messages.error(request, sentence)
        return HttpResponseRedirect(reverse(self.url_name("change"), args=[row.pk]))

    def delete_selected(self, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponse | None:
        sentences = self.refusals(request, list(rows))
        for sentence in sentences:
            messages.error(request, sentence)
        try:
            return None if sentences else django_actions.delete_selected(self, request, rows)
        except ProtectedError:
            messages.error(request, "Something began to use one of them meanwhile. Nothing was deleted.")
            return None

    def get_actions(self, request: HttpRequest) -> Any:
        found = super().get_actions(request)
        if "delete_selected" in found:
            found["delete_selected"] = (type(self).delete_selected, "delete_selected", "Delete selected")
        return found

    # --- pages of our own ---

    def get_urls(self) -> list[URLPattern]:
        """Without Django's redirect from `<id>/` to the row's page: it would answer for rows that are not there."""
        return [url for url in super().get_urls() if str(url.pattern) != "<path:object_id>/"]

    def url_name(self, page: str) -> str:
        return f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_{page}"

    def page(self, route: str, view: Callable[..., HttpResponse], name: str) -> URLPattern:
        """A page of this admin, behind the login; reverse it with `url_name(name)`."""

        def wrapper(*args: Any, **options: Any) -> HttpResponse:
            return self.admin_site.admin_view(view)(*args, **options)

        wrapper.model_admin = self  # type: ignore[attr-defined]
        full_name = f"{self.opts.app_label}_{self.opts.model_name}_{name}"
        return path(route, update_wrapper(wrapper, view), name=full_name)

    def page_context(self, request: HttpRequest, **context: Any) -> dict[str, Any]:
        return {**self.admin_site.each_context(request), "opts": self.opts, **context}


def in_use(row: Any, users: list[str]) -> str:
    return f"“{row}” is still used by {', '.join(users)}. Choose another one there first; nothing was deleted."


def _with_team(form: type[forms.BaseModelForm], team: Any) -> type[forms.BaseModelForm]:
    """The form knows its team before it is checked, so that `clean()` and unique names work on new rows too."""

    class TeamForm(form):  # type: ignore[valid-type,misc]
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            if self.instance._state.adding:
                self.instance.team = team

        def _get_validation_exclusions(self) -> set[str]:
            return set(super()._get_validation_exclusions()) - {"team"}

        def _update_errors(self, errors: ValidationError) -> None:
            for broken in getattr(errors, "error_dict", {}).get(NON_FIELD_ERRORS, []):
                broken.message = _as_sentence(str(broken.message))
            super()._update_errors(errors)

    TeamForm.__name__ = form.__name__
    return TeamForm


def _as_sentence(message: str) -> str:
    """Constraints are named as sentences, so their name is what the reader should see."""
    name = re.search(r"“(\w+)”", message)
    return name[1].replace("_", " ").capitalize() + "." if name else message


class ReadOnlyAdmin(TeamScopedAdmin):
    """History: looked at and acted on, never typed into."""

    empty_sentence = "It appears here as soon as it happens."
    actions = None
    warn_unsaved_form = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class TeamTabularInline(_RolePermissions, _TeamChoices, TabularInline):
    """Rows of a parent that is already behind the wall."""

    extra = 0


class TeamStackedInline(_RolePermissions, _TeamChoices, StackedInline):
    """Rows of a parent that is already behind the wall."""

    extra = 0


__all__ = [
    "ReadOnlyAdmin",
    "TeamRelatedFilter",
    "TeamScopedAdmin",
    "TeamStackedInline",
    "TeamTabularInline",
]
