"""The floor of the admin. `TeamScopedAdmin` is the base of every admin in the house."""

from chatzuri.admin.base import ReadOnlyAdmin, TeamScopedAdmin, TeamStackedInline, TeamTabularInline
from chatzuri.admin.filters import TeamRelatedFilter

__all__ = [
    "ReadOnlyAdmin",
    "TeamRelatedFilter",
    "TeamScopedAdmin",
    "TeamStackedInline",
    "TeamTabularInline",
]
