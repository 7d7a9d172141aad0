"""An evaluation as one HTML page.

facts of the model, evaluation ──► sections: words, tables, plots ──► page
"""

from mlzoo.training.report.facts import facts_of
from mlzoo.training.report.page import html_report

__all__ = ["facts_of", "html_report"]
