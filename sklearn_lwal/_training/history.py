"""The history of a net that may be trained for ever."""

from skorch.history import History

# Rows that a stream of calls of ``partial_fit`` leaves, so that a call costs the same
# after a million of them.
RECENT = 100


class CountedHistory(History):
    """A skorch history that may forget its first rows and goes on counting them."""

    n_forgotten = 0

    def __len__(self):
        return self.n_forgotten + super().__len__()

    @classmethod
    def of_rows(cls, rows):
        """From rows without batches; the first one's number tells what is forgotten."""
        found = cls({"batches": [{}], **row} for row in rows)
        if rows:
            found.n_forgotten = rows[0]["epoch"] - 1
        return found

    def plain_rows(self):
        """The rows without what callbacks wrote about single batches."""
        return [{k: v for k, v in row.items() if k != "batches"} for row in self]

    def keep_last(self, n_rows):
        """Forget all rows but the last ones."""
        surplus = max(0, super().__len__() - n_rows)
        del self[:surplus]
        self.n_forgotten += surplus

    def undo_since(self, length):
        """Remove the rows since there were so many."""
        del self[length - self.n_forgotten :]
