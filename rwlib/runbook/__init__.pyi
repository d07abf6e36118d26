from .approval import APPROVED as APPROVED
from .approval import planned_state as planned_state
from .live_checks import LiveChecks as LiveChecks
from .report_values import build_report as build_report
from .report_values import leave_report as leave_report
from .runbook import Runbook as Runbook
