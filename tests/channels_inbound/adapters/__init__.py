import pytest

# The contract is no test module by its name; its assertions shall explain themselves all the same.
pytest.register_assert_rewrite("tests.channels_inbound.adapters.contract")
