"""The worker function: messages from SQS in, those that are to come again out. No rule of the domain is here."""
