"""Sequences with a label: heartbeats, histories of visits, anything of many steps and one answer."""
