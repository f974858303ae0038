"""The warmer function: a schedule's event in, a summary out. No rule of the domain is here."""
