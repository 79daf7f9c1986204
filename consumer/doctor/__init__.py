"""The doctor: examines a running set-up end to end, and says what to change and why. It changes nothing itself.

Facts are gathered at the rim (`examination`, and the rooms of broker and ledger); each other module judges one subject.
"""

from consumer.doctor.examination import examine
from consumer.doctor.finding import Finding, Level
from consumer.doctor.management import refused_url
from consumer.doctor.view import fails, show

__all__ = ["Finding", "Level", "examine", "fails", "refused_url", "show"]
