"""A training history of bounded length."""

from skorch.history import History

# Number of rows kept by ``partial_fit``, so that the cost of a call does not grow with
# the number of calls.
RECENT = 100


class CountedHistory(History):
    """A skorch history that may drop its first rows but still counts them."""

    n_forgotten = 0

    def __len__(self):
        return self.n_forgotten + super().__len__()

    @classmethod
    def of_rows(cls, rows):
        """A history of rows without batches; earlier epochs count as dropped."""
        found = cls({"batches": [{}], **row} for row in rows)
        if rows:
            found.n_forgotten = rows[0]["epoch"] - 1
        return found

    def plain_rows(self):
        """The rows without the entries of callbacks about single batches."""
        return [{k: v for k, v in row.items() if k != "batches"} for row in self]

    def keep_last(self, n_rows):
        """Drop all rows but the last ``n_rows``."""
        surplus = max(0, super().__len__() - n_rows)
        del self[:surplus]
        self.n_forgotten += surplus

    def undo_since(self, length):
        """Remove rows to get back to a length."""
        del self[length - self.n_forgotten :]
