from django.apps import AppConfig


class ChannelsInboundConfig(AppConfig):
    name = "channels_inbound"
    verbose_name = "Channels"
    default_auto_field = "django.db.models.BigAutoField"
