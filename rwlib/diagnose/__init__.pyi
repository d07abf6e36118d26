from .diagnosis import diagnose as diagnose
from .mentions import NOTHING as NOTHING
from .mentions import Watched as Watched
