from .diagnosis import diagnose as diagnose
from .mentions import NOTHING as NOTHING
from .mentions import NOTHING_LIVE as NOTHING_LIVE
from .mentions import Watched as Watched
from .wording import cause_title as cause_title
from .wording import heading as heading
from .wording import worded as worded
