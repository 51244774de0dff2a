"""What can think for an agent. Each brain is one module behind the small port in `base.py`."""
