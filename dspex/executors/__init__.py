"""Where the cells of an evaluation are made, if not in this process: on the workers of a Dask cluster.

Pass a `dask.distributed.Client` as `executor=` to `Evaluate`, `dspex.evaluate` or an optimizer's `start`.
"""

from dspex.executors.keys import give_keys

__all__ = ["give_keys"]
