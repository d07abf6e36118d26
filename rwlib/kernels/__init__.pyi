from .beside import NAME as NAME
from .beside import kernels_beside as kernels_beside
