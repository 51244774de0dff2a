"""One settings file. Every value comes from the environment; `.env.example` lists them all."""

import base64
import binascii
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import django_stubs_ext
import environ
from django.core.exceptions import ImproperlyConfigured

from chatzuri.unfold import UNFOLD as UNFOLD

django_stubs_ext.monkeypatch()  # so that ModelForm[Agent] and the like can be written in annotations and bases


BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()


def required(name: str, advice: str) -> str:
    """The value of a variable that has no default; stops the start with a sentence that says what to set."""
    value = env.str(name, default="").strip()
    if not value:
        raise ImproperlyConfigured(f"{name} is not set. {advice} (.env.example lists every variable.)")
    return value


def read(parse: Callable[..., Any], name: str, default: Any, advice: str) -> Any:
    """A typed value; a wrong one stops the start with a sentence instead of a traceback about int()."""
    try:
        return parse(name, default=default)
    except (ValueError, ImproperlyConfigured) as error:
        raise ImproperlyConfigured(f"{name} is not right: {advice}") from error


def numbers(name: str, default: list[int]) -> list[int]:
    return [int(text) for text in env.list(name, default=default)]


def networks(name: str, default: str) -> list[IPv4Network | IPv6Network]:
    return [ip_network(text) for text in env.list(name, default=default)]


def servers(name: str, default: str) -> list[tuple[str, int]]:
    """`1.1.1.1`, `127.0.0.1:5353` or `[::1]:5353`: addresses, since a name server cannot be looked up by name."""
    parts = [urlsplit(f"//{text}") for text in env.list(name, default=default)]
    return [(str(ip_address(part.hostname or "")), part.port or 53) for part in parts]


def proxy(name: str, default: str) -> tuple[str, int] | None:
    """`http://host:port` and nothing more."""
    if not (url := env.str(name, default=default).strip()):
        return None
    parts = urlsplit(url)
    if url.rstrip("/") != f"http://{parts.netloc}" or "@" in url or not parts.hostname or not parts.port:
        raise ValueError(url)
    return parts.hostname, parts.port


def boolean(name: str, default: bool) -> bool:
    text = env.str(name, default=str(default)).strip().lower()
    if text not in {"true", "false", "1", "0"}:
        raise ImproperlyConfigured(f"{name} is {text!r}. Set it to true or false.")
    return text in {"true", "1"}


def service_url(name: str, schemes: tuple[str, ...], advice: str) -> str:
    url = required(name, advice)
    if urlsplit(url).scheme not in schemes:
        raise ImproperlyConfigured(f"{name} must start with {' or '.join(s + '://' for s in schemes)}. {advice}")
    return url


def encryption_keys() -> list[tuple[str, bytes]]:
    """`id:base64,…`: the first key encrypts, all of them decrypt."""
    advice = "Make one with: python -c \"import base64,os;print('k1:'+base64.b64encode(os.urandom(32)).decode())\""
    keys = []
    for entry in required("FIELD_ENCRYPTION_KEYS", advice).split(","):
        key_id, _, encoded = entry.strip().partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            key = b""
        if not key_id.isalnum() or len(key) != 32:
            raise ImproperlyConfigured(
                f"FIELD_ENCRYPTION_KEYS must be a comma-separated list of id:base64 pairs with 32-byte keys. {advice}"
            )
        keys.append((key_id, key))
    return keys


# --- what kind of installation this is -------------------------------------------------------------------------------

DEBUG = boolean("DEBUG", False)
SECRET_KEY = required("SECRET_KEY", "Set it to at least 50 random characters; it signs sessions.")
if len(SECRET_KEY) < 32:
    raise ImproperlyConfigured("SECRET_KEY is too short. Set it to at least 50 random characters.")
PUBLIC_URL = service_url(
    "PUBLIC_URL", ("http", "https"), "Set it to the address people open, for example https://app.example.com."
).rstrip("/")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[urlsplit(PUBLIC_URL).hostname or ""])
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
FIELD_ENCRYPTION_KEYS = encryption_keys()

