from django.urls import include, path, re_path

from channels_inbound.views import ChannelInbound

# Both forms: Django would answer a POST without the slash with a redirect, and the body would be lost.
urlpatterns = [
    path("", include("channels_inbound.api.urls")),
    path("", include("channels_inbound.widget.urls")),
    re_path(
        r"^agents/(?P<agent_id>[^/]{1,400})/chat/(?P<slug>[^/]{1,100})/?$", ChannelInbound.as_view(), name="inbound"
    ),
]
