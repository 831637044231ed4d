"""For wheels.sh: builds the wheel of each project into a directory, all in one process.

python wheels.py DIRECTORY PROJECT...
"""

import os
import sys

from hatchling.build import build_wheel

out, *projects = map(os.path.realpath, sys.argv[1:])
for project in projects:
    os.chdir(project)  # PEP 517: the hook is called in the project's directory
    build_wheel(out)
