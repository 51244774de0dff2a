import pytest

# These are no test modules by their names; their assertions shall explain themselves all the same.
pytest.register_assert_rewrite(*(f"{__name__}.{module}" for module in ("contract", "meta", "messaging")))
