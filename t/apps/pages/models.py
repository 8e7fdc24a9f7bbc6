"""The models of docs/frameworks/flask.md and fastapi.md: one report."""
from types import SimpleNamespace

REPORTS = {7: SimpleNamespace(owner="alice", title="Q3 report", path="2026/q3.pdf")}


def find_report(number):
    return REPORTS.get(number)
