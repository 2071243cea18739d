"""What callbacks see of the net that trains: data and parameters as in skorch."""

from skorch import NeuralNetClassifier

from .dataset import LabelledRows


class SkorchInterface(NeuralNetClassifier):
    """The side of a net that callbacks turn to."""

    @property
    def _default_callbacks(self):
        # The engine writes the history itself, and the face shows progress.
        return []

    def notify(self, method_name, **given):
        """As in skorch, with arrays in the place of rows on the device."""
        if isinstance(given.get("X"), LabelledRows):
            given["X"], given["y"] = given["X"].as_given()
        super().notify(method_name, **given)

    def get_params(self, deep=True, **kwargs):
        """As in skorch; with the width that ``InputShapeSetter`` asks for."""
        params = super().get_params(deep=deep, **kwargs)
        if deep:
            params["module__input_dim"] = self.module.first_layer.weight.shape[1]
        return params

    def set_params(self, **params):
        """As in skorch, but the network is the classifier's to build."""
        built = [name for name in params if name.split("__")[0] == "module"]
        if built:
            raise ValueError(
                f"The net can not set {built}: the classifier builds the network, from "
                "its own parameters and to the width of X. Leave out callbacks that "
                "build it anew."
            )
        return super().set_params(**params)
