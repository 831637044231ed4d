"""A Python environment to throw away that has what this one has: for tests that install plugins. And wheels made by hand."""

from __future__ import annotations

import os
import subprocess
import sysconfig
import venv
import zipfile
from pathlib import Path

SCRIPT = "#!{python}\nimport sys\nfrom appliance.cli import main\nsys.exit(main())\n"


class Environment:
    """Like a checkout's .venv or the Debian package's: without pip, with a directory of plugins of its own."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, symlinks=True)
        self.folder = folder
        self.bin = folder / "bin"
        site = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
        (site / "as_here.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
        program = self.bin / "appliance"
        program.write_text(SCRIPT.format(python=self.bin / "python"))
        program.chmod(0o755)
        self.plugins = folder / "lib/appliance/plugins"

    def appliance(self, *words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("APPLIANCE_", "PYTHON"))}
        environ |= {"PIP_NO_INDEX": "1", "NO_COLOR": "1"}
        command = [str(self.bin / "appliance"), *words]
        return subprocess.run(command, cwd=cwd or self.folder, env=environ, capture_output=True, text=True)


def wheel(
    folder: Path,
    name: str,
    version: str = "1.0",
    code: str = "",
    *,
    entry: str = "",
    api: str = "",
    group: str = "appliance.v1",
    needs: tuple[str, ...] = (),
) -> Path:
    """A wheel with one module; `entry` is the plugin's name, empty for a library."""
    module = name.replace("-", "_")
    path, metadata = folder / f"{module}-{version}-py3-none-any.whl", f"{module}-{version}.dist-info"
    files = {
        f"{module}.py": code,
        f"{metadata}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        + "".join(f"Requires-Dist: {need}\n" for need in needs),
        f"{metadata}/WHEEL": "Wheel-Version: 1.0\nGenerator: by hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if entry:
        files[f"{metadata}/entry_points.txt"] = f"[{group}]\n{entry} = {module} {api}\n"
    files[f"{metadata}/RECORD"] = "".join(f"{file},,\n" for file in [*files, f"{metadata}/RECORD"])
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(file, text)
    return path
