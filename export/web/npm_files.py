"""What the page takes from npm: pinned files, copied in by npm, or found at a CDN."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from iic_tf.annotations import Json

CDN = "https://cdn.jsdelivr.net/npm"
"""Serves the files of npm's packages as they are, so that the same hashes hold."""

SECONDS = 300
"""After which npm is not waited for any longer; the larger package has 33 MB."""


class NpmError(Exception):
    """npm did not give the files, with the reason."""


@dataclass(frozen=True)
class Package:
    """A package of npm in one version.

    Attributes:
        name, version: as npm has them.
        integrity: SHA-512 of its archive, as npm writes it.
        files: those that the page needs: path within the package, and SHA-384 as browsers want it.
    """

    name: str
    version: str
    integrity: str
    files: dict[str, str]


ONNX_RUNTIME = Package(
    "onnxruntime-web",
    "1.30.0",
    "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ==",
    {
        "dist/ort.wasm.bundle.min.mjs": (
            "sha384-PLWz+nHEVHpjwBsO0YVdvQj6n5814Iv8E3b8FG0Rp/uIAtjFMCKOpP66iPzedrIG"
        ),
        "dist/ort-wasm-simd-threaded.wasm": (
            "sha384-vjBJ1z7qrhkTyYsNqKeF6c7N+nOJSU94czEo+tvZcu8G75JparGq9kB+kTnEUNVM"
        ),
    },
)
GEOTIFF = Package(
    "geotiff",
    "3.0.5",
    "sha512-OWcL9S9+yDZ6iAlXMt32T1iwUApJM8UiD47xbm6ZP1h33d10fqkPs14EG/ttT5EnefpZSx3G15iDFC5FxUNUwA==",
    {
        "dist-browser/geotiff.js": (
            "sha384-QchpYxK+DqZYCChtK4SebrECTZEIQ0ahLhme9vwraN6KNxOGwtS66BG72wo1HQDN"
        ),
    },
)
PACKAGES = (ONNX_RUNTIME, GEOTIFF)

_LICENCES = ("LICENSE", "package.json")
"""Kept beside the files, as far as a package has them: what they are, and who may use them."""


def copy_in(folder: Path) -> None:
    """Have npm fetch the packages, and put their files into `folder`/NAME.

    Archives and files whose hashes are others than the pinned ones are refused.

    Raises:
        NpmError: there is no npm, it fails, or what it brings is something else.
        OSError: the files cannot be written.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise NpmError("npm is not installed")
    with tempfile.TemporaryDirectory() as scratch:
        for package in PACKAGES:
            archive = _packed(npm, package, Path(scratch))
            _unpack(archive, package, folder / package.name)


def _packed(npm: str, package: Package, folder: Path) -> Path:
    asked = f"{package.name}@{package.version}"
    # Without scripts: nothing of a package is run here.
    # "." is the scratch folder, where it runs.
    command = [npm, "pack", asked, "--ignore-scripts", "--silent", "--pack-destination", "."]
    try:
        subprocess.run(command, check=True, capture_output=True, cwd=folder, timeout=SECONDS)
    except subprocess.TimeoutExpired as error:
        raise NpmError(f"npm took more than {SECONDS} s for {asked}") from error
    except (OSError, subprocess.CalledProcessError) as error:
        raise NpmError(f"npm has no {asked} here: {_reason(error)}") from error
    archive = folder / f"{package.name}-{package.version}.tgz"
    if not archive.is_file() or integrity(archive.read_bytes(), "sha512") != package.integrity:
        raise NpmError(f"npm brought another {asked} than the pinned one")
    return archive


def _reason(error: Exception) -> str:
    said = error.stderr if isinstance(error, subprocess.CalledProcessError) else str(error).encode()
    lines = said.decode(errors="replace").splitlines() or ["it does not say why"]
    return lines[0].strip()[:120]


def _unpack(archive: Path, package: Package, folder: Path) -> None:
    folder.mkdir(parents=True)
    with tarfile.open(archive) as packed:
        for name in (*package.files, *_LICENCES):
            content = _content(packed, f"package/{name}")
            wanted = package.files.get(name)
            if content is None and wanted is None:
                continue
            if content is None or (wanted and integrity(content) != wanted):
                raise NpmError(f"{package.name} {package.version} has another {name} than pinned")
            (folder / Path(name).name).write_bytes(content)


def _content(packed: tarfile.TarFile, name: str) -> bytes | None:
    try:
        file = packed.extractfile(name)
    except KeyError:
        return None
    return None if file is None else file.read()


def integrity(content: bytes, algorithm: str = "sha384") -> str:
    """A hash as npm and browsers write it: `sha384-`, and base64."""
    digest = hashlib.new(algorithm, content).digest()
    return f"{algorithm}-{base64.b64encode(digest).decode()}"


def places(folder: str | None) -> list[Json]:
    """Where the page finds each file, and its hash.

    Args:
        folder: relative to the page, where `copy_in` put them; None: at the CDN.
    """
    return [
        {
            "file": Path(name).name,
            "url": (
                f"{CDN}/{package.name}@{package.version}/{name}"
                if folder is None
                else f"{folder}/{package.name}/{Path(name).name}"
            ),
            "integrity": digest,
        }
        for package in PACKAGES
        for name, digest in package.files.items()
    ]
