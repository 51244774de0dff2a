"""The floor of the admin. `TeamScopedAdmin` is the base of every admin in the house."""

from django.contrib import admin

from chatzuri.admin.api_keys import ApiKeyAdmin
from chatzuri.admin.base import ReadOnlyAdmin, TeamScopedAdmin, TeamStackedInline, TeamTabularInline
from chatzuri.admin.credentials import CredentialAdmin
from chatzuri.admin.filters import TeamRelatedFilter
from chatzuri.admin.people import MembershipAdmin, TeamAdmin

admin.site.index_title = "Home"

__all__ = [
    "ApiKeyAdmin",
    "CredentialAdmin",
    "MembershipAdmin",
    "ReadOnlyAdmin",
    "TeamAdmin",
    "TeamRelatedFilter",
    "TeamScopedAdmin",
    "TeamStackedInline",
    "TeamTabularInline",
]
