from .allowed_roles import AllowedRolesFailedError as AllowedRolesFailedError
from .allowed_roles import Patience as Patience
from .allowed_roles import WaitTimeoutError as WaitTimeoutError
from .answers import AllowedRoles as AllowedRoles
from .answers import CloudMetadata as CloudMetadata
from .client import Cloud as Cloud
from .sinks import sink_failures as sink_failures
from .transport import SqlError as SqlError
