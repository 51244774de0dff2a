"""Included before the route of all channels, whose pattern would fit these too. With and without a slash at the end."""

from django.urls import path

from channels_inbound.widget import views

_ROOT = "agents/<str:agent_id>/chat/website"
_ROUTES = {
    f"{_ROOT}/session": (views.SessionStart, "widget-session"),
    f"{_ROOT}/messages": (views.Messages, "widget-messages"),
    f"{_ROOT}/messages/<str:message_id>/feedback": (views.MessageFeedback, "widget-feedback"),
    f"{_ROOT}/stream": (views.Stream, "widget-stream"),
}
urlpatterns = [
    *(path(route, view.as_view(), name=name) for route, (view, name) in _ROUTES.items()),
    *(path(f"{route}/", view.as_view()) for route, (view, _) in _ROUTES.items()),
]
