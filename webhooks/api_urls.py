from django.urls import path

from webhooks import api

urlpatterns = [
    path("deliveries", api.DeliveryList.as_view(), name="api-deliveries"),
    path("deliveries/<str:delivery_id>", api.DeliveryDetail.as_view(), name="api-delivery"),
]
