"""Settings of all tests."""

from hypothesis import settings

# Timing never decides a test.
settings.register_profile("onedepth", deadline=None)
settings.load_profile("onedepth")
