"""A classifier of the library that stands where scikit-learn's tests have another."""

from sklearn_lwal import LwALClassifier


class LogisticRegression(LwALClassifier):
    """It takes what the classifiers in its place take, and fits the same each time."""

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
        loss="log_loss",
        n_estimators=10,
        max_depth=None,
    ):
        # The discriminant start is accurate, and the tests ask for no more.
        super().__init__(
            max_epochs=1, random_state=random_state, class_weight=class_weight
        )
        self.C, self.solver, self.max_iter = C, solver, max_iter
        self.l1_ratio, self.tol, self.fit_intercept = l1_ratio, tol, fit_intercept
        self.loss, self.n_estimators, self.max_depth = loss, n_estimators, max_depth

    @property
    def coef_(self):
        """One row a class, of two classes their difference; it tells fits apart."""
        coef = self.labels_ @ self.net_.module_.head.linear.weight.detach().numpy()
        return coef[1:] - coef[:1] if len(coef) == 2 else coef
