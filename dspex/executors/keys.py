"""Providers' keys for the workers of a cluster, which otherwise have those of their own environment only.

Keys never travel with the work: a task's arguments are kept by the scheduler and shown on its pages. Here they go once
to each worker's environment, those that join or are restarted later too.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from dspex.errors import SettingsError
from dspex.lm.secret import MASK, Secret

PLUGIN = "dspex-keys"


def give_keys(client: Any, keys: Mapping[str, str | Secret]) -> None:
    """Put keys into the environment of every worker of a Dask cluster, now and when one joins.

    The scheduler holds them in memory for workers to come, and they cross the network as the cluster's other traffic
    does: encrypted where the cluster uses TLS, and only there. A cluster whose workers have their keys already needs
    none of this.

    Args:
        client: a `dask.distributed.Client`.
        keys: by the name of the environment variable, such as `{"OPENAI_API_KEY": "..."}`.

    Raises:
        SettingsError: a name or a key cannot be.
    """
    plain = {name: _checked(name, key) for name, key in keys.items()}
    if not plain:
        raise SettingsError('Name at least one key, such as `give_keys(client, {"OPENAI_API_KEY": "..."})`.')
    if not callable(getattr(client, "register_plugin", None)):
        raise SettingsError(
            f"`give_keys` takes a `dask.distributed.Client` first, not `{type(client).__name__}`."
        )
    client.register_plugin(plugin(plain), name=PLUGIN)


def plugin(keys: Mapping[str, str]) -> Any:
    """Return Dask's own kind of object that puts keys into each worker's environment."""
    from distributed import WorkerPlugin

    class Keys(WorkerPlugin):
        """Puts keys into the environment of the process it arrives in."""

        idempotent = False

        def __init__(self) -> None:
            self._keys = dict(keys)

        def setup(self, worker: Any) -> None:
            os.environ.update(self._keys)

        def __repr__(self) -> str:
            return f"<Keys {', '.join(self._keys)}: {MASK}>"

    return Keys()


def _checked(name: str, key: object) -> str:
    if not name.isidentifier() or name != name.upper():
        raise SettingsError(
            f"`{name}` is no name of a key; give that of the provider's environment variable, such as "
            "`OPENAI_API_KEY`."
        )
    value = key.reveal() if isinstance(key, Secret) else key
    if not isinstance(value, str) or not value.strip():
        raise SettingsError(f"The key `{name}` is empty or no text.")
    return value.strip()