# --- stores ----------------------------------------------------------------------------------------------------------

service_url("DATABASE_URL", ("postgres", "postgresql"), "Set it to postgres://user:password@host:5432/name.")
DATABASES = {"default": env.db_url("DATABASE_URL")}
DATABASES["default"] |= {"CONN_MAX_AGE": 600, "CONN_HEALTH_CHECKS": True, "ATOMIC_REQUESTS": False}
DATABASES["default"].setdefault("OPTIONS", {}).setdefault("connect_timeout", 5)
# Our statements are short and frequent: compiling one costs more than it ever saves (a claim: 9 ms with, 3 ms without).
DATABASES["default"]["OPTIONS"].setdefault("options", "-c jit=off")
REDIS_URL = service_url("REDIS_URL", ("redis", "rediss", "unix"), "Set it to redis://host:6379/0.")
CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- what may leave --------------------------------------------------------------------------------------------------

DELIVERY_DEADLINE = read(env.float, "DELIVERY_DEADLINE", 10.0, "give seconds for one delivery, for example 10.")
ALLOW_HTTP = boolean("ALLOW_HTTP", False)
ALLOWED_PORTS = read(numbers, "ALLOWED_PORTS", [80, 443], "give port numbers, for example 80,443.")
# Exactly one origin (scheme, IP literal, port) whose /inspector/ paths may be reached although the address is private.
INSPECTOR_ORIGIN = env.str("INSPECTOR_ORIGIN", default="").rstrip("/")
# Origins of language-model servers that may be reached although their address is private (a local Ollama, say).
LANGUAGE_MODEL_ORIGINS = env.list("LANGUAGE_MODEL_ORIGINS", default=[])
# Exactly these private ranges may be reached besides; loopback, link-local and metadata addresses never are.
ALLOWED_PRIVATE_NETWORKS = read(
    networks, "ALLOWED_PRIVATE_NETWORKS", "", "give networks, for example 10.1.2.0/24,fd12:3456::/64."
)
# The operator's own proxy: a second wall behind the guard.
OUTBOUND_PROXY = read(proxy, "OUTBOUND_PROXY", "", "give http://host:port, without a user name or a path.")
DNS_SERVERS = read(servers, "DNS_SERVERS", "", "give IP addresses, for example 10.0.0.2,10.0.0.3:5353.")
LANGUAGE_MODEL_TIMEOUT = read(env.float, "LANGUAGE_MODEL_TIMEOUT", 30.0, "give seconds, for example 30.")
CHAT_WAIT = read(env.float, "CHAT_WAIT", 60.0, "give the seconds the API waits for a reply, for example 60.")
DELIVERY_THREADS = read(env.int, "DELIVERY_THREADS", 32, "give a number, for example 32.")

# --- what arrives ----------------------------------------------------------------------------------------------------

INBOUND_DEBOUNCE = read(env.float, "INBOUND_DEBOUNCE", 1.0, "give the seconds a burst of messages may take, like 1.")
# Files of customers: attachments of messages, and large requests. Behind more than one machine: a shared folder.
MEDIA_ROOT = env.str("MEDIA_ROOT", default="") or str(BASE_DIR / "var" / "media")
# Where requests of providers that never ask again wait, encrypted, while the database is away.
SPOOL_DIR = env.str("SPOOL_DIR", default="") or str(BASE_DIR / "var" / "spool")

# --- custom actions --------------------------------------------------------------------------------------------------

ACTION_SECONDS = read(env.float, "ACTION_SECONDS", 10.0, "give seconds for one run of an action, for example 10.")
ACTIONS_PER_TEAM = read(env.int, "ACTIONS_PER_TEAM", 2, "give how many actions of a team run at once, for example 2.")
SANDBOX_WARM = read(env.int, "SANDBOX_WARM", 2, "give how many sandboxes a worker keeps ready, for example 2.")
# For development on systems without these walls: actions then run with fewer layers around them.
SANDBOX_RELAXED = boolean("SANDBOX_RELAXED", False)

