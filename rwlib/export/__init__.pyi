from .exporting import FORMATS as FORMATS
from .exporting import export_target as export_target
from .exporting import export_targets as export_targets
from .lookup import export_plan as export_plan
from .operator import operator_policy as operator_policy
from .plan import ExportPlan as ExportPlan
