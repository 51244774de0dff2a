from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from chatzuri.api import UnknownPath

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("api/v1/", include("agents.api.urls")),
    path("api/v1/", include("webhooks.api_urls")),
    path("api/v1/", include("channels_inbound.urls")),
    path("api/v1/schema", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs", SpectacularSwaggerView.as_view(url_name="schema"), name="api-docs"),
    re_path(r"^api/(?P<unknown>.*)", UnknownPath.as_view()),
    path("", include("webhooks.urls")),
]

handler400 = "chatzuri.api.bad_request"
handler500 = "chatzuri.api.server_error"