# --- Django ----------------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "chatzuri",
    "webhooks",
    "agents",
    "channels_inbound",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "axes",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "chatzuri.middleware.CurrentTeamMiddleware",
    "axes.middleware.AxesMiddleware",
]
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
ROOT_URLCONF = "chatzuri.urls"
WSGI_APPLICATION = "chatzuri.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
AUTH_USER_MODEL = "chatzuri.User"
# E-mail addresses are unique without regard to case, by a constraint this check does not know.
SILENCED_SYSTEM_CHECKS = ["auth.W004"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = 0.25
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_USERNAME_FORM_FIELD = "username"
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "var" / "static"
WHITENOISE_USE_FINDERS = DEBUG
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PUBLIC_URL.startswith("https://")
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if boolean("BEHIND_TLS_PROXY", False) else None
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
APPEND_SLASH = True

# --- API -------------------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["chatzuri.authentication.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["chatzuri.authentication.HasApiKey"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "chatzuri.api.problem",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Chatzuri API",
    "DESCRIPTION": "Chat with your agents, call their tools, and read what became of every delivery.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "ENUM_NAME_OVERRIDES": {
        "DeliveryState": "webhooks.models.Delivery.State",
        "ToolCallStatus": "agents.models.ToolCall.Status",
        "FinishedTurnState": ["done", "failed"],
        "UnfinishedTurnState": ["running"],
    },
}

# --- Celery: wakes workers, holds no truth. No retries, no late acknowledgement, no results. -------------------------

CELERY_BROKER_URL = REDIS_URL
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# A request that finds no broker goes on at once: the row is the truth, and the sweeper wakes again.
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_connect_timeout": 1,
    "socket_timeout": 20,
    "visibility_timeout": 3600,
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0,
    "interval_max": 0,
}
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = DELIVERY_DEADLINE + 2
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_DB_REUSE_MAX = 10_000
CELERY_TASK_DEFAULT_QUEUE = "deliveries"
CELERY_TASK_ROUTES = {
    "webhooks.tasks.send_one": {"queue": "interactive"},
    "webhooks.tasks.drain_calm": {"queue": "interactive"},
    "agents.tasks.take_turn": {"queue": "interactive"},
    "agents.tasks.run_tool_call": {"queue": "interactive"},
    "agents.tasks.test_brain": {"queue": "interactive"},
    "agents.tasks.run_actions": {"queue": "actions"},
    "agents.tasks.judge_events": {"queue": "rules"},
    "agents.tasks.rehearse": {"queue": "rules"},
    # Both wait for providers: whoever waits must not keep others from being heard.
    "channels_inbound.tasks.send_replies": {"queue": "replies"},
    "channels_inbound.tasks.fetch_media": {"queue": "replies"},
    "channels_inbound.tasks.*": {"queue": "channels"},
}
# Without an expiry: a worker whose clock is ahead would throw away everything that beat sends. All of it is cheap.
CELERY_BEAT_SCHEDULE = {
    "sweep deliveries": {"task": "webhooks.tasks.sweep", "schedule": 15.0},
    "reap deliveries": {"task": "webhooks.tasks.reap", "schedule": 15.0},
    "audit deliveries": {"task": "webhooks.tasks.audit", "schedule": 60.0},
    "hold failing endpoints": {"task": "webhooks.tasks.hold_failing", "schedule": 60.0},
    "sweep turns": {"task": "agents.tasks.sweep_turns", "schedule": 15.0},
    "sweep channels": {"task": "channels_inbound.tasks.sweep_channels", "schedule": 15.0},
    "sweep conversations": {"task": "agents.tasks.sweep_conversations", "schedule": 60.0},
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
}
