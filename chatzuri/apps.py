from django.apps import AppConfig


class ChatzuriConfig(AppConfig):
    name = "chatzuri"
    verbose_name = "Team"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from chatzuri import checks  # noqa: F401  registers the system checks
