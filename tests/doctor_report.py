"""What `n2v-stem doctor` says, as a dictionary."""

import json

from n2v_stem_keras.cli import main


def report(capsys, *arguments):
    code = main(["doctor", "--json", *map(str, arguments)])
    found = json.loads(capsys.readouterr().out)
    return code, found["works"], {(c["section"], c["check"]): c for c in found["checks"]}
