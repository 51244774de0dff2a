from django.urls import re_path

from webhooks import views

urlpatterns = [
    re_path(r"^inspector/(?P<key>[0-9a-f]{32})(?P<rest>/.*)?$", views.catch, name="inspector"),
]
