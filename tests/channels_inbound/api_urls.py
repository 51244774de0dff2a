"""The product's addresses, with those of channels in front."""

from django.urls import include, path

from chatzuri.urls import handler400, handler500
from chatzuri.urls import urlpatterns as others

__all__ = ["handler400", "handler500", "urlpatterns"]

urlpatterns = [path("api/v1/", include("channels_inbound.api.urls")), *others]
