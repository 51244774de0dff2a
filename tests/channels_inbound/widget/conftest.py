from typing import Any

import pytest

from tests.channels_inbound.widget.client import Widget, make_website


@pytest.fixture
def channel(db: None) -> Any:
    return make_website()


@pytest.fixture
def widget(channel: Any) -> Widget:
    return Widget(channel)
