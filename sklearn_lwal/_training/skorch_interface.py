"""The interface of the net to callbacks: data and parameters as in skorch."""

from skorch import NeuralNetClassifier

from .batches import LabelledRows


class SkorchInterface(NeuralNetClassifier):
    """A skorch net with the data and parameters that callbacks expect."""

    @property
    def _default_callbacks(self):
        # The engine writes the history, and the classifier shows progress.
        return []

    def notify(self, method_name, **given):
        """As in skorch; callbacks get arrays instead of :class:`LabelledRows`."""
        if isinstance(given.get("X"), LabelledRows):
            given["X"], given["y"] = given["X"].as_given()
        super().notify(method_name, **given)

    def get_params(self, deep=True, **kwargs):
        """As in skorch, plus the input width, which ``InputShapeSetter`` reads."""
        params = super().get_params(deep=deep, **kwargs)
        if deep:
            params["module__input_dim"] = self.module.first_layer.weight.shape[1]
        return params

    def set_params(self, **params):
        """As in skorch, but parameters of the module are refused."""
        built = [name for name in params if name.split("__")[0] == "module"]
        if built:
            raise ValueError(
                f"The net can not set {built}: the classifier builds the network from "
                "its own parameters and the width of X. Leave out callbacks that "
                "rebuild it."
            )
        return super().set_params(**params)
