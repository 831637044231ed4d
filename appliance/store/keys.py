"""Where the key-encryption key of a store comes from: a file, a credential of systemd, or a passphrase."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

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
OF_PASSPHRASE: Final = "appliance-store-passphrase"  # noqa: S105  its name
"""The credential that is asked for a passphrase where nobody can type one."""
Passphrase = Callable[[], bytes]


def read_credentials(environ: Mapping[str, str]) -> dict[str, bytes]:
    """What systemd gave this process for its store (systemd.exec(5), LoadCredential), by name.

    Only the user whom it was given to may read it: call this before giving up privileges.
    """
    folder = environ.get("CREDENTIALS_DIRECTORY")
    found: dict[str, bytes] = {}
    for name in (CREDENTIAL, OF_PASSPHRASE) if folder else ():
        with suppress(OSError):
            found[name] = _read(Path(folder or "") / name)
    return found


class Keys:
    """The keys of one store, whose own key files are in `folder`. `passphrase` is called if one is needed and `credentials` have
    none."""

    def __init__(
        self,
        folder: Path,
        *,
        entropy: Entropy,
        credentials: Mapping[str, bytes] | None = None,
        passphrase: Passphrase | None = None,
        shared: bool = False,
    ) -> None:
        """`shared`: another host may have made the store, and the key too."""
        self._folder = folder
        self._shared = shared
        self._entropy = entropy
        self._credentials = credentials or {}
        self._passphrase = passphrase

    def new(self) -> WrappingKey:
        """For a new store: the key or the passphrase that systemd gave, else a new file. Raises StoreSealed, OSError."""
        if CREDENTIAL in self._credentials:
            return self.of_credential()
        if OF_PASSPHRASE in self._credentials:
            return self.of_passphrase(self._credentials[OF_PASSPHRASE])
        return self.new_file()

    def discard(self, key: WrappingKey) -> None:
        """The file that `new` made is of no use: another server was quicker."""
        if key.wrapping.kind == "file":
            (self._folder / key.wrapping.place).unlink(missing_ok=True)

    def new_file(self) -> WrappingKey:
        """A new key file in the store's folder, readable by this user alone. On the disk when this returns. Raises OSError."""
        content = b64encode(self._entropy(KEY_BYTES))
        key = WrappingKey(content, Wrapping("file", ""))
        key.wrapping = key.wrapping._replace(place=f"key-{key.wrapping.id}")
        write_whole(self._folder / key.wrapping.place, content + b"\n")
        return key

    def of_file(self, path: Path) -> WrappingKey:
        """The key in a file. Raises StoreSealed, MissingPrivilege."""
        try:
            content = _read(path)
        except FileNotFoundError:
            hint = "bring it back: nothing else opens the store"
            if self._shared:
                hint = (
                    f"another host made the store: copy {path.name} from the store's folder there to {path.parent} here, for the"
                    " API server's user alone (mode 0600); docs/postgresql.md has other ways"
                )
            raise StoreSealed(f"the key file {path} is not there", hint=hint) from None
        except PermissionError:
            hint = "the user of the API server owns the store, and has to be able to read its key"
            raise MissingPrivilege(f"the key file {path} may not be read", hint=hint) from None
        except OSError as error:
            hint = "it is a file with 32 random bytes"
            raise StoreSealed(f"the key file {path} cannot be read: {error.strerror}", hint=hint) from None
        relative = path.parent.absolute() == self._folder.absolute()
        place = path.name if relative else str(path.absolute())
        return WrappingKey(_judged(content, path), Wrapping("file", "", place))

    def of_credential(self, name: str = CREDENTIAL) -> WrappingKey:
        """The key in a credential of systemd. Raises StoreSealed."""
        content = self._credentials.get(name)
        if content is None:
            hint = (
                f"the service needs LoadCredentialEncrypted={name}:FILE; a command: systemd-run -P -p LoadCredentialEncrypted=…"
            )
            raise StoreSealed(f"the credential {name} is not here", hint=hint)
        return WrappingKey(_judged(content, f"the credential {name}"), Wrapping("credential", "", name))

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
                key = self.of_passphrase(self._given_passphrase(), wrapping)
            case _:
                raise StoreSealed(
                    f"the store is sealed under a key of the kind {wrapping.kind!r}", hint="install the newer version"
                )
        return key

    def _given_passphrase(self) -> bytes:
        if OF_PASSPHRASE in self._credentials:
            return self._credentials[OF_PASSPHRASE]
        if self._passphrase is None:
            hint = f"a service has it from LoadCredentialEncrypted={OF_PASSPHRASE}:FILE, a command from --passphrase-file FILE"
            raise StoreSealed("the store is sealed under a passphrase, and none was given", hint=hint)
        return self._passphrase()


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MOST_BYTES + 1).strip()


def _judged(content: bytes, where: object) -> bytes:
    if not LEAST_BYTES <= len(content) <= MOST_BYTES:
        hint = f"a key has {LEAST_BYTES} to {MOST_BYTES} bytes, and they are random"
        raise StoreSealed(f"{where} has {len(content)} bytes", hint=hint)
    return content


def _stretched(passphrase: bytes, wrapping: Wrapping) -> bytes:
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
