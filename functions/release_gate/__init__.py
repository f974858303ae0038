"""The release gate: CodeDeploy's event in, a verdict on the new version out. No rule of the domain is here."""
