"""Build the site of the documentation, and serve it on this machine.

    python docs/site/build.py            # into docs/site/html, warnings are errors
    python docs/site/build.py --serve    # and shows it on http://localhost:8000
    python docs/site/build.py --links    # asks every link to the web whether it is there

Needs the extra ``docs``, and no network but for --links.
"""

import argparse
import functools
import http.server
import sys
from pathlib import Path

HERE = Path(__file__).parent


def build(out, builder="html"):
    """Build into a folder; return Sphinx's exit code, which any warning makes 1."""
    from sphinx.cmd.build import build_main

    # --keep-going: all warnings are shown, then it fails
    strict = ["--fail-on-warning", "--keep-going", "--quiet"]
    return build_main([*strict, "-b", builder, "-c", str(HERE), str(HERE.parents[1]), str(out)])


def serve(out, port):
    """Show a folder to browsers of this machine until Ctrl-C."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(out))
    with http.server.ThreadingHTTPServer(("localhost", port), handler) as server:
        print(f"http://localhost:{port} shows {out}; Ctrl-C ends it")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()


def main(argv=None):
    """Build, and serve if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=HERE / "html")
    parser.add_argument("--serve", action="store_true", help="show it afterwards")
    parser.add_argument("--links", action="store_true", help="instead: check links to the web")
    parser.add_argument("--port", type=int, default=8000)
    args = parser.parse_args(argv)
    if args.links:
        return build(args.out.with_name("links"), "linkcheck")
    code = build(args.out)
    if code == 0 and args.serve:
        serve(args.out, args.port)
    return code


if __name__ == "__main__":
    sys.exit(main())
