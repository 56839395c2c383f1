"""Slow, obvious doubles of the native core, which share no code with it."""
