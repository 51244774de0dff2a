import pytest

# These are no test modules by their names; their assertions shall explain themselves all the same.
POSTS = ("infobip", "mailgun", "slack", "stripe", "telegram", "twilio", "whatsapp")
MODULES = ("contract", "meta", "messaging", *(f"{name}_posts" for name in POSTS))
pytest.register_assert_rewrite(*(f"{__name__}.{module}" for module in MODULES))
