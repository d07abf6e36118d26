from .beside import kernels_beside as kernels_beside
