"""Types that several public signatures share."""

from os import PathLike
from typing import TypeAlias

import torch
from numpy.typing import ArrayLike
from scipy.sparse import sparray, spmatrix
from torch.utils.data import Dataset

FilePath: TypeAlias = str | PathLike[str]
# Features, with one row for each sample, or images; DataFrames are array-like.
Samples: TypeAlias = ArrayLike | spmatrix | sparray | torch.Tensor | Dataset
# One entry for each sample: classes or weights.
Column: TypeAlias = ArrayLike | torch.Tensor
