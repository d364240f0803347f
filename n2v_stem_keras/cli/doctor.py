"""Say what works on this machine, what is missing, and how to get it."""

import argparse
import json

from . import options

DESCRIPTION = """\
Look at the installation: versions, processor, memory and GPUs, engines and their threads, what each
extra adds and the pip line for it, how fast a convolution is, whether the ready-made models load,
and whether folders can be written. Each check stands for itself: one that fails says why, and the
others go on.

The exit code is 0 if the core works (Python, the libraries, TensorFlow, the ready-made models), and
5 if not. Missing extras, GPUs and folders do not count.

examples:
  n2v-stem doctor
  n2v-stem doctor --folder /data/denoised
  n2v-stem doctor --json > report.json     # to send along with a question
"""
FAILED = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument(
        "--folder",
        action="append",
        metavar="DIR",
        help="look at this folder, too: can it be written, how much space is there? May be "
        "repeated (always looked at: the current and the temporary folder)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON for other programs")


def run(args) -> int:
    """Examine; exit code 5 if the core does not work."""
    from .doctor_checks import examine

    findings, section = [], None
    for finding in examine(args.folder or []):
        findings.append(finding)
        if args.json:
            continue
        if finding.section != section:
            section = finding.section
            options.show(f"\n{section}" if len(findings) > 1 else section)
        options.show(_lines(finding), lines=True)
    broken = [f for f in findings if f.core and f.state != "ok"]
    if args.json:
        options.show(
            json.dumps({"works": not broken, "checks": [f.as_dict() for f in findings]}, indent=1),
            lines=True,
        )
    else:
        options.show(f"\n{_verdict(broken)}")
    return FAILED if broken else 0


def _lines(finding) -> str:
    """Lay one finding out for a terminal."""
    state = "FAILED" if finding.state == "failed" else finding.state
    text = f"  {state:<8} {finding.check:<16} {finding.found}".rstrip()
    return text + (f"\n{'':<28}{finding.advice}" if finding.advice else "")


def _verdict(broken) -> str:
    if not broken:
        return "The core works."
    names = dict.fromkeys(finding.check for finding in broken)
    return f"The core does not work: {', '.join(names)}."
