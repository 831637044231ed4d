"""Where the key-encryption key of a store comes from: a file, a credential of systemd, or a passphrase."""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from appliance.errors import MissingPrivilege
from appliance.foundation.whole_files import write_whole
from appliance.store.envelope import KEY_BYTES, Entropy
from appliance.store.ring import StoreSealed, Wrapping, WrappingKey

LEAST_BYTES: Final = 32
"""Of a key file or credential. What has fewer is a password, and would be tried out."""
MOST_BYTES: Final = 4096
PASSES, LANES, MEMORY_KIB = 3, 4, 64 * 1024
"""What RFC 9106, 4 recommends where memory is constrained."""
MOST_PASSES, MOST_LANES, MOST_MEMORY_KIB = 64, 64, 1 << 20
"""What a ring may ask for: who can write the file cannot make the start take hours."""
LEAST_PASSPHRASE: Final = 8
"""Bytes."""
CREDENTIAL: Final = "appliance-store-key"
Passphrase = Callable[[], bytes]


class Keys:
    """The keys of one store, whose own key files are in `folder`. `passphrase` is called if one is needed."""

    def __init__(
        self, folder: Path, *, entropy: Entropy, passphrase: Passphrase | None = None, environ: Mapping[str, str] = os.environ
    ) -> None:
        self._folder = folder
        self._entropy = entropy
        self._passphrase = passphrase
        self._environ = environ

    def new_file(self, path: Path | None = None) -> WrappingKey:
        """A new key file, readable by this user alone: at `path`, or in the store's folder. On the disk when this returns. Raises
        OSError, FileExistsError among them."""
        content = b64encode(self._entropy(KEY_BYTES))
        key = WrappingKey(content, Wrapping("file", "", "" if path is None else str(path.absolute())))
        if path is None:
            key.wrapping = key.wrapping._replace(place=f"key-{key.wrapping.id}")
            path = self._folder / key.wrapping.place
        if path.exists():
            raise FileExistsError(17, "there is a file already", str(path))
        write_whole(path, content + b"\n")
        return key

    def of_file(self, path: Path) -> WrappingKey:
        """The key in a file. Raises StoreSealed."""
        relative = path.parent.absolute() == self._folder.absolute()
        return WrappingKey(_content(path), Wrapping("file", "", path.name if relative else str(path.absolute())))

    def of_credential(self, name: str = CREDENTIAL) -> WrappingKey:
        """The key in a credential (systemd.exec(5), LoadCredential and LoadCredentialEncrypted). Raises StoreSealed."""
        folder = self._environ.get("CREDENTIALS_DIRECTORY")
        if not folder:
            hint = f"the service needs LoadCredentialEncrypted={name}:FILE; a command: systemd-run -p LoadCredentialEncrypted=…"
            raise StoreSealed(f"the credential {name} is not here: systemd gave none", hint=hint)
        return WrappingKey(_content(Path(folder) / name), Wrapping("credential", "", name))

    def of_passphrase(self, passphrase: bytes, like: Wrapping | None = None) -> WrappingKey:
        """What Argon2id makes of a passphrase, with the salt of `like` or a new one. Takes a while. Raises StoreSealed."""
        if len(passphrase) < LEAST_PASSPHRASE:
            raise StoreSealed("the passphrase is too short", hint=f"it needs {LEAST_PASSPHRASE} bytes; several words are good")
        salt = _text(self._entropy(16))
        wrapping = like or Wrapping("passphrase", "", salt=salt, passes=PASSES, lanes=LANES, memory_kib=MEMORY_KIB)
        return WrappingKey(_stretched(passphrase, wrapping), wrapping)

    def find(self, wrapping: Wrapping) -> WrappingKey:
        """The key that is named. Raises StoreSealed if it is not there or another one."""
        match wrapping.kind:
            case "file":
                key = self.of_file(self._folder / wrapping.place)
            case "credential":
                key = self.of_credential(wrapping.place)
            case "passphrase":
                if self._passphrase is None:
                    raise StoreSealed("the store is sealed under a passphrase", hint="give it with --passphrase-file FILE")
                key = self.of_passphrase(self._passphrase(), wrapping)
            case _:
                raise StoreSealed(
                    f"the store is sealed under a key of the kind {wrapping.kind!r}", hint="install the newer version"
                )
        return key


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1).strip()
    except FileNotFoundError:
        raise StoreSealed(f"the key file {path} is not there", hint="bring it back: nothing else opens the store") from None
    except PermissionError:
        raise MissingPrivilege(f"you may not read the key file {path}", hint="run it as root (sudo), or as its owner") from None
    except OSError as error:
        raise StoreSealed(
            f"the key file {path} cannot be read: {error.strerror}", hint="it is a file with 32 random bytes"
        ) from None
    if not LEAST_BYTES <= len(content) <= MOST_BYTES:
        raise StoreSealed(
            f"{path} has {len(content)} bytes", hint=f"a key has {LEAST_BYTES} to {MOST_BYTES}, and they are random"
        )
    return content


def _stretched(passphrase: bytes, wrapping: Wrapping) -> bytes:
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    if not (1 <= wrapping.passes <= MOST_PASSES and 1 <= wrapping.lanes <= MOST_LANES and wrapping.memory_kib <= MOST_MEMORY_KIB):
        raise StoreSealed(
            "the parameters of the passphrase are out of bounds", hint="appliance store restore FILE, with a backup"
        )
    try:
        stretcher = Argon2id(
            salt=b64decode(wrapping.salt),
            length=KEY_BYTES,
            iterations=wrapping.passes,
            lanes=wrapping.lanes,
            memory_cost=wrapping.memory_kib,
        )
        return stretcher.derive(passphrase)
    except ValueError as error:
        hint = "appliance store restore FILE, with a backup"
        raise StoreSealed("the parameters of the passphrase are wrong", hint=hint) from error


def _text(octets: bytes) -> str:
    return b64encode(octets).decode()
