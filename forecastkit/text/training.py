"""Training of text networks: the one way that the sister tasks share."""

from forecastkit.training.networks import Plan, fit_net

__all__ = ["Plan", "fit_net"]
