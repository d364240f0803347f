"""What setup.cfg cannot say: the packages, the text of the index's page, archives without a date.

All packages that are found, and models/ beside them. The page of a package index shows the README
without the links and pictures of the repository, which lead nowhere there. Archives are the same to
the byte wherever and whenever the same setuptools builds them of the same files.
"""

import gzip
import os
import re
import tarfile
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.sdist import sdist

# of all files in the wheel and in the sdist, unless the builder says another
os.environ.setdefault("SOURCE_DATE_EPOCH", "1767225600")  # 2026-01-01


def long_description():
    """Return the README with links to other pages of the repository as plain text."""
    text = Path(__file__).with_name("README.md").read_text(encoding="utf-8")
    text = re.sub(r"^!\[[^\]]*\]\((?!https?:)[^)]*\)\n\n\*.*\*\n\n", "", text, flags=re.M)
    return re.sub(r"\[([^\]]*)\]\((?!https?:)[^)]*\)", r"\1", text)


class DatelessSdist(sdist):
    """Write the source archive with one date, one owner, and files in the order of their names."""

    def make_archive(self, base_name, format, root_dir=None, base_dir=None, owner=None, group=None):
        """Write a gzipped tar; leave other formats to setuptools."""
        if format != "gztar":
            return super().make_archive(base_name, format, root_dir, base_dir, owner, group)
        date = int(os.environ["SOURCE_DATE_EPOCH"])

        def plain(member):
            member.mtime, member.uid, member.gid, member.uname, member.gname = date, 0, 0, "", ""
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            return member

        path = f"{base_name}.tar.gz"
        with (
            open(path, "wb") as file,
            gzip.GzipFile("", "wb", mtime=date, fileobj=file) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
        ):
            archive.add(Path(root_dir or ".") / base_dir, base_dir, filter=plain)
        return path


setup(
    packages=[*find_packages(include=["n2v_stem_keras*"]), "n2v_stem_keras.pretrained"],
    long_description=long_description(),
    cmdclass={"sdist": DatelessSdist},
)
