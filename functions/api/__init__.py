"""The api function: HTTP in, HTTP out. No rule of the domain is here."""
