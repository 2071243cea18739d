"""A classifier of the library that stands where scikit-learn's tests have another."""

from sklearn_lwal import LwALClassifier


class LogisticRegression(LwALClassifier):
    """It takes what LogisticRegression takes, and fits the same each time."""

    def __init__(
        self,
        C=1.0,
        solver="lbfgs",
        max_iter=100,
        random_state=0,
        class_weight=None,
        l1_ratio=0.0,
        tol=1e-4,
        fit_intercept=True,
    ):
        super().__init__(
            max_epochs=5, random_state=random_state, class_weight=class_weight
        )
        self.C, self.solver, self.max_iter = C, solver, max_iter
        self.l1_ratio, self.tol, self.fit_intercept = l1_ratio, tol, fit_intercept
