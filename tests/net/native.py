# SPDX-License-Identifier: GPL-2.0
"""native.py: the small C programs that stand beside the tests, built when they are needed."""

import os
import pathlib
import subprocess

HERE = pathlib.Path(__file__).parent
INCLUDE = HERE.parents[1] / "include"
FLAGS = [f"-I{INCLUDE}", "-std=gnu11", "-O2", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror"]


def build(source, folder, *options):
    """native.build("scale.c", folder) → the program"""
    program = pathlib.Path(folder, source).with_suffix("")
    subprocess.run([os.environ.get("CC", "cc"), *FLAGS, HERE / source, "-o", program, *options], check=True)
    return program
