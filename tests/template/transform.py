"""The template as CloudFormation sees it, on stdout: run by the SAM CLI's own Python, with parameters as JSON."""

import json
import sys
from pathlib import Path

from samcli.lib.translate.sam_template_validator import SamTemplateValidator
from samcli.yamlhelper import yaml_parse


class NoManagedPolicies:
    """SAM's own policy templates are not used, so AWS need not be asked for them."""

    def load(self) -> dict[str, str]:
        return {}


path, parameters = Path(sys.argv[1]), json.loads(sys.argv[2])
validator = SamTemplateValidator(
    yaml_parse(path.read_text()), NoManagedPolicies(), region="eu-west-1", parameter_overrides=parameters
)
json.dump(yaml_parse(validator.get_translated_template_if_valid()), sys.stdout)
