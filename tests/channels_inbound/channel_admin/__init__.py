import pytest

# No test module by its name; its assertions shall explain themselves all the same.
pytest.register_assert_rewrite(f"{__name__}.pages")
