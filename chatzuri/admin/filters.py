from typing import Any

from django.contrib.admin import RelatedFieldListFilter
from django.http import HttpRequest

from chatzuri.admin.wall import rows_of_team


class TeamRelatedFilter(RelatedFieldListFilter):
    """A filter by a related row that offers the team's own rows only; Django's would list everybody's."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        rows = rows_of_team(field.remote_field.model, request=request, site=model_admin.admin_site)
        return [(row.pk, str(row)) for row in rows.order_by(*self.field_admin_ordering(field, request, model_admin))]
