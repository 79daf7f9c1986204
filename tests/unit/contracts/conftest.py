from __future__ import annotations

from hypothesis import HealthCheck, settings

# The machine may be busy; how long an example takes is no promise of ours.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")
