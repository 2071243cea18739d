"""What repeats in the hints of public signatures."""

from os import PathLike
from typing import TypeAlias

import torch
from numpy.typing import ArrayLike
from scipy.sparse import sparray, spmatrix
from torch.utils.data import Dataset

FilePath: TypeAlias = str | PathLike[str]
# Features, a row a sample, or images; DataFrames are array-like.
Samples: TypeAlias = ArrayLike | spmatrix | sparray | torch.Tensor | Dataset
# An entry a sample: classes or weights.
Column: TypeAlias = ArrayLike | torch.Tensor
