"""The one thing that setup.cfg cannot say: all packages that are found, and models/ beside them."""

from setuptools import find_packages, setup

setup(packages=[*find_packages(include=["n2v_stem_keras*"]), "n2v_stem_keras.pretrained"])
