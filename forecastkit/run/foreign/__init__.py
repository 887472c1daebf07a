"""Forecasts made elsewhere: read from a table, scored and tested beside the naive rules."""
