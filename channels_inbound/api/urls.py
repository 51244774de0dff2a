"""Included beside the other routes of the API."""

from django.urls import path

from channels_inbound.api import channels, requests

_CHANNEL = "agents/<str:agent_id>/channels/<str:channel_id>"
urlpatterns = [
    path("agents/<str:agent_id>/channel-kinds", channels.Kinds.as_view(), name="api-channel-kinds"),
    path("agents/<str:agent_id>/channels", channels.Channels.as_view(), name="api-channels"),
    path(_CHANNEL, channels.ChannelDetail.as_view(), name="api-channel"),
    path(f"{_CHANNEL}/secrets/<str:name>", channels.ChannelSecret.as_view(), name="api-channel-secret"),
    path(f"{_CHANNEL}/requests", requests.RequestList.as_view(), name="api-channel-requests"),
    path(f"{_CHANNEL}/requests/<str:request_id>", requests.RequestDetail.as_view(), name="api-channel-request"),
    path(
        f"{_CHANNEL}/requests/<str:request_id>/replay",
        requests.RequestReplay.as_view(),
        name="api-channel-request-replay",
    ),
]
