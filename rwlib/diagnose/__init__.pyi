from .diagnosis import diagnose as diagnose
from .patterns import any_of as any_of
